"""What a data set tells the demo: a catalogue, places, stock, and then what happens, in order of time."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from shared.contracts.inventory import Place

How = Literal["authorize", "sale", "later", "prepaid"]
"""How a payment comes: authorised and captured on request (cards), captured unasked at once (debit), captured
unasked some time later (bank slips, transfers), or made before the order reached us (vouchers)."""


@dataclass(frozen=True, slots=True)
class Product:
    """A SKU of the catalogue; weight (g) and sizes (mm) of one unit where they are known."""

    sku: str
    title: str
    weight_g: int | None = None
    size_mm: tuple[int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class Stock:
    """Units of a SKU that a place has at the beginning."""

    sku: str
    place_id: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment as the payer will make it, in minor units."""

    payment_id: str
    method: str
    amount: int
    how: How


@dataclass(frozen=True, slots=True)
class Sale:
    """Somebody orders: `body` is what `POST /orders` takes, payments are what the payer then does.

    `faulty` orders are sent to be refused.
    """

    channel: str
    external_id: str
    body: Mapping[str, Any]
    payments: tuple[Payment, ...]
    faulty: bool = False


@dataclass(frozen=True, slots=True)
class Cancellation:
    """The customer no longer wants an earlier order."""

    channel: str
    external_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class GoodsBack:
    """The customer sends units of an earlier order back, as soon as they have been delivered: (line id, units)."""

    channel: str
    external_id: str
    units: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Unusable:
    """A record of the source that cannot be an order, and why; counted as submitted and refused."""

    record: str
    reason: str


Happening = Sale | Cancellation | GoodsBack | Unusable


class Dataset(Protocol):
    """A source of orders. Reads as it goes: memory does not grow with the number of orders."""

    name: str
    story: str
    """Where it comes from and what of it is made up, for people."""
    told: Counter[str]
    """What had to be changed or left out on the way, counted; grows while `happenings` is read."""
    habits: "Habits"
    read: int
    """Of the records that `count` counts, how many `happenings` has come to."""

    def products(self) -> Iterator[Product]:
        """The catalogue."""
        ...

    def places(self) -> Iterator[Place]:
        """Where goods lie."""
        ...

    def stock(self) -> Iterator[Stock]:
        """What lies there at the beginning."""
        ...

    def happenings(self) -> Iterator[Happening]:
        """Orders and what becomes of them, in order of time."""
        ...

    def count(self) -> int:
        """How many orders, or records that could be, `happenings` will come to."""
        ...


class DatasetError(Exception):
    """A folder that cannot be replayed; says what is missing or wrong, and where."""


@dataclass(frozen=True, slots=True)
class Habits:
    """Shares between 0 and 1 of what people and machines do beside what the data set says.

    Where the default comes from is said with each; those without a source are chosen so that each case occurs in a
    run of 2,000 orders.
    """

    cancels: float = 0.025
    """Of orders. Amazon wants its sellers below 2.5 % (Seller Central, cancellation rate)."""
    returns: float = 0.193
    """Of delivered lines: 19.3 % of online sales come back (NRF and Happy Returns, 2025 Retail Returns Landscape)."""
    duplicates: float = 0.02
    """Of submissions, sent again by the same road or the other: at-least-once senders."""
    asks_once: float = 0.1
    """Of orders sent over HTTP, by channels that do not ask again when no answer comes: such an order may exist."""
    conflicts: float = 0.002
    """Of submissions, sent again with another total: a channel that changed an order, which we refuse."""
    declines: float = 0.03
    """Of payments, declined at first; the payer tries again."""
    gives_up: float = 0.003
    """Of payments, declined for good."""
    never_pays: float = 0.002
    """Of payments that come later."""
    capture_fails: float = 0.002
    """Of captures, when the goods have left already."""
    refund_fails: float = 0.002
    """Of refunds."""
    short_picks: float = 0.008
    """Of parcels, a line of which is not where it should be: typical picking accuracies are above 99 %."""
    counts: float = 0.01
    """Of picks, after which somebody counts the shelf and finds a unit more or fewer."""
    troubles: float = 0.04
    """Of parcels, delayed, damaged or not delivered at first."""
    lost: float = 0.004
    """Of parcels."""
    sent_back: float = 0.008
    """Of parcels, returned to their sender."""
    repeated_scans: float = 0.05
    """Of scans, told twice."""
    late_scans: float = 0.05
    """Of scans, told after the next one."""


class Dice:
    """Chance that does not depend on the order of questions: the same seed, question and thing give the same answer."""

    def __init__(self, seed: int) -> None:
        self._seed = str(seed).encode()

    def roll(self, question: str, thing: str) -> float:
        """A number in [0, 1)."""
        digest = hashlib.blake2b(f"{question}\0{thing}".encode(), digest_size=7, key=self._seed).digest()
        return int.from_bytes(digest, "big") / 2**56

    def happens(self, question: str, thing: str, share: float) -> bool:
        """True for this share of things."""
        return self.roll(question, thing) < share

    def between(self, question: str, thing: str, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * self.roll(question, thing)

    def choice(self, question: str, thing: str, options: "tuple[str, ...]") -> str:
        """One of the options, all equally likely."""
        return options[int(self.roll(question, thing) * len(options))]
