"""What must be true when a history is over, against the books that the other systems kept in it."""

from collections import Counter
from typing import Any

from services.orders.domain.attention import items, needs_person
from services.orders.domain.saga import decide
from services.orders.domain.sayings import Ask, Cancel, Complete, Cover, Issue, Put
from tests.unit.orders.histories import History


def check(history: History) -> None:
    """Raises AssertionError naming what is not true."""
    _check_said_once(history)
    assert history.order.final, "the order is not over"
    assert not history.impossible, history.impossible
    again, said = decide(history.order, history.now)
    assert not said and again.facts == history.order.facts, f"said again: {said}"
    assert not (history.held_stock and history.order.cancelled), "stock is held for a cancelled order"
    if history.plan.early_cancel:
        assert history.order.cancelled, "a cancellation that came first is forgotten"
        assert not history.confirmed_here
    if history.order.cancelled:
        gone = [key for key, stage in history.stage.items() if stage != "over"]
        assert not gone, f"parcels of a cancelled order go on: {gone}"
    _check_money(history)


def _check_said_once(history: History) -> None:
    keys: Counter[Any] = Counter()
    for saying in history.said:
        match saying:
            case Ask(request_id=key) | Issue(request_id=key):
                keys[type(saying), key] += 1
            case Put(key=key):
                keys[Put, key] += 1
            case Cover(returns=returns):
                keys.update((Cover, name) for name in returns)
            case Cancel() | Complete():
                keys["end"] += 1
            case _:
                keys[type(saying)] += 1
    twice = [key for key, count in keys.items() if count > 1]
    assert not twice, f"said twice: {twice}"


def _check_money(history: History) -> None:
    captured = sum(account.captured for account in history.accounts.values())
    refunded = sum(account.refunded for account in history.accounts.values()) + history.paid_by_hand
    unsettled = {item.flag.kind for item in items(history.order) if item.state == "open"}
    for key, account in history.accounts.items():
        assert account.refunded <= account.captured, f"{key} paid back more than it took"
        may_be_asked_again = account.failures["capture"] and unsettled & {"capture_failed", "underpaid"}
        if not may_be_asked_again and not account.failures["void"]:
            assert account.open == 0, f"{key} leaves {account.open} authorised"
    issued = sum(saying.amount for saying in history.said if isinstance(saying, Issue))
    assert issued == refunded, f"told of {issued} paid back, it was {refunded}"
    money = history.order.balance
    assert (money.due <= 0 and money.owed <= 0) or needs_person(history.order), (
        "money is missing and nobody knows"
    )
    if unsettled & {"refund_failed", "refund_by_hand"}:
        return
    if history.order.cancelled:
        assert captured == refunded, f"cancelled, captured {captured}, paid back {refunded}"
        return
    _check_completed(history, captured, refunded, unsettled)
    named = {name for saying in history.said if isinstance(saying, (Issue, Cover)) for name in saying.returns}
    if not unsettled & {"capture_failed", "underpaid"}:
        assert named >= history.came_back, f"nobody heard of the money of {history.came_back - named}"


def _check_completed(history: History, captured: int, refunded: int, unsettled: set[str]) -> None:
    """What is missing of what the goods that were kept cost is what people gave up, or they are called for it."""
    gift = sum(given.amount for given in history.order.facts.gifts.values())
    above = sum(given.above for given in history.order.facts.gifts.values())
    excess = max(0, captured - history.plan.total)
    cost = max(0, _worth_kept(history) - (gift - above))
    missing = cost + excess - above - (captured - refunded)
    if "overpaid" not in unsettled:
        assert excess - above <= history.kept_above, (
            f"{excess} paid too much, {above} given back, nobody knows"
        )
    assert missing >= 0, f"{-missing} too much is kept"
    if unsettled & {"capture_failed", "underpaid"}:
        refused = any(account.failures["capture"] for account in history.accounts.values())
        assert captured < history.plan.total and refused, "underpaid although every capture worked"
    else:
        assert missing <= history.given_up, f"{missing} is missing, people gave up {history.given_up}"


def _worth_kept(history: History) -> int:
    kept = [parcel.share - parcel.returned for parcel in history.plan.parcels if parcel.fate == "delivered"]
    return max(0, sum(kept))
