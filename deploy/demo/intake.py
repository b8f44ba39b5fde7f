"""Sends what a data set says: orders by both roads, some of them twice, and what customers do about them later."""

import asyncio

from deploy.demo.agenda import Agenda
from deploy.demo.book import Book, Name, Open
from deploy.demo.datasets.model import Cancellation, Dataset, Dice, GoodsBack, Happening, Sale, Unusable
from deploy.demo.desk import Desk
from deploy.demo.players.customers import Customers
from deploy.demo.services import Answer, Http, Unanswered
from deploy.demo.topics import Topics
from shared.contracts.channels import OrderSubmitted
from shared.contracts.orders import OrderRefused

_LOOK_AGAIN = 0.5


class Intake:
    """The channels: whoever sends orders."""

    def __init__(
        self,
        book: Book,
        agenda: Agenda,
        http: Http,
        topics: Topics,
        dice: Dice,
        customers: Customers,
        desk: Desk,
    ) -> None:
        self._book = book
        self._agenda = agenda
        self._http = http
        self._topics = topics
        self._dice = dice
        self._customers = customers
        self._desk = desk
        self._sent: dict[str, Open | None] = {}
        """Message id -> the order it opens; None for one sent again with another content."""
        self._asks_once = 0.0

    async def run(self, dataset: Dataset) -> None:
        """Everything that happens, in its order, no faster than the book has room."""
        habits = dataset.habits
        self._asks_once = habits.asks_once
        for happening in dataset.happenings():
            await self._happens(happening)
            if isinstance(happening, Sale) and not happening.faulty:
                name = happening.external_id
                if self._dice.happens("duplicate", name, habits.duplicates):
                    self._agenda.do(self._again(happening), after=self._dice.between("again", name, 0.0, 1.5))
                if self._dice.happens("conflict", name, habits.conflicts):
                    self._agenda.do(self._changed(happening), after=2.0)

    async def _happens(self, happening: Happening) -> None:
        if isinstance(happening, Sale):
            await self._order(happening)
        elif isinstance(happening, Cancellation):
            name = (happening.channel, happening.external_id)
            await self._desk.cancel_later(
                name, happening.reason, self._customers.moment(happening.external_id)
            )
        elif isinstance(happening, GoodsBack):
            self._desk.goods_back((happening.channel, happening.external_id), dict(happening.units))
        elif isinstance(happening, Unusable):
            self._book.unusable(happening)
        await asyncio.sleep(0)

    async def _order(self, sale: Sale) -> None:
        order = await self._book.submit(sale)
        if not sale.faulty:
            order.cancel = self._customers.cancels(sale.external_id)
        if order.cancel == "before":
            await self._desk.cancel(order)
        if self._by_topic(sale.external_id):
            # Not waited for: a broker that is away keeps nobody from ordering over HTTP.
            self._agenda.do(self._say(order, sale, f"{sale.channel}:{sale.external_id}"))
        else:
            self._agenda.do(self._post(order, sale))
        if order.cancel == "at once":
            self._agenda.do(self._desk.cancel(order))

    def _by_topic(self, name: str) -> bool:
        return self._dice.happens("road", name, 0.5)

    async def _say(self, order: Open | None, sale: Sale, message_id: str) -> None:
        self._sent[message_id] = order
        await self._topics.say_json(
            OrderSubmitted, f"{sale.channel}:{sale.external_id}", sale.body, message_id
        )

    async def _post(self, order: Open, sale: Sale) -> None:
        name = (sale.channel, sale.external_id)
        once = self._dice.happens("asks once", sale.external_id, self._asks_once)
        post = self._http.post_once if once else self._http.post
        try:
            answer = await post("orders", "/orders", sale.body, key=f"{sale.channel}:{sale.external_id}")
        except Unanswered:
            self._book.told["orders whose answer was lost and not asked for again"] += 1
            self._book.doubt(order)
            return
        if answer.ok:
            self._book.accept(name, answer.body["order_id"])
        elif answer.status in (409, 422):
            self._book.refuse(order, _reason(answer))
        else:
            raise RuntimeError(f"orders answered {answer.status} to order {name}: {answer.body}")

    async def _again(self, sale: Sale) -> None:
        """The same order once more, by the same road or the other: it must change nothing."""
        self._book.submitted += 1
        self._book.duplicates += 1
        name: Name = (sale.channel, sale.external_id)
        message_id = f"{sale.channel}:{sale.external_id}"
        if self._dice.happens("same message", sale.external_id, 0.5):
            await self._topics.say_json(OrderSubmitted, message_id, sale.body, f"{message_id}/again")
            return
        answer = await self._http.post("orders", "/orders", sale.body)
        assert answer.ok, f"order {name} sent again was answered {answer.status}: {answer.body}"
        self._book.accept(name, answer.body["order_id"])

    async def _changed(self, sale: Sale) -> None:
        """Another order under a known name: it must be refused, whatever the first one became."""
        name = (sale.channel, sale.external_id)
        if name in self._book.doubtful:
            return  # Whichever comes first would be the order.
        if name not in self._book.accepted:
            self._agenda.do(self._changed(sale), after=_LOOK_AGAIN)
            return
        self._book.submitted += 1
        dearer = {**sale.body, "shipping": sale.body["shipping"] + 1, "total": sale.body["total"] + 1}
        if self._by_topic(sale.external_id):
            message_id = f"{sale.channel}:{sale.external_id}/changed"
            self._sent[message_id] = None
            await self._topics.say_json(
                OrderSubmitted, f"{sale.channel}:{sale.external_id}", dearer, message_id
            )
            return
        answer = await self._http.post("orders", "/orders", dearer)
        assert answer.status == 409, f"a changed order was answered {answer.status}: {answer.body}"
        self._book.refuse_again("the same order with other content")

    def refused(self, event: OrderRefused) -> None:
        """The suite refused a message from order.submitted."""
        if event.message_id not in self._sent:
            return
        order = self._sent.pop(event.message_id)
        if order is None:
            self._book.refuse_again("the same order with other content")
        else:
            fields = ", ".join(sorted({_field(error.field) for error in event.errors}))
            self._book.refuse(order, f"faulty: {fields}")

    def placed(self, name: Name) -> None:
        """The suite took an order: its message needs no more attention."""
        self._sent.pop(f"{name[0]}:{name[1]}", None)

    @property
    def unanswered(self) -> int:
        """Changed orders that have not been refused yet."""
        return sum(order is None for order in self._sent.values())


def _reason(answer: Answer) -> str:
    errors = answer.body.get("errors", []) if isinstance(answer.body, dict) else []
    fields = ", ".join(sorted({_field(error["field"]) for error in errors}))
    return f"faulty: {fields}" if fields else str(answer.body.get("code", answer.status))


def _field(path: str) -> str:
    """A field without positions: lines.0.quantity and lines.7.quantity are one reason."""
    return ".".join(part for part in path.split(".") if not part.isdigit())
