"""Which places ship an order: one place before a split, then the nearest, then the one with most stock."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from heapq import heapify, heappop, heapreplace
from itertools import combinations
from math import comb
from typing import Literal, TypeAlias

from services.inventory.domain.geography import Located, Point, Precision, kilometres
from services.inventory.domain.stock import Book
from shared.value_object import value_object

_MOST_CHECKS = 20_000
"""Sets of places x SKUs looked at before the exact search gives way to the greedy one: a few milliseconds."""
_LARGEST_SET = 3
_NOTED = 5
_UNKNOWN_KM = float("inf")

Rule = Literal["only_choice", "nearest", "most_stock", "lowest_id", "fewest_places", "greedy"]


@value_object
class Wanted:
    """An order line: units of a SKU."""

    line_id: str
    sku: str
    quantity: int


@value_object
class Allotment:
    """Units of a line that a place ships."""

    line_id: str
    sku: str
    place_id: str
    quantity: int


@value_object
class Candidate:
    """A place that was looked at: how far it is, if that is known, and its free units of the order's SKUs."""

    place_id: str
    kilometres: float | None
    units: int


@value_object
class Decision:
    """Where an order is shipped from, and why: which rule settled it, and the first of the places looked at.

    `destination` says what the destination was known from; None when it was not known.
    """

    allotments: tuple[Allotment, ...]
    rule: Rule
    places: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    looked_at: int
    destination: Precision | None = None


@value_object
class Lack:
    """A SKU that cannot be promised."""

    sku: str
    requested: int
    available: int
    reason: Literal["unknown_sku", "not_enough_stock", "too_many_allocations"]


Offers: TypeAlias = Mapping[str, Mapping[str, int]]
"""SKU -> place -> free units, only where there are any."""


def source(
    lines: Sequence[Wanted],
    book: Book,
    skus: Collection[str],
    sites: Mapping[str, Point | None],
    destination: Located | None,
    most_allotments: int,
    most_places: int,
) -> Decision | tuple[Lack, ...]:
    """Choose the places for an order, all or nothing, or say what lacks. Does not touch the book.

    `skus` are those in the catalogue, `sites` the active places and their positions. Lines of one SKU are
    summed. As few places as possible; among equally few the ones with the least distance in sum, then with
    the most free units, then by id, so that the same question has the same answer. A distance that is not
    known counts as the farthest; without a destination distance does not count at all.
    """
    wanted = Counter[str]()
    for line in lines:
        wanted[line.sku] += line.quantity
    offers = {
        sku: {
            place_id: level.available
            for place_id, level in book.places(sku).items()
            if level.available > 0 and place_id in sites
        }
        for sku in wanted
    }
    lacks = _lacks(wanted, offers, skus)
    if lacks:
        return lacks
    search = _Search(wanted, offers, sites, destination.point if destination is not None else None)
    rule, places = search.choose()
    allotments = _allot(lines, offers, places)
    used = {allotment.place_id for allotment in allotments}
    if len(allotments) > most_allotments or len(used) > most_places:
        return _split_too_often(allotments, wanted, offers)
    return Decision(
        allotments=allotments,
        rule=rule,
        places=tuple(place_id for place_id in places if place_id in used),
        candidates=search.noted(places),
        looked_at=search.looked_at,
        destination=destination.precision if destination is not None else None,
    )


def _lacks(wanted: Mapping[str, int], offers: Offers, skus: Collection[str]) -> tuple[Lack, ...]:
    lacks = []
    for sku, quantity in wanted.items():
        if sku not in skus:
            lacks.append(Lack(sku, quantity, 0, "unknown_sku"))
        elif (free := sum(offers[sku].values())) < quantity:
            lacks.append(Lack(sku, quantity, free, "not_enough_stock"))
    return tuple(lacks)


class _Search:
    """The places that have something, in the order in which they are preferred."""

    def __init__(
        self,
        wanted: Mapping[str, int],
        offers: Offers,
        sites: Mapping[str, Point | None],
        destination: Point | None,
    ) -> None:
        # The scarcest SKU first: it rules most sets out at the first look.
        self._wanted = sorted(wanted.items(), key=lambda item: len(offers[item[0]]))
        self._offers = offers
        self._sites = sites
        self._destination = destination
        self._units = Counter[str]()
        for offer in offers.values():
            self._units.update(offer)
        self._kilometres: dict[str, float] = {}

    @property
    def looked_at(self) -> int:
        """How many places have something of the order."""
        return len(self._units)

    def choose(self) -> tuple[Rule, tuple[str, ...]]:
        """The places, the preferred one first, and what settled the choice."""
        alone = [place_id for place_id in self._units if self._suffices((place_id,))]
        if len(alone) == 1:
            return "only_choice", (alone[0],)
        if alone:
            alone.sort(key=self._rank)
            return self._settled_by(alone[0], alone[1]), (alone[0],)
        ranked = sorted(self._units, key=self._rank)
        for size in range(2, min(_LARGEST_SET, len(ranked)) + 1):
            if comb(len(ranked), size) * len(self._wanted) > _MOST_CHECKS:
                break
            sets = [places for places in combinations(ranked, size) if self._suffices(places)]
            if sets:
                return "fewest_places", min(sets, key=self._rank_together)
        return "greedy", self._most_covering_first(ranked)

    def noted(self, places: tuple[str, ...]) -> tuple[Candidate, ...]:
        """The chosen places and the next best of those they were compared with, for the explanation."""
        compared = sorted(
            (place_id for place_id in self._kilometres if place_id not in places), key=self._rank
        )
        noted = [*places, *compared][: max(_NOTED, len(places))]
        return tuple(self._candidate(place_id) for place_id in noted)

    def _suffices(self, places: tuple[str, ...]) -> bool:
        return all(
            sum(self._offers[sku].get(place_id, 0) for place_id in places) >= quantity
            for sku, quantity in self._wanted
        )

    def _rank(self, place_id: str) -> tuple[float, int, str]:
        return self._distance(place_id), -self._units[place_id], place_id

    def _rank_together(self, places: tuple[str, ...]) -> tuple[float, int, tuple[str, ...]]:
        distance = sum(self._distance(place_id) for place_id in places)
        return distance, -sum(self._units[place_id] for place_id in places), places

    def _distance(self, place_id: str) -> float:
        known = self._kilometres.get(place_id)
        if known is None:
            known = self._kilometres[place_id] = self._measure(self._sites[place_id])
        return known

    def _measure(self, site: Point | None) -> float:
        if self._destination is None:
            return 0.0
        return kilometres(self._destination, site) if site is not None else _UNKNOWN_KM

    def _settled_by(self, first: str, second: str) -> Rule:
        if self._distance(first) != self._distance(second):
            return "nearest"
        return "most_stock" if self._units[first] != self._units[second] else "lowest_id"

    def _most_covering_first(self, ranked: Sequence[str]) -> tuple[str, ...]:
        """Take again and again the place that covers most of what is left; near the fewest, and quick.

        What a place covers only falls while others are taken. An earlier count is therefore never too low, so
        only the first place is counted again, and if it stays the first it is the best. Equals go by rank.

        It does not end at the most places an order may have: one that was taken early may serve nothing once
        nearer ones are there, and a refusal names the SKUs that are split over all of them.
        """
        left = Counter(dict(self._wanted))
        missing = left.total()
        stock = self._by_place()
        best_first = [(-self._units[place_id], rank) for rank, place_id in enumerate(ranked)]
        heapify(best_first)
        chosen: list[str] = []
        while missing:
            counted, rank = best_first[0]
            covered = stock[ranked[rank]] = _useful(stock[ranked[rank]], left)
            count = sum(covered.values())
            if count < -counted:
                heapreplace(best_first, (-count, rank))
            else:
                heappop(best_first)
                chosen.append(ranked[rank])
                left.subtract(covered)
                missing -= count
        return tuple(sorted(chosen, key=self._rank))

    def _by_place(self) -> dict[str, dict[str, int]]:
        stock: dict[str, dict[str, int]] = {place_id: {} for place_id in self._units}
        for sku, offer in self._offers.items():
            for place_id, units in offer.items():
                stock[place_id][sku] = units
        return stock

    def _candidate(self, place_id: str) -> Candidate:
        distance = self._distance(place_id)
        known = self._destination is not None and distance != _UNKNOWN_KM
        return Candidate(place_id, round(distance, 1) if known else None, self._units[place_id])


def _useful(stock: Mapping[str, int], left: Mapping[str, int]) -> dict[str, int]:
    """The units of a place that are still wanted; without min(), whose calls were half of the time."""
    return {sku: units if units < wanted else wanted for sku, units in stock.items() if (wanted := left[sku])}


def _allot(lines: Sequence[Wanted], offers: Offers, places: Sequence[str]) -> tuple[Allotment, ...]:
    """Serve the lines in order, each from the preferred place as far as that goes."""
    left = {
        sku: {place_id: offer[place_id] for place_id in places if place_id in offer}
        for sku, offer in offers.items()
    }
    allotments = []
    for line in lines:
        missing = line.quantity
        for place_id, units in left[line.sku].items():
            taken = min(units, missing)
            if taken:
                allotments.append(Allotment(line.line_id, line.sku, place_id, taken))
                left[line.sku][place_id] -= taken
                missing -= taken
    return tuple(allotments)


def _split_too_often(
    allotments: Sequence[Allotment], wanted: Mapping[str, int], offers: Offers
) -> tuple[Lack, ...]:
    parts = Counter(allotment.sku for allotment in allotments)
    lines = Counter[str]()
    for sku, _ in {(allotment.sku, allotment.line_id) for allotment in allotments}:
        lines[sku] += 1
    # Too many places although no SKU is split: all of them together are the reason.
    split = [sku for sku in wanted if parts[sku] > lines[sku]] or list(wanted)
    return tuple(Lack(sku, wanted[sku], sum(offers[sku].values()), "too_many_allocations") for sku in split)


_RULES: Mapping[Rule, Callable[[Decision], str]] = {
    "only_choice": lambda _: "the only place that has everything",
    "nearest": lambda _: "has everything and is the nearest that does",
    "most_stock": lambda _: "has everything; no other that does is nearer, and it has the most stock",
    "lowest_id": lambda _: "has everything; equally near and equally stocked places are taken by id",
    "fewest_places": lambda it: (
        f"no single place has everything; no other {len(it.places)} that do are nearer"
    ),
    "greedy": lambda it: (
        f"the order needs many places; these {len(it.places)} were taken by how much of it each covers"
    ),
}


def explain(decision: Decision) -> str:
    """The decision in one sentence."""
    return f"{', '.join(decision.places)}: {_RULES[decision.rule](decision)} ({decision.looked_at} looked at)"
