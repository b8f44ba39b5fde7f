"""Random histories of one order: everybody around it played, nobody in a hurry, nothing in order.

A `Plan` (drawn by hypothesis) says what the others will do; `run` lets them, delivering what everybody
says in random order, sometimes twice. The other systems keep their own books, against which the order's
money is checked. There is no I/O; a history takes about a millisecond.
"""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from services.orders.domain import wishes
from services.orders.domain.attention import Item, items
from services.orders.domain.deadlines import waits
from services.orders.domain.facts import (
    UNASKED,
    Facts,
    Failure,
    Parcel,
    Payment,
    Reservation,
    Return,
    Share,
    Word,
    join,
)
from services.orders.domain.order import Order
from services.orders.domain.saga import decide
from services.orders.domain.sayings import Ask, Cancel, Confirm, Place, Recall, Saying
from services.orders.domain.terms import Terms
from tests.unit.orders.cast import Account, ParcelPlan, PaymentPlan, Plan

START = datetime(2026, 5, 4, tzinfo=UTC)


class History:
    """One run of a plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.chance = random.Random(plan.seed)
        self.now = START
        self.order = Order(Terms("o", "shop", "1", "EUR", plan.total, START), Facts())
        self.said: list[Saying] = []
        self.to_orders: list[Facts] = []
        self.to_others: list[Saying] = []
        self.heard: list[Facts] = []
        self.accounts: dict[str, Account] = {}
        self.impossible: list[str] = []
        self.steps = 0
        self.held_stock = False
        self.stock_tombstone = False
        self.confirmed_here = False
        self.cancel_answered = False
        self.stage: dict[str, str] = {}
        self.late: list[Facts] = []
        self.came_back: set[str] = set()
        self.given_up = 0
        self.kept_above = 0
        self.paid_by_hand = 0

    # --- Running ---------------------------------------------------------------------------------------

    def run(self) -> "History":
        """Until everybody is done and the order is over."""
        self._begin()
        for _ in range(2_000):
            if not self._step():
                return self
        raise AssertionError("the history does not end")

    def _begin(self) -> None:
        facts = Facts()
        for number, payment in enumerate(self.plan.payments):
            if payment.when == 0:
                facts = join(facts, self._pay(f"p{number}"))
        if self.plan.early_cancel:
            facts = join(facts, Facts(cancels={"early": Word("channel", "changed mind", self.now)}))
        if self.plan.hold:
            facts = join(
                facts, wishes.Facts(holds={"h": wishes.Hold(placed=Word("desk", "check", self.now))})
            )
        self._learn(facts)

    def _step(self) -> bool:
        self.now += timedelta(minutes=1)
        self.steps += 1
        if self.plan.cancel_after == self.steps:
            self._wish(wishes.cancel(self.order, "c", Word("customer", "changed mind", self.now)))
        works = [
            work for work in (self._orders_hear, self._others_hear, self._warehouse_works) if self._has(work)
        ]
        if works:
            self.chance.choice(works)()
            return True
        return self._people_look() or self._time_passes()

    def _has(self, work: Any) -> bool:
        if work == self._orders_hear:
            return bool(self.to_orders)
        if work == self._others_hear:
            return bool(self.to_others)
        return any(stage != "over" for stage in self.stage.values())

    def _orders_hear(self) -> None:
        index = self.chance.randrange(len(self.to_orders))
        facts = self.to_orders[index]
        if self.chance.random() > 0.15:  # Else it comes again.
            del self.to_orders[index]
        self._learn(facts)

    def _learn(self, facts: Facts) -> None:
        self.heard.append(facts)
        self.order = Order(self.order.terms, join(self.order.facts, facts))
        self.order, said = decide(self.order, self.now)
        self.said += said
        self.to_others += said

    def _others_hear(self) -> None:
        saying = self.to_others.pop(self.chance.randrange(len(self.to_others)))
        match saying:
            case Place():
                self._inventory_hears_placed()
                for number, payment in enumerate(self.plan.payments):
                    if payment.when == 1:
                        self.to_orders.append(self._pay(f"p{number}"))
            case Cancel():
                self.stock_tombstone, self.held_stock = True, False
            case Confirm():
                if not self.cancel_answered:
                    self.confirmed_here = True
                    for number in range(len(self.plan.parcels)):
                        self.stage[f"s{number}"] = "new"
            case Recall():
                self._fulfilment_answers()
            case Ask(by_hand=False):
                self.to_orders.append(self._payment_service_hears(saying))

    # --- Inventory and fulfilment ------------------------------------------------------------------------

    def _inventory_hears_placed(self) -> None:
        if self.stock_tombstone or self.plan.stock == "silent":
            return
        if self.plan.stock == "reject":
            self.to_orders.append(Facts(rejected={"not_enough_stock": "LAMP"}))
            return
        self.held_stock = True
        parcels = {f"s{n}": Share(f"w{n}", parcel.share) for n, parcel in enumerate(self.plan.parcels)}
        self.to_orders.append(Facts(reservations={"r": Reservation(self.now, parcels)}))

    def _fulfilment_answers(self) -> None:
        self.cancel_answered = True
        if any(stage not in ("new", "created", "short") for stage in self.stage.values()) and not all(
            self.stage[key] == "over" and self._fate(key).fate == "short" for key in self.stage
        ):
            self.to_orders.append(Facts(answers={"refused": "already picked"}))
            return
        parcels = {key: Parcel(seen={"cancelled": self.now}) for key in self.stage}
        self.stage = dict.fromkeys(self.stage, "over")
        self.to_orders.append(Facts(parcels=parcels, answers={"cancelled": "as asked"}))

    def _fate(self, key: str) -> ParcelPlan:
        return self.plan.parcels[int(key[1:])]

    def _warehouse_works(self) -> None:
        key = self.chance.choice([key for key, stage in self.stage.items() if stage != "over"])
        fate, stage = self._fate(key), self.stage[key]
        if stage == "new":
            self.stage[key] = "created"
            self._news(key, "created")
        elif stage == "created" and fate.fate == "short":
            self.stage[key] = "over"
            self._news(key, "cancelled")
        elif stage == "created":
            self.stage[key] = "picked"
        elif stage == "picked":
            self.stage[key] = "dispatched"
            self._news(key, "dispatched")
        elif stage == "dispatched" and fate.exception:
            self.stage[key] = "exception"
            seen = {"exception": self.now}
            self.to_orders.append(Facts(parcels={key: Parcel(seen=seen, exceptions={"1": "damaged"})}))
        else:
            self.stage[key] = "over"
            self._news(key, fate.fate)
            self._goods_come_back(key, fate)

    def _news(self, key: str, kind: str) -> None:
        self.to_orders.append(Facts(parcels={key: Parcel(seen={kind: self.now})}))

    def _goods_come_back(self, key: str, fate: ParcelPlan) -> None:
        parcels = frozenset({key})
        if fate.fate == "returned_to_sender":
            # Its goods are worth nothing more; a returns service that says otherwise is not believed.
            self.to_orders.append(Facts(returns={f"r{key}": Return("returned_to_sender", parcels, self.now)}))
            back = Return("", parcels, received=self.now, value=fate.share)
            self.to_orders.append(Facts(returns={f"r{key}": back}))
        elif fate.fate == "delivered" and fate.returned:
            for part, value in enumerate((fate.returned // 2, fate.returned - fate.returned // 2)):
                name = f"r{key}.{part}"
                self.to_orders.append(Facts(returns={name: Return("customer", parcels, authorized=self.now)}))
                back = Facts(returns={name: Return("", parcels, received=self.now, value=value)})
                (self.late if self.plan.late_returns else self.to_orders).append(back)
                self.came_back |= {name} if value else set()

    # --- Payment service ---------------------------------------------------------------------------------

    def _pay(self, key: str) -> Facts:
        plan = self.plan.payments[int(key[1:])]
        account = self.accounts.setdefault(key, Account(plan))
        if plan.refuses:
            failure = Failure("authorize", plan.amount, True, "declined", self.now)
            return Facts(payments={key: Payment(failed={f"{UNASKED}authorize": failure})})
        account.authorized = plan.amount
        if plan.how == "sale":
            account.captured = plan.amount
            return Facts(payments={key: Payment(captured={UNASKED: plan.amount})})
        return Facts(payments={key: Payment(authorized=plan.amount)})

    def _payment_service_hears(self, ask: Ask) -> Facts:
        account = self.accounts[ask.payment_id]
        if ask.request_id not in account.answers:
            account.answers[ask.request_id] = self._operate(account, ask)
        return account.answers[ask.request_id]

    def _operate(self, account: Account, ask: Ask) -> Facts:
        most = {
            "capture": account.open,
            "refund": account.captured - account.refunded,
            "void": account.open,
        }[ask.operation]
        if ask.amount > most or (ask.operation == "void" and ask.amount != most):
            self.impossible.append(f"{ask.operation} {ask.amount} of {most}")
        fails = ask.operation in account.plan.fails and account.failures[ask.operation] == 0
        if fails or (self.plan.persistent and ask.operation in account.plan.fails):
            account.failures[ask.operation] += 1
            failure = Failure(ask.operation, ask.amount, True, "the bank refused", self.now)
            return Facts(payments={ask.payment_id: Payment(failed={ask.request_id: failure})})
        done = {ask.request_id: ask.amount}
        if ask.operation == "capture":
            account.captured += ask.amount
            return Facts(payments={ask.payment_id: Payment(captured=done)})
        if ask.operation == "refund":
            account.refunded += ask.amount
            return Facts(payments={ask.payment_id: Payment(refunded=done)})
        account.voided += ask.amount
        return Facts(payments={ask.payment_id: Payment(voided=done)})

    # --- People and time -----------------------------------------------------------------------------------

    def _wish(self, answer: wishes.Answer) -> bool:
        if isinstance(answer, Facts):
            self._learn(answer)
            return True
        return False

    def _people_look(self) -> bool:
        word = Word("desk", "looked after", self.now)
        if self.plan.hold and self._wish(wishes.release(self.order, None, word)):
            return True
        gift = min(self.plan.gift, sum(self.order.balance.room.values()))
        gives = gift and "g" not in self.order.facts.gifts
        if gives and self._wish(wishes.refund(self.order, "g", gift, None, word)):
            return True
        return any(self._looks_after(item, word) for item in items(self.order) if item.state == "open")

    def _looks_after(self, item: Item, word: Word) -> bool:
        kind = item.flag.kind
        for operation in ("capture", "refund"):
            tries = kind == f"{operation}_failed" and not self.plan.persistent
            if tries and self._wish(wishes.ask_again(self.order, operation, None)):
                return True
        if self.plan.people == "cash" and kind in ("capture_failed", "underpaid", "uncovered"):
            # All that is due at once: one sum may stand in several matters.
            return self._collects(max(item.amount, self.order.balance.due), word)
        if self.plan.people == "look" and kind != "capture_failed":
            return False
        self.given_up += item.amount if kind in ("capture_failed", "underpaid") else 0
        self.kept_above += item.amount if kind == "overpaid" else 0
        self.paid_by_hand += item.amount if kind in ("refund_failed", "refund_by_hand") else 0
        return self._wish(wishes.resolve(self.order, item.flag.number, item.amount, word))

    def _collects(self, amount: int, word: Word) -> bool:
        key = f"cash{len(self.accounts)}"
        account = self.accounts[f"by-hand:{key}"] = Account(PaymentPlan(amount, how="cash"))
        account.authorized = account.captured = amount
        return self._wish(wishes.record_payment(self.order, key, amount, "cash", word))

    def _time_passes(self) -> bool:
        keys = [wait.key for wait in waits(self.order) if wait.key not in self.order.facts.passed]
        if keys:
            self._learn(Facts(passed={self.chance.choice(keys): self.now}))
            return True
        if self.late:
            self.to_orders.append(self.late.pop())
            return True
        late = [number for number, payment in enumerate(self.plan.payments) if payment.when == 2]
        new = [f"p{number}" for number in late if f"p{number}" not in self.accounts]
        if new:
            self.to_orders.append(self._pay(new[0]))
        return bool(new)
