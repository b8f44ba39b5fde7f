"""What a transaction holds locked, and what it changed."""

from collections.abc import Mapping

from services.returns.domain.order import ReturnableOrder
from services.returns.domain.returns import Return


class Held:
    """Orders with their returns as they stand in this transaction: decided on in turn, kept here, then saved."""

    def __init__(self, known: Mapping[str, ReturnableOrder], traces: Mapping[str, str]) -> None:
        """`known` are locked; those of `traces` (order id -> trace) not among them are new."""
        self._before = known
        new = {order_id: ReturnableOrder(order_id, trace) for order_id, trace in traces.items()}
        self._orders = new | dict(known)
        self._of_return = {each: order.order_id for order in known.values() for each in order.returns}

    def __getitem__(self, order_id: str) -> ReturnableOrder:
        return self._orders[order_id]

    def get(self, order_id: str | None) -> ReturnableOrder | None:
        """The order, or None if there is none."""
        return self._orders.get(order_id) if order_id is not None else None

    def of_return(self, return_id: str) -> ReturnableOrder | None:
        """The order that a held return belongs to."""
        return self.get(self._of_return.get(return_id))

    def keep(self, order: ReturnableOrder) -> None:
        """Takes over what was decided."""
        self._orders[order.order_id] = order

    def new_orders(self) -> list[ReturnableOrder]:
        """Orders to insert, sorted by id."""
        new = [order for order_id, order in self._orders.items() if order_id not in self._before]
        return sorted(new, key=lambda order: order.order_id)

    def confirmed_orders(self) -> list[ReturnableOrder]:
        """Known orders whose confirmation came."""
        return [order for order, before in self._changed() if order.confirmation is not before.confirmation]

    def changed_orders(self) -> list[ReturnableOrder]:
        """Known orders of which something else changed."""
        return [order for order, before in self._changed() if order.confirmation is before.confirmation]

    def new_returns(self) -> list[Return]:
        """Returns to insert."""
        return [each for each, before in self._returns() if before is None]

    def changed_returns(self) -> list[Return]:
        """Returns that differ from what was loaded."""
        return [each for each, before in self._returns() if before is not None and each is not before]

    def _changed(self) -> list[tuple[ReturnableOrder, ReturnableOrder]]:
        pairs = ((order, self._before.get(order_id)) for order_id, order in self._orders.items())
        return [(order, before) for order, before in pairs if before is not None and order is not before]

    def _returns(self) -> list[tuple[Return, Return | None]]:
        found = []
        for order_id, order in self._orders.items():
            before = self._before.get(order_id)
            found += [
                (each, before.returns.get(key) if before else None) for key, each in order.returns.items()
            ]
        return found
