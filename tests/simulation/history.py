"""One history: a world, people with plans, and a scheduler that picks at random whatever can happen next.

First come steps with trouble (crashes, repetitions, jumps of time), then everybody goes on until nothing is left to
do, and then every invariant is looked at. The same seed is the same history, in any process.
"""

import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from services.fulfillment.jobs import find_silent
from services.orders.jobs import look_at_deadlines
from services.returns.jobs import expire
from shared.messaging.schema import progress
from tests.simulation import invariants, plans
from tests.simulation.blueprints import blueprints
from tests.simulation.chance import QuickDice, hash_of, stream
from tests.simulation.host import Blueprint, Place, drive
from tests.simulation.memory import MemorySession
from tests.simulation.memory.database import stored
from tests.simulation.others import (
    Carrier,
    Channel,
    Customers,
    Desk,
    MailServer,
    Other,
    PaymentService,
    Warehouse,
)
from tests.simulation.world import Reader, World

MOST_STEPS = 40
"""Steps with trouble. What is not done by then is done afterwards, without trouble but still in any order."""
_MOST_HEARD = 3
"""Messages of one key in a batch, while there is trouble."""
_MOST_ROUNDS = 400
"""Rounds without trouble after which a history should have come to rest."""


@dataclass(frozen=True)
class Script:
    """What makes a history: its seed, and which of its orders and steps are played."""

    seed: int
    orders: tuple[int, ...]
    steps: tuple[int, ...]


@dataclass
class Outcome:
    """What a history showed: the names of the invariants that do not hold, each with what is wrong."""

    failures: dict[str, str] = field(default_factory=dict)
    steps: int = 0
    messages: int = 0


def script(seed: int) -> Script:
    """The whole history of a seed."""
    chance = stream(seed, "script")
    orders = chance.choice((1, 1, 2, plans.MOST_ORDERS))
    return Script(seed, tuple(range(orders)), tuple(range(chance.randint(MOST_STEPS // 4, MOST_STEPS))))


class History:
    """A script being played."""

    def __init__(
        self,
        script: Script,
        *,
        parts: dict[str, Blueprint] | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self.script = script
        seed = script.seed
        self.tell = tell
        self.world = World(parts or _blueprints(), seed=hash_of(seed, "ids"), wire=seed % 16 == 15, tell=tell)
        self.plans = [plans.order(stream(seed, f"order {number}"), number) for number in script.orders]
        catalogue = plans.catalogue(stream(seed, "catalogue"))
        dice = QuickDice(seed)
        self.channel = Channel(self.world, self.plans)
        self.payments = PaymentService(self.world, self.plans, dice)
        self.carrier = Carrier(self.world, dice)
        self.warehouse = Warehouse(self.world, catalogue, dice, self.carrier)
        self.customers = Customers(self.world, dice)
        self.mail = MailServer(self.world)
        self.desk = Desk(self.world, self._flagged_orders, self._parcels_under_way)
        self.others: dict[str, Other] = {
            "channel": self.channel,
            "payment service": self.payments,
            "warehouse": self.warehouse,
            "carrier": self.carrier,
            "customers": self.customers,
            "mail server": self.mail,
        }
        for name, other in self.others.items():
            if other.topics:
                self.world.listen(Reader(name, [kind.topic for kind in other.topics]))
        self._stock_up(catalogue)
        self._chance = Random()

    def forget(self) -> None:
        """Let go of everything, once nobody wants to see it: what refers to itself in circles would stay until the
        garbage collector comes, and the next history is quicker in memory that is warm."""
        for part in (*self.world.hosts.values(), *self.others.values(), self.desk, self.world, self):
            vars(part).clear()

    # --- Playing -----------------------------------------------------------------------------------------

    def play(self) -> Outcome:
        """To the end; what went wrong."""
        outcome = Outcome(steps=len(self.script.steps))
        with self.world.identities():
            try:
                self._play(outcome)
            except Exception as error:
                # Nothing outside a handler may fail: what does is a fault of the simulation or of an invariant.
                outcome.failures["simulation"] = f"{type(error).__name__}: {error} {_where(error)}"
        return outcome

    def _play(self, outcome: Outcome) -> None:
        for number in self.script.steps:
            self._chance.seed(hash_of(self.script.seed, number))
            self._tell_step(number)
            self._step()
        self.world.trouble = False
        self._tell_step("to rest")
        self._chance.seed(hash_of(self.script.seed, "rest"))
        if not self._come_to_rest():
            outcome.failures["comes_to_rest"] = "something goes on for ever"
        outcome.messages = sum(len(log) for log in self.world.topics.values())
        outcome.failures |= invariants.broken(self)

    def _tell_step(self, number: int | str) -> None:
        if self.tell:
            self.tell(f"step {number} at {self.world.now:%d %H:%M:%S}")

    def _step(self) -> None:
        """One thing that can happen, with whatever trouble belongs to it."""
        chance, world = self._chance, self.world
        world.later(milliseconds=chance.randrange(1, 2_000))
        deeds: list[tuple[Any, ...]] = [(self._trouble,)]
        for name, reader in world.readers.items():
            if reader.ready:
                deeds += [(self._hear, name)] * (2 if name in world.hosts else 1)
        for name, host in world.hosts.items():
            if host.unsent():
                deeds += [(self._relay, name)] * 2
        deeds += [(self._act, other) for other in self.others.values() if other.deeds]
        if world.unanswered:
            deeds.append((self._ask_again,))
        deed, *what = chance.choice(deeds)
        deed(*what)

    def _trouble(self) -> None:
        chance = self._chance
        roll = chance.random()
        if roll < 0.25:
            jumps = ({"minutes": 10}, {"minutes": 40}, {"hours": 13}, {"days": 2}, {"days": 4}, {"days": 20})
            self.world.later(**chance.choice(jumps))
            if chance.random() < 0.7:
                self._jobs()
        elif roll < 0.5:
            self._jobs()
        elif roll < 0.7:
            self._hear_again()
        elif roll < 0.85:
            self.warehouse.adjust_anything(chance)
        else:
            self.desk.press(chance)

    def _hear(self, name: str, *, safely: bool = False) -> None:
        """Somebody handles a batch: some of what waits, from any topics, in order within each."""
        chance, world = self._chance, self.world
        reader = world.readers[name]
        ready = list(reader.ready)
        if not safely and len(ready) > 1:
            ready = chance.sample(ready, chance.choice((1, 1, 2, min(3, len(ready)))))
        if name not in world.hosts:
            for place in ready:
                self._other_hears(name, reader, place)
            return
        taken: list[tuple[Place, int]] = []
        order: list[int] = []
        for index, place in enumerate(ready):
            waiting = len(world.topics[place]) - reader.position.get(place, 0)
            count = waiting if safely else chance.randint(1, min(waiting, _MOST_HEARD))
            taken.append((place, count))
            order += [index] * count
        if len(order) > 1:
            chance.shuffle(order)
        if not safely:
            roll = chance.random()
            if roll < 0.06:
                world.crash(before=chance.randint(1, 2))
            elif roll < 0.12:
                world.crash(after=chance.randint(1, 2))
        world.consume(name, taken, order)

    def _other_hears(self, name: str, reader: Reader, place: Place) -> None:
        position = reader.position.get(place, 0)
        item = self.world.topics[place][position]
        if self.tell:
            self.tell(f"    {name} hears {item.topic}")
        self.others[name].hear(self.world.event(item), self._chance)
        self.world.advance(reader, place, position + 1)

    def _hear_again(self) -> None:
        """A reader's last offsets were not committed, or are lost."""
        chance, world = self._chance, self.world
        read = [
            (reader, place) for reader in world.readers.values() for place, n in reader.position.items() if n
        ]
        if read:
            reader, place = chance.choice(read)
            count = chance.choice((1, 1, 2, 100))
            if self.tell:
                self.tell(f"    {reader.name} forgets its last {count} of {place[0]}")
            reader.rewind(place, count)

    def _relay(self, name: str, *, safely: bool = False) -> None:
        chance, host = self._chance, self.world.hosts[name]
        waiting = host.unsent()
        places = list(waiting)
        if not safely:
            places = [chance.choice(places)]
        elif len(places) > 1:
            chance.shuffle(places)
        for place in places:
            count = len(waiting[place]) if safely else chance.randint(1, len(waiting[place]))
            self.world.publish(host, place, count, delete=safely or chance.random() > 0.1)

    def _act(self, other: Other) -> None:
        roll = self._chance.random()
        if roll < 0.05:
            self.world.crash(before=1)
        elif roll < 0.1:
            self.world.crash(after=1)
        other.act(self._chance)
        self.world.crash()

    def _ask_again(self) -> None:
        unanswered = self.world.unanswered
        self.world.ask(unanswered.pop(self._chance.randrange(len(unanswered))))

    def _jobs(self) -> None:
        """Timed work of the services that have any; orders knows how far it has read, or less."""
        world = self.world
        if any(
            row["deadline_at"] is not None and row["deadline_at"] <= world.now
            for row in self._rows("orders", "orders")
        ):
            until = world.unread_since(world.readers["orders"])
            known = {"topic": "all", "partition": 0, "consumed_until": until, "next_offset": 0}
            database = world.hosts["orders"].database
            drive(MemorySession(database, world.now).upsert(progress, [known], key=("topic", "partition")))
            database.commit()
            world.job("orders", look_at_deadlines)
        if any(
            row["expires_at"] is not None and row["expires_at"] <= world.now and row["state"] == "authorized"
            for row in self._rows("returns", "returns")
        ):
            world.job("returns", expire)
        silent = world.now - timedelta(days=world.hosts["fulfillment"].settings.silent_days)
        if any(
            row["state"] in _UNDER_WAY and row["last_sign_at"] < silent
            for row in self._rows("fulfillment", "shipments")
        ):
            world.job("fulfillment", find_silent)
        if any(
            row["state"] == "queued" and row["due_at"] <= world.now
            for row in self._rows("notifications", "deliveries")
        ):
            self.mail.send(self._chance)

    def _rows(self, service: str, table: str) -> Iterable[Mapping[str, Any]]:
        return self.world.hosts[service].database.tables[table].rows.values()

    # --- Rest --------------------------------------------------------------------------------------------

    def _come_to_rest(self) -> bool:
        """Everything that waits is done, in any order, until nothing waits and no time makes anything new."""
        calm = 0
        for _ in range(_MOST_ROUNDS):
            if self._go_on():
                self.world.later(milliseconds=50)
                calm = 0
            elif calm < len(_CALM):
                self.world.later(hours=_CALM[calm])
                calm += 1
                self._jobs()
            else:
                return True
        return False

    def _go_on(self) -> bool:
        """Everybody does everything there is to do now; whether there was anything."""
        world = self.world
        done = False
        while world.unanswered:
            done = True
            world.ask(world.unanswered.pop())
        # Each is late now and then, so that what depends on several is heard in any order; services most of all,
        # so that they find more than one message when they look.
        late = self._chance.random
        for name, host in world.hosts.items():
            if host.unsent():
                done = True
                if late() > 0.3:
                    self._relay(name, safely=True)
        for name, reader in world.readers.items():
            if reader.ready:
                done = True
                if late() > (0.6 if name in world.hosts else 0.3):
                    self._hear(name, safely=True)
        for other in self.others.values():
            for _ in range(len(other.deeds)):
                done = True
                if late() > 0.3:
                    other.act(self._chance)
        return done

    # --- What people see ---------------------------------------------------------------------------------

    def _flagged_orders(self) -> list[str]:
        return [row["id"] for row in self._rows("orders", "orders") if row["needs_attention"]]

    def _parcels_under_way(self) -> list[str]:
        parcels = self._rows("fulfillment", "shipments")
        return [row["shipment_id"] for row in parcels if row["state"] in _UNDER_WAY]

    def _stock_up(self, catalogue: plans.Catalogue) -> None:
        """The catalogue is known and first goods were received before the history begins."""
        host = self.world.hosts["inventory"]
        database, tables, now = host.database, host.database.tables, self.world.now
        for sku in catalogue.skus:
            database.insert(tables["skus"], {"sku": sku.sku, "weight_g": sku.weight_g}, now)
        for place in catalogue.places:
            row = {"place_id": place.place_id, "kind": place.kind, "name": place.name, "active": True}
            database.insert(
                tables["places"], stored(tables["places"], {**row, "address": place.address}), now
            )
        for sku_id, place_id, units in catalogue.stock:
            level = {"sku": sku_id, "place_id": place_id, "on_hand": units, "reserved": 0, "unavailable": 0}
            database.insert(tables["stock"], level, now)
            cause = {"cause_kind": "adjustment", "cause_id": "first", "actor": "", "reason": "", "note": ""}
            moved = {**level, **cause, "kind": "received", "quantity": units}
            database.insert(tables["ledger"], moved, now)
        database.commit()
        mails = self.world.hosts["notifications"].database
        mails.insert(mails.tables["pace"], {"id": 1, "next_at": now}, now)
        mails.commit()


_UNDER_WAY = ("dispatched", "exception")
_CALM = (1, 4 * 24, 20 * 24, 40 * 24)
"""Hours to wait, one after the other, before nothing more is expected: longer than any deadline there is."""


def _where(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"({Path(frame.filename).name}:{frame.lineno})"


@cache
def _blueprints() -> dict[str, Blueprint]:
    return blueprints()
