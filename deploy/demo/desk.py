"""The service desk of customers: cancels orders and sends goods back, over HTTP and by topic."""

from collections import Counter
from collections.abc import Mapping, Sequence

from deploy.demo.agenda import Agenda
from deploy.demo.book import Book, Name, Open
from deploy.demo.players import Saying
from deploy.demo.players.customers import Customers, Moment, SendsBack
from deploy.demo.services import Http
from deploy.demo.topics import Topics
from shared.contracts.channels import OrderCancelSubmitted
from shared.contracts.fulfillment import ShipmentDelivered

_ASK_AGAIN = 0.5
_TRIES = 60
"""How often to ask to return what the returns service has not heard of yet: it is told by topics, as we are."""
_TOO_EARLY = frozenset({"not_delivered_yet", "not_confirmed_yet", "unknown_order"})


class Desk:
    """Does what `Customers` decide."""

    def __init__(self, book: Book, agenda: Agenda, http: Http, topics: Topics, customers: Customers) -> None:
        self._book = book
        self._agenda = agenda
        self._http = http
        self._topics = topics
        self._customers = customers
        self._regrets: set[str] = set()
        """Orders whose cancellation was refused because parcels had left: all of it goes back."""
        self._later: dict[Name, dict[str, int]] = {}
        self._times_back: Counter[str] = Counter()

    async def reached(self, order: Open, moment: Moment) -> None:
        """An order came so far: the moment to cancel it, for some."""
        order.reached.add(moment)
        if order.cancel == moment:
            self._agenda.do(self.cancel(order))

    async def cancel_later(self, name: Name, reason: str, moment: Moment) -> None:
        """The data set cancels an order: at this moment of its life, or now if that has passed."""
        order = self._book.named(name)
        if order is None:
            await self._cancel_over(name)
            return
        order.cancel, order.cancel_reason = moment, reason
        if moment in order.reached or moment in ("before", "at once"):
            self._agenda.do(self.cancel(order))

    async def cancel(self, order: Open) -> None:
        """By id over HTTP once we know our id, else, and for half of the rest, by the topic."""
        sale = order.sale
        self._book.told["cancellations sent"] += 1
        if order.order_id is None or self._customers.by_topic(sale.external_id):
            event = OrderCancelSubmitted(
                channel=sale.channel,
                external_id=sale.external_id,
                reason=order.cancel_reason,
                requested_by="customer",
            )
            await self._topics.say(Saying(event, f"cancel:{sale.channel}:{sale.external_id}"))
            return
        await self._cancel_by_id(order.order_id, (sale.channel, sale.external_id), order.cancel_reason)

    async def _cancel_over(self, name: Name) -> None:
        order_id = self._book.accepted.get(name)
        if order_id is None or name in self._book.cancelled:
            self._book.told["cancellations of orders that were refused or cancelled before"] += 1
            return
        self._book.told["cancellations sent"] += 1
        await self._cancel_by_id(order_id, name, "cancelled in the data set")

    async def _cancel_by_id(self, order_id: str, name: Name, reason: str) -> None:
        answer = await self._http.post("orders", f"/orders/{order_id}/cancel", {"reason": reason})
        if answer.status == 409:
            self.cancel_refused(name)
        elif not answer.ok:
            raise RuntimeError(f"orders answered {answer.status} to a cancellation: {answer.body}")

    def cancel_refused(self, name: Name) -> None:
        """Too late to cancel: the customer sends everything back instead, as the answer says."""
        self._book.told["cancellations refused: too late"] += 1
        order_id = self._book.accepted.get(name)
        if order_id is not None and name not in self._book.cancelled:
            self._regrets.add(order_id)

    def delivered(self, event: ShipmentDelivered) -> None:
        """A parcel arrived; its receiver may not want all of it."""
        if event.order_id in self._regrets:
            wanted = {line.line_id: line.quantity for line in event.lines}
            back = self._customers.must_send_back(event.shipment_id, event.lines, wanted)
        else:
            back = self._customers.sends_back(event.shipment_id, event.lines)
        if back:
            units = [_unit(each) | {"shipment_id": event.shipment_id} for each in back]
            asking = self._ask_back(event.order_id, units, f"parcel-{event.shipment_id}")
            self._agenda.do(asking, after=_ASK_AGAIN)

    def goods_back(self, name: Name, units: Mapping[str, int]) -> None:
        """The data set sends units of an order back: when it is completed, or now if it is."""
        if self._book.named(name) is not None:
            waiting = self._later.setdefault(name, {})
            for line, count in units.items():
                waiting[line] = waiting.get(line, 0) + count
        elif name in self._book.cancelled or name not in self._book.accepted:
            self._book.told["returns of orders that were cancelled or refused"] += 1
        else:
            self._send_back(name, units)

    def completed(self, name: Name) -> None:
        """Everything of an order arrived that will: what waited for that goes back."""
        units = self._later.pop(name, None)
        if units is None:
            return
        if name in self._book.cancelled:
            self._book.told["returns of orders that were cancelled or refused"] += 1
        else:
            self._send_back(name, units)

    def _send_back(self, name: Name, units: Mapping[str, int]) -> None:
        order_id = self._book.accepted[name]
        self._times_back[order_id] += 1
        rows = [{"line_id": line, "quantity": count, "reason": "not_wanted"} for line, count in units.items()]
        self._agenda.do(self._ask_back(order_id, rows, f"credit-{self._times_back[order_id]}"))

    async def _ask_back(
        self, order_id: str, units: Sequence[Mapping[str, object]], reference: str, tries: int = _TRIES
    ) -> None:
        body = {"order_id": order_id, "reference": reference, "units": units}
        answer = await self._http.post("returns", "/returns", body)
        code = answer.body.get("code") if isinstance(answer.body, dict) else None
        if answer.ok:
            self._book.told["returns asked for"] += 1
        elif code in _TOO_EARLY and tries > 1:
            self._agenda.do(self._ask_back(order_id, units, reference, tries - 1), after=_ASK_AGAIN)
        elif answer.status == 409 or code in _TOO_EARLY:
            self._book.told[f"returns refused: {code}"] += 1
        else:
            raise RuntimeError(f"returns answered {answer.status} to {body}: {answer.body}")


def _unit(back: SendsBack) -> dict[str, object]:
    return {"line_id": back.line_id, "quantity": back.quantity, "reason": back.reason}
