"""The play from the first order to the last mail."""

import asyncio
import time
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from deploy.demo.agenda import Agenda
from deploy.demo.book import Book
from deploy.demo.company import HEARD, Company
from deploy.demo.datasets.model import Dataset, Dice
from deploy.demo.desk import Desk
from deploy.demo.hands import Hands
from deploy.demo.intake import Intake
from deploy.demo.invariants import Paid, Submitted
from deploy.demo.players.customers import Customers
from deploy.demo.players.payments import PaymentService
from deploy.demo.players.warehouse import Warehouse
from deploy.demo.quiet import Quiet
from deploy.demo.services import Http
from deploy.demo.topics import Topics
from shared.contracts.envelope import Event

_IN_FLIGHT, _MOST_IN_FLIGHT = 256, 1_000


def in_flight(orders: int) -> int:
    """Orders that may be open at once, of so many. Many together make large batches, which cost each order less;
    few show how quick one is. So a data set's tens of thousands go together, a short run goes in turn."""
    return min(_MOST_IN_FLIGHT, max(_IN_FLIGHT, orders // 10))


_LOOK_AGAIN = 0.5


@dataclass(frozen=True)
class Played:
    """What was played."""

    book: Book
    payments: PaymentService
    seconds: float
    """From the first order to quiet."""

    def submitted(self, message_ids: int) -> Submitted:
        """What the invariants are told; so many different mails arrived."""
        return Submitted(
            accepted=dict(self.book.accepted),
            refused=set(self.book.refused),
            objections=self.payments.objections,
            message_ids=message_ids,
            payments={
                name: Paid(
                    account.order_id, account.authorized, account.captured, account.refunded, account.voided
                )
                for name, account in self.payments.accounts.items()
            },
        )


class Play:
    """Everybody around the suite, playing one data set.

    `book` says how orders are paced. After `standstill` seconds without any news the play is given up, with the
    reason.
    """

    def __init__(
        self,
        dataset: Dataset,
        http: Http,
        bootstrap: str,
        prefix: str,
        seed: int,
        quiet: Quiet,
        *,
        book: Book | None = None,
        standstill: float = 60.0,
    ) -> None:
        habits, dice = dataset.habits, Dice(seed)
        self.dataset = dataset
        self.book = book or Book(in_flight(dataset.count()))
        self._quiet = quiet
        self._standstill = standstill
        self.noises: list[str] = []
        """What still went on at the last look, once everything was ordered."""
        self._agenda = Agenda()
        self.topics = Topics(bootstrap, prefix, HEARD, self._hear)
        book, agenda, topics = self.book, self._agenda, self.topics
        customers = Customers(dice, habits)
        first_place = next(dataset.places()).place_id
        desk = Desk(book, agenda, http, topics, customers)
        self._hands = Hands(book, agenda, http, topics, dice, Warehouse(dice, habits), first_place)
        self._intake = Intake(book, agenda, http, topics, dice, customers, desk)
        self._company = Company(book, agenda, http, topics, dice, habits, self._intake, desk, self._hands)

    @property
    def payments(self) -> PaymentService:
        """The payment service's own books."""
        return self._company.payments

    async def _hear(self, model: type[Event], body: bytes, headers: Mapping[str, str]) -> None:
        await self._company.hear(model, body, headers)

    async def run(self, show: Coroutine[Any, Any, None]) -> Played:
        """Play until everything is quiet, while `show` shows it for as long as it takes.

        Raises what goes wrong, or TimeoutError with what does not come to rest.
        """
        await self.topics.start()
        started = time.monotonic()
        background = [
            asyncio.create_task(work, name=name)
            for name, work in (
                ("listening", self.topics.listen()),
                ("warehouse", self._hands.work()),
                ("watch", self._watch()),
                ("display", show),
            )
        ]
        playing = asyncio.create_task(self._play(), name="playing")
        try:
            await asyncio.wait([playing, *background], return_when=asyncio.FIRST_COMPLETED)
            for task in background:
                if task.done():
                    task.result()  # Raises: none of these ends by itself.
            await playing
            return Played(self.book, self.payments, time.monotonic() - started)
        finally:
            for task in (playing, *background):
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(playing, *background, return_exceptions=True)
            await self._agenda.close()
            await self.topics.stop()

    async def _play(self) -> None:
        """Everything that happens, and then until nobody here has anything to do and the services are quiet."""
        await self._intake.run(self.dataset)
        while noises := await self._noises():
            self.noises = noises
            await asyncio.sleep(_LOOK_AGAIN)

    async def _watch(self) -> None:
        """Raises what went wrong in the background, and TimeoutError when nothing moves although it should."""
        last, since = self._movement(), time.monotonic()
        while True:
            await asyncio.sleep(_LOOK_AGAIN)
            self._agenda.check()
            now = self._movement()
            if now != last:
                last, since = now, time.monotonic()
            elif time.monotonic() - since > self._standstill:
                noises = "; ".join(await self._noises())
                raise TimeoutError(f"nothing moved for {self._standstill:.0f} s, and yet: {noises}")

    def _movement(self) -> object:
        return sum(self.book.seen.values()), self.book.told.total(), self.book.submitted

    async def _noises(self) -> list[str]:
        """What is going on: here, in the services, and here again, for what they said while they were looked at."""
        return await self._noises_here() or await self._quiet.noises() or await self._noises_here()

    async def _noises_here(self) -> list[str]:
        here = {
            "orders not over": self.book.open,
            "things to do": self._agenda.open,
            "messages to say": self.topics.unsent,
            "changed orders without an answer": self._intake.unanswered,
            "parcels to handle": int(not self._hands.idle),
            "messages to hear": await self.topics.unheard(),
        }
        return [f"{count} {what}" for what, count in here.items() if count]
