"""Whether what was submitted can be an order, with every faulty field; and where two orders differ."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from services.orders.domain.validate import Draft, DraftLine, DraftPayment, Fault, Policy, faults
from shared.contracts.channels import OrderSubmitted
from shared.contracts.envelope import FieldError

_MOST = 100
"""Fields that one refusal names."""
_ENDLESS = 10**100


def faulty_fields(order: OrderSubmitted, policy: Policy) -> tuple[FieldError, ...]:
    """What is wrong with an order that fits its contract."""
    draft = Draft(
        order.channel,
        order.address.country,
        order.currency,
        order.shipping,
        order.total,
        order.prices_include_tax,
        [
            DraftLine(line.line_id, line.quantity, line.unit_price, line.discount, line.tax, line.total)
            for line in order.lines
        ],
        [DraftPayment(made.payment_id, made.authorized, made.captured) for made in order.payments],
    )
    return _errors(faults(draft, policy))


def faulty_fields_of(
    body: Mapping[str, Any], broken: Sequence[FieldError], policy: Policy
) -> tuple[FieldError, ...]:
    """What is wrong with an order that does not fit its contract: `broken` and, as far as it can be read, the rest."""
    draft = Draft(
        _text(body.get("channel")),
        _text(_object(body.get("address")).get("country")),
        _text(body.get("currency")),
        _number(body.get("shipping", 0)),
        _number(body.get("total")),
        _flag(body.get("prices_include_tax", False)),
        [
            DraftLine(
                _text(line.get("line_id")),
                _number(line.get("quantity")),
                _number(line.get("unit_price")),
                _number(line.get("discount", 0)),
                _number(line.get("tax", 0)),
                _number(line.get("total")),
            )
            for line in _objects(body.get("lines"))
        ],
        [
            DraftPayment(
                _text(made.get("payment_id")),
                _number(made.get("authorized")),
                _number(made.get("captured", 0)),
            )
            for made in _objects(body.get("payments", []))
        ],
    )
    known = {error.field for error in broken}
    more = _errors([fault for fault in faults(draft, policy) if fault.field not in known])
    return (*broken, *more)[:_MOST]


def differences(captured: Mapping[str, Any], submitted: Mapping[str, Any]) -> tuple[FieldError, ...]:
    """The fields in which an order differs from the one captured before; values are not told, they may be personal."""
    problem = "differs from the order captured before under this channel and external id"
    remedy = "send the same order again, or a new order under a new external id"
    paths = islice(_different("", captured, submitted), _MOST)
    return tuple(FieldError(field=path[:200], problem=problem, remedy=remedy) for path in paths)


def _different(path: str, a: Any, b: Any) -> Iterator[str]:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in sorted(a.keys() | b.keys()):
            yield from _different(f"{path}.{key}" if path else key, a.get(key), b.get(key))
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for index, (one, other) in enumerate(zip(a, b, strict=True)):
            yield from _different(f"{path}.{index}", one, other)
    elif a != b:
        yield path


def _errors(found: Sequence[Fault]) -> tuple[FieldError, ...]:
    return tuple(
        FieldError(field=fault.field[:200], problem=fault.problem[:400], remedy=fault.remedy[:400])
        for fault in found[:_MOST]
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> int | None:
    # Far above what any field allows, so refused by the contract; sums of it could not even be printed.
    sane = isinstance(value, int) and not isinstance(value, bool) and abs(value) < _ENDLESS
    return value if sane else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [_object(one) for one in value] if isinstance(value, list) else []
