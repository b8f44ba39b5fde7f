"""What has to be true when a history has come to rest: the invariants of `deploy/demo/invariants`, under their names,
over rows in memory; and some that only a simulation can ask, because it knows every message and its moment."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from tests.simulation.world import World

Row = Mapping[str, Any]


class Books:
    """What the five services keep, and what the others know."""

    def __init__(self, history: Any) -> None:
        self.world: World = history.world
        self.history = history
        self.orders = [row for row in self.rows("orders", "orders") if row["placed_at"] is not None]
        self.shipments = self.rows("fulfillment", "shipments")
        self.returns = self.rows("returns", "returns")
        self.deliveries = list(self.world.hosts["notifications"].database.tables["deliveries"].rows.values())
        self.purses = [Purse(row) for row in self.orders]

    def rows(self, service: str, table: str) -> list[dict[str, Any]]:
        """All rows of a table."""
        return self.world.hosts[service].rows(table)

    @cached_property
    def messages(self) -> list[Any]:
        """Every message once, however often it was sent."""
        known: set[Any] = set()
        found = []
        for log in self.world.topics.values():
            for item in log:
                name = getattr(item, "id", None) or (item.topic, dict(item.headers)["ce_id"])
                if name not in known:
                    known.add(name)
                    found.append(item)
        return found

    @cached_property
    def ordered(self) -> dict[str, Counter[str]]:
        """Units ordered, by order and line."""
        return {
            row["id"]: Counter({line["line_id"]: line["quantity"] for line in row["body"]["lines"]})
            for row in self.orders
        }


class Purse:
    """One order's money as orders knows it, in minor units."""

    def __init__(self, row: Row) -> None:
        facts = row["facts"]
        said = facts.get("said", {})
        reservations = facts.get("reservations", {})
        counts = said.get("reservation") or min(reservations, default=None)
        parcels = reservations[counts]["parcels"] if counts is not None else {}
        self.order: str = row["id"]
        self.state: str = row["state"]
        self.total: int = row["total"]
        self.flagged: bool = row["needs_attention"]
        self.resolved: Mapping[str, Row] = facts.get("resolved", {})
        self.said: Row = said
        self.payments: Mapping[str, Row] = facts.get("payments", {})
        self.requests: Mapping[str, Row] = said.get("requests", {})
        self.shares = {parcel: share["amount"] for parcel, share in parcels.items()}

    def sum_of(self, kind: str, payment: str | None = None) -> int:
        """Captured, refunded or voided, of one payment or of all."""
        chosen = self.payments.values() if payment is None else [self.payments.get(payment, {})]
        return sum(sum(record.get(kind, {}).values()) for record in chosen)

    def refunds_asked(self, payment: str | None = None, *, by_hand: bool = False) -> int:
        """Refund requests that did not fail or that people paid in another way; `by_hand`: only what people decided."""
        return sum(
            self.settled(f"refund_failed:{key}")
            if key in self.payments.get(request["payment_id"], {}).get("failed", {})
            else request["amount"]
            for key, request in self.requests.items()
            if request["operation"] == "refund"
            and payment in (None, request["payment_id"])
            and (bool(request.get("gift")) or not by_hand)
        )

    def settled(self, *matters: str) -> int:
        """The money that people settled by resolving these matters, or whose key begins so."""
        return sum(word.get("amount", 0) for key, word in self.resolved.items() if key.startswith(matters))


# --- Orders ----------------------------------------------------------------------------------------------


def no_order_lost_or_doubled(books: Books) -> Iterator[str]:
    """The orders that are there are those that were taken, each once, under the id that was answered."""
    missing = dict(books.history.channel.accepted)
    for row in books.orders:
        name = (row["channel"], row["external_id"])
        if name not in missing:
            yield f"{name} is doubled or was never taken"
        elif missing.pop(name) not in (None, row["id"]):
            yield f"{name} is {row['id']}, answered was another id"
    yield from (f"{name} is lost" for name in missing)


def every_order_ended_or_is_looked_after(books: Books) -> Iterator[str]:
    """Completed, cancelled, or flagged for a person; deadlines are over at rest."""
    for row in books.orders:
        if row["state"] not in ("completed", "cancelled") and not row["needs_attention"]:
            yield f"order {row['id']} is {row['state']}"


def ends_agree(books: Books) -> Iterator[str]:
    """A completed order has a parcel that left, all of them at an end; a cancelled one has none that left."""
    left: set[str] = set()
    ended: dict[str, bool] = {}
    for row in books.shipments:
        if row["dispatched_at"] is not None:
            left.add(row["order_id"])
        ended[row["order_id"]] = ended.get(row["order_id"], True) and row["ended_as"] is not None
    for row in books.orders:
        if row["state"] == "cancelled" and row["id"] in left:
            yield f"order {row['id']} is cancelled and a parcel left"
        if row["state"] == "completed" and not (row["id"] in left and ended[row["id"]]):
            yield f"order {row['id']} is completed and its parcels are not"


def completed_after_its_parcels(books: Books) -> Iterator[str]:
    """An order is said to be complete only when the end of each of its parcels was said."""
    ends: dict[str, datetime] = {}
    completed: dict[str, datetime] = {}
    for item in books.messages:
        if item.topic in _ENDS:
            event = books.world.event(item)
            for parcel in getattr(event, "parcels", None) or ():
                ends[parcel.shipment_id] = item.appended_at
            if hasattr(event, "shipment_id"):
                ends[event.shipment_id] = item.appended_at
        elif item.topic == "order.completed":
            completed[books.world.event(item).subject()] = item.appended_at
    for row in books.shipments:
        moment = completed.get(row["order_id"])
        if moment is not None and not ends.get(row["shipment_id"], moment + timedelta(1)) <= moment:
            yield f"order {row['order_id']} was complete before its parcel {row['shipment_id']}"


_ENDS = frozenset(
    {"shipment.delivered", "shipment.lost", "shipment.returned_to_sender", "shipment.cancelled"}
)


def cancel_before_its_order_counts(books: Books) -> Iterator[str]:
    """An order whose cancellation came first is cancelled."""
    entries = books.world.hosts["orders"].database.tables["order_timeline"].rows.values()
    cancelled = {
        row["order_id"]: row["sequence"] for row in entries if row["kind"] == "order.cancel_submitted"
    }
    placed = {row["order_id"]: row["sequence"] for row in entries if row["kind"] == "order.submitted"}
    for row in books.orders:
        if cancelled.get(row["id"], 1e9) < placed[row["id"]] and row["state"] != "cancelled":
            yield f"order {row['id']} is {row['state']} although its cancellation came first"


def deadlines_count_what_was_sent(books: Books) -> Iterator[str]:
    """No order was given up for an answer that had come in time, read or not."""
    answers: dict[str, datetime] = {}
    for item in books.messages:
        if item.topic in ("stock.reserved", "stock.rejected"):
            key = item.key if isinstance(item.key, str) else item.key.decode()
            answers[key] = item.appended_at
    window = timedelta(seconds=books.world.hosts["orders"].settings.stock_seconds)
    for row in books.orders:
        if row["facts"].get("said", {}).get("reason") != "stock_deadline" or row["id"] not in answers:
            continue
        # Kafka's time has milliseconds.
        if answers[row["id"]] < row["placed_at"] + window - timedelta(milliseconds=1):
            yield f"order {row['id']} was given up although stock had answered in time"


# --- Stock -----------------------------------------------------------------------------------------------


def nothing_below_zero(books: Books) -> Iterator[str]:
    """No counter and no availability is negative; nobody was sold what is not there."""
    for row in books.rows("inventory", "stock"):
        on_hand, reserved, unavailable = row["on_hand"], row["reserved"], row["unavailable"]
        if min(on_hand, reserved, unavailable, on_hand - reserved - unavailable) < 0:
            yield f"{row}"


def counters_equal_ledger(books: Books) -> Iterator[str]:
    """Every counter is the sum of its movements."""
    sums: dict[tuple[str, str], list[int]] = {}
    for row in books.rows("inventory", "ledger"):
        total = sums.setdefault((row["sku"], row["place_id"]), [0, 0, 0])
        for index, name in enumerate(_COUNTERS):
            total[index] += row[name]
    stock = {
        (row["sku"], row["place_id"]): [row[name] for name in _COUNTERS]
        for row in books.rows("inventory", "stock")
    }
    for key in stock.keys() | sums.keys():
        if stock.get(key, [0, 0, 0]) != sums.get(key, [0, 0, 0]):
            yield f"{key}: counters {stock.get(key)}, ledger {sums.get(key)}"


_COUNTERS = ("on_hand", "reserved", "unavailable")


def moved_once(books: Books) -> Iterator[str]:
    """One cause moves a SKU at a place once in one way."""
    moved = Counter(
        (row["cause_kind"], row["cause_id"], row["actor"], row["kind"], row["sku"], row["place_id"])
        for row in books.rows("inventory", "ledger")
    )
    yield from (f"{key} {times} times" for key, times in moved.items() if times > 1)


def reserved_is_what_is_held(books: Books) -> Iterator[str]:
    """The reserved units of each SKU and place are those of the parcels that are held, and of nothing else."""
    fates = _fates(books)
    held: Counter[tuple[str, str]] = Counter()
    for row in books.rows("inventory", "allocations"):
        if fates.get((row["order_id"], row["place_id"])) == _HELD:
            held[row["sku"], row["place_id"]] += row["quantity"]
    for row in books.rows("inventory", "stock"):
        units = held[row["sku"], row["place_id"]]
        if row["reserved"] != units:
            yield f"{row['sku']} at {row['place_id']}: {row['reserved']} reserved, {units} held"


_HELD, _RELEASED, _CANCELLED, _DISPATCHED = range(4)
_GONE = frozenset({"dispatched", "exception", "delivered", "lost", "returned_to_sender"})


def _fates(books: Books) -> dict[tuple[str, str], int]:
    return {(row["order_id"], row["place_id"]): row["fate"] for row in books.rows("inventory", "parcels")}


def reservations_match_orders(books: Books) -> Iterator[str]:
    """A parcel is held exactly while its order is neither cancelled nor the parcel cancelled or dispatched."""
    cancelled = {row["id"] for row in books.orders if row["state"] == "cancelled"}
    states = {(row["order_id"], row["place_id"]): row["state"] for row in books.shipments}
    fates = _fates(books)
    for order, place in {
        (row["order_id"], row["place_id"]) for row in books.rows("inventory", "allocations")
    }:
        state, fate = states.get((order, place)), fates.get((order, place))
        expected = (
            {_DISPATCHED} if state in _GONE
            else {_CANCELLED, _RELEASED} if order in cancelled
            else {_CANCELLED} if state == "cancelled"
            else {_HELD}
        )  # fmt: skip
        if fate not in expected:
            yield f"order {order} at {place}: fate {fate}, parcel {state}, cancelled {order in cancelled}"


def reserved_all_or_nothing(books: Books) -> Iterator[str]:
    """A reservation holds every unit of every line of its order, or none."""
    reserved: dict[str, Counter[str]] = {}
    for row in books.rows("inventory", "allocations"):
        reserved.setdefault(row["order_id"], Counter())[row["line_id"]] += row["quantity"]
    for order, lines in reserved.items():
        if books.ordered.get(order) != lines:
            yield f"order {order}: reserved {dict(lines)} of {books.ordered.get(order)}"


def shipped_within_ordered(books: Books) -> Iterator[str]:
    """No line of an order ships more units than were ordered, and no parcel has lines that nobody ordered."""
    shipped: dict[str, Counter[str]] = {}
    for row in books.shipments:
        if row["dispatched_at"] is not None:
            for line in row["lines"]:
                shipped.setdefault(row["order_id"], Counter())[line["line_id"]] += line["quantity"]
    for order, lines in shipped.items():
        if not lines <= books.ordered.get(order, Counter()):
            yield f"order {order}: shipped {dict(lines)} of {books.ordered.get(order)}"


# --- Money -----------------------------------------------------------------------------------------------


def shares_add_up(books: Books) -> Iterator[str]:
    """The parcels of a confirmed order cost together what the order costs."""
    for purse in books.purses:
        if "confirmed" in purse.said and sum(purse.shares.values()) != purse.total:
            yield f"order {purse.order}: parcels {sum(purse.shares.values())}, total {purse.total}"


def cancelled_pays_everything_back(books: Books) -> Iterator[str]:
    """Of a cancelled order everything that was collected was asked to be paid back, or a person knows."""
    for purse in books.purses:
        captured, asked = purse.sum_of("captured"), purse.refunds_asked()
        if purse.state == "cancelled" and captured != asked and not purse.flagged:
            yield f"order {purse.order}: collected {captured}, asked to pay back {asked}"


def completed_costs_what_was_kept(books: Books) -> Iterator[str]:
    """What a completed order keeps of its money is the worth of what was delivered and did not come back.

    Less may be kept by as much as people gave up.
    """
    delivered = {row["shipment_id"] for row in books.shipments if row["state"] == "delivered"}
    returned: Counter[str] = Counter()
    for row in books.returns:
        if row["origin"] == "customer" and row["value"] is not None:
            returned[row["order_id"]] += row["value"]
    for purse in books.purses:
        if purse.state != "completed" or purse.flagged:
            continue
        captured, given = purse.sum_of("captured"), purse.refunds_asked(by_hand=True)
        excess = min(given, max(0, captured - purse.total))
        kept = min(captured, purse.total) - (purse.refunds_asked() - excess)
        worth = sum(share for parcel, share in purse.shares.items() if parcel in delivered)
        cost = max(0, worth - returned[purse.order] - (given - excess))
        if not cost - purse.settled("underpaid", "capture_failed:") <= kept <= cost:
            yield f"order {purse.order}: keeps {kept}, delivered and kept is {cost}"


def refunds_within_captured(books: Books) -> Iterator[str]:
    """Of no payment more is paid back, or asked to be, than was collected."""
    for purse in books.purses:
        for payment in purse.payments:
            captured, asked = purse.sum_of("captured", payment), purse.refunds_asked(payment)
            refunded = purse.sum_of("refunded", payment)
            if max(asked, refunded) > captured:
                yield f"payment {payment}: collected {captured}, asked back {asked}, paid back {refunded}"


def no_authorisation_stays_open(books: Books) -> Iterator[str]:
    """When an order is over, what was authorised is collected or given up, or a person knows."""
    for purse in books.purses:
        if purse.state not in ("completed", "cancelled") or purse.flagged:
            continue
        for payment, record in purse.payments.items():
            used = purse.sum_of("captured", payment) + purse.sum_of("voided", payment)
            if record.get("authorized", 0) > used:
                yield f"payment {payment}: {record['authorized'] - used} still authorised"


def payment_service_agrees(books: Books) -> Iterator[str]:
    """The payment service moved exactly the money that orders knows of, and was never asked for the impossible."""
    bank = books.history.payments.bank
    yield from bank.objections
    known = {
        payment: tuple(purse.sum_of(kind, payment) for kind in ("captured", "refunded", "voided"))
        for purse in books.purses
        for payment in purse.payments
    }
    for payment, account in bank.accounts.items():
        theirs = (account.captured, account.refunded, account.voided)
        if known.get(payment, (0, 0, 0)) != theirs:
            yield f"payment {payment}: captured, refunded, voided {known.get(payment)} here, {theirs} there"


def returns_within_delivered(books: Books) -> Iterator[str]:
    """No more units come back from customers than were delivered, worth no more than was paid for them."""
    units: Counter[tuple[str, str]] = Counter()
    values: Counter[tuple[str, str]] = Counter()
    for row in books.returns:
        if row["origin"] == "customer":
            for back in row["received_units"] or ():
                units[back["shipment_id"], back["line_id"]] += back["quantity"]
                values[back["shipment_id"], back["line_id"]] += back["value"]
    for row in books.rows("returns", "returnables"):
        for one in row["allocations"] or ():
            spot = (one["shipment_id"], one["line_id"])
            count, value = units.pop(spot, 0), values.pop(spot, 0)
            if count > one["quantity"] or value > one["value"]:
                yield f"{spot}: {count} units worth {value} of {one['quantity']} worth {one['value']}"
            elif count == one["quantity"] and value != one["value"]:
                yield f"{spot}: all units came back, worth {value} of {one['value']}"
    yield from (f"{spot} came back and was never sent" for spot in units)


# --- Messages --------------------------------------------------------------------------------------------


def told_once(books: Books) -> Iterator[str]:
    """One delivery per thing that happened, recipient and template, each under a Message-ID of its own."""
    told = Counter(
        (row["order_id"], row["template"], row["cause"], row["recipient"]) for row in books.deliveries
    )
    yield from (f"{key} {times} times" for key, times in told.items() if times > 1)
    mail = books.history.mail
    yield from (f"Message-ID {name} stands for two deliveries" for name in mail.doubled)
    arrived = set(mail.taken.values())
    for row in books.deliveries:
        if row["state"] == "sent" and row["delivery_id"] not in arrived:
            yield f"delivery {row['delivery_id']} is sent and never arrived"


def everybody_was_told(books: Books) -> Iterator[str]:
    """Each order confirmed or cancelled, parcel shipped or delivered, return and refund has its delivery, at an end."""
    told = Counter(row["template"] for row in books.deliveries)
    expected = {
        "order_confirmed": sum("confirmed" in purse.said for purse in books.purses),
        "order_cancelled": sum(purse.state == "cancelled" for purse in books.purses),
        "shipment_dispatched": sum(row["dispatched_at"] is not None for row in books.shipments),
        "shipment_delivered": sum(row["state"] == "delivered" for row in books.shipments),
        "return_authorized": sum(row["origin"] == "customer" for row in books.returns),
        "parcel_returned": sum(row["origin"] != "customer" for row in books.returns),
        "refund_issued": sum(len(purse.said.get("issued", {})) for purse in books.purses),
    }
    for template, count in expected.items():
        if told[template] != count:
            yield f"{count} x {template}, {told[template]} told"
    for row in books.deliveries:
        if row["state"] not in ("sent", "failed", "skipped"):
            yield f"delivery {row['delivery_id']} of {row['template']} is {row['state']}"


def said_once(books: Books) -> Iterator[str]:
    """What happens once is said once, in one message (which may be sent again)."""
    said: Counter[tuple[Any, ...]] = Counter()
    for item in books.messages:
        names = _ONCE.get(item.topic)
        if names is not None:
            event = books.world.event(item)
            said[item.topic, *(getattr(event, name) for name in names)] += 1
    yield from (f"{key} said {times} times" for key, times in said.items() if times > 1)


_ONCE: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            "order.placed", "order.confirmed", "order.cancelled", "order.completed", "order.cancel_requested",
            "stock.reserved", "stock.rejected", "stock.released", "shipment.cancel_refused",
        ),
        ("order_id",),
    ),
    **dict.fromkeys(
        ("payment.capture_requested", "payment.refund_requested", "payment.void_requested", "refund.issued"),
        ("request_id",),
    ),
    **dict.fromkeys(
        ("shipment.created", "shipment.dispatched", "shipment.delivered", "shipment.lost",
         "shipment.returned_to_sender"),
        ("shipment_id",),
    ),
    **dict.fromkeys(("return.authorized", "return.received", "return.rejected"), ("return_id",)),
    "order.refused": ("channel", "external_id", "message_id"),
    "stock.level_changed": ("sku", "sequence"),
}  # fmt: skip


def handled_once(books: Books) -> Iterator[str]:
    """No message has two lines in an order's timeline."""
    entries = books.world.hosts["orders"].database.tables["order_timeline"].rows.values()
    heard = Counter((row["order_id"], row["message_id"]) for row in entries if row["message_id"] is not None)
    yield from (f"{key} {times} times" for key, times in heard.items() if times > 1)


def outboxes_empty(books: Books) -> Iterator[str]:
    """Nothing waits to be sent."""
    yield from (f"{name} has messages" for name, host in books.world.hosts.items() if host.unsent())


def dead_letters_only_planted(books: Books) -> Iterator[str]:
    """Nothing is parked."""
    for name in books.world.hosts:
        for row in books.rows(name, "dead_letters"):
            yield f"{name}: {row['topic']} {row['reason']} {row['error'][:200]}"


def no_request_fails(books: Books) -> Iterator[str]:
    """Requests and jobs are carried out or refused, never broken off by an error."""
    yield from books.world.errors


INVARIANTS: Mapping[str, Callable[[Books], Iterator[str]]] = {
    function.__name__: function
    for function in (
        no_order_lost_or_doubled, every_order_ended_or_is_looked_after, ends_agree, completed_after_its_parcels,
        cancel_before_its_order_counts,
        deadlines_count_what_was_sent, nothing_below_zero, counters_equal_ledger, moved_once,
        reserved_is_what_is_held, reservations_match_orders, reserved_all_or_nothing, shipped_within_ordered,
        shares_add_up, cancelled_pays_everything_back, completed_costs_what_was_kept, refunds_within_captured,
        no_authorisation_stays_open, payment_service_agrees, returns_within_delivered, told_once,
        everybody_was_told, said_once, handled_once, outboxes_empty, dead_letters_only_planted, no_request_fails,
    )
}  # fmt: skip
"""Every invariant by its name."""


def broken(history: Any) -> dict[str, str]:
    """The invariants that do not hold, each with the first things that are wrong."""
    books = Books(history)
    found = {}
    for name, invariant in INVARIANTS.items():
        faults = list(invariant(books))
        if faults:
            found[name] = "; ".join(faults[:3])
    return found
