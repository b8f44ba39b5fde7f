"""What is held for orders: one row per order, locked first, with its allocations and parcels."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg.errors import SerializationFailure
from sqlalchemy import exists, select

from services.inventory.domain.reservation import Answer, Fate, Parcel, Reservation
from services.inventory.domain.sourcing import Allotment, Candidate, Decision
from services.inventory.store.tables import allocations, parcels, reservations
from shared.db.bulk import Row, Session
from shared.db.ids import first_id


class Reservations:
    """Reservations by order id."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._unwritten: set[str] = set()

    async def take(self, traces: Mapping[str, str]) -> dict[str, Reservation]:
        """The reservations of these orders, locked in order of ids; orders not heard of get an empty one.

        `traces` gives each order's traceparent, kept when this is the first that is heard of it. The row of
        such an order is written by `save`, once and whole.
        """
        known = await self._load(sorted(traces), lock=True)
        self._unwritten = traces.keys() - known.keys()
        return known | {order_id: Reservation(order_id, traces[order_id]) for order_id in self._unwritten}

    async def find(self, order_id: str) -> Reservation | None:
        """One reservation, to be read."""
        return (await self._load([order_id], lock=False)).get(order_id)

    async def save(self, before: Mapping[str, Reservation], after: Mapping[str, Reservation]) -> None:
        """Write what became of the reservations that were taken.

        Raises SerializationFailure, after which the transaction is tried again, if another process wrote an order
        meanwhile that nobody had heard of: what it decided must be seen first.
        """
        first = [_first_row(after[order_id]) for order_id in sorted(self._unwritten)]
        written = await self._session.insert(
            reservations, first, ignore_duplicates=True, returning=("order_id",)
        )
        if len(written) < len(first):
            raise SerializationFailure("an order was first heard of by two processes at once")
        changed = [new for order_id, new in after.items() if new is not before[order_id]]
        answered = [new for new in changed if new.answer is not before[new.order_id].answer]
        again = [_answer_row(new) for new in answered if new.order_id not in self._unwritten]
        await self._session.update(reservations, again, key=("order_id",))
        await self._session.insert(allocations, [row for new in answered for row in _allocations(new)])
        cancelled = [
            new
            for new in changed
            if new.cancelled and not before[new.order_id].cancelled and new.order_id not in self._unwritten
        ]
        await self._session.update(
            reservations, [_cancelled_row(new) for new in cancelled], key=("order_id",)
        )
        fates = [
            _parcel_row(new.order_id, parcel)
            for new in changed
            for place_id, parcel in new.parcels.items()
            if before[new.order_id].parcels.get(place_id) != parcel
        ]
        await self._session.upsert(parcels, fates, key=("order_id", "place_id"))

    async def purge(self, placed_before: datetime, limit: int) -> int:
        """Delete what is known of orders placed before, unless units are still held for them; returns how many orders.

        Stock does not change: every movement stays in the ledger.
        """
        held = exists().where(
            parcels.c.order_id == reservations.c.order_id, parcels.c.fate == Fate.HELD.value
        )
        old = (
            select(reservations.c.order_id)
            .where(reservations.c.order_id < first_id(placed_before), ~held)
            .order_by(reservations.c.order_id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        ids = [row["order_id"] for row in await self._session.execute(old)]
        for table in (allocations, parcels):
            await self._session.delete(table, "order_id", ids)
        return await self._session.delete(reservations, "order_id", ids)

    async def _load(self, order_ids: Sequence[str], *, lock: bool) -> dict[str, Reservation]:
        rows = await self._session.fetch(
            reservations, "order_id", order_ids, columns=_FACTS if lock else None, lock=lock
        )
        known = [row["order_id"] for row in rows]
        lines = _grouped(await self._session.fetch(allocations, "order_id", known, order_by=_LINE_ORDER))
        fates = _grouped(await self._session.fetch(parcels, "order_id", known))
        return {
            row["order_id"]: _read(row, lines.get(row["order_id"], []), fates.get(row["order_id"], []))
            for row in rows
        }


_FACTS = ("order_id", "traceparent", "answer", "cancelled", "version", "reservation_id")
"""What decisions need; why an order was sourced as it was is for people only."""
_LINE_ORDER = ("order_id", "line_id", "place_id")


def _grouped(rows: Collection[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["order_id"], []).append(row)
    return groups


def _cancelled_row(reservation: Reservation) -> Row:
    return {"order_id": reservation.order_id, "cancelled": True, "version": reservation.version}


def _first_row(reservation: Reservation) -> Row:
    return {
        **_answer_row(reservation),
        "traceparent": reservation.trace,
        "cancelled": reservation.cancelled,
    }


def _answer_row(reservation: Reservation) -> Row:
    decision = reservation.decision
    return {
        "order_id": reservation.order_id,
        "answer": reservation.answer.value,
        "version": reservation.version,
        "reservation_id": reservation.reservation_id,
        "decision": _decision_row(decision) if decision is not None else None,
    }


def _decision_row(decision: Decision) -> dict[str, Any]:
    return {
        "rule": decision.rule,
        "places": decision.places,
        "candidates": [[it.place_id, it.kilometres, it.units] for it in decision.candidates],
        "looked_at": decision.looked_at,
        "destination": decision.destination,
    }


def _allocations(reservation: Reservation) -> list[Row]:
    return [
        {
            "order_id": reservation.order_id,
            "line_id": allotment.line_id,
            "place_id": allotment.place_id,
            "sku": allotment.sku,
            "quantity": allotment.quantity,
        }
        for allotment in reservation.allotments
    ]


def _parcel_row(order_id: str, parcel: Parcel) -> Row:
    return {
        "order_id": order_id,
        "place_id": parcel.place_id,
        "fate": int(parcel.fate),
        "shipment_id": parcel.shipment_id,
        "not_found": dict(parcel.not_found),
    }


def _read(row: Row, lines: Sequence[Row], fates: Sequence[Row]) -> Reservation:
    allotments = tuple(
        Allotment(line["line_id"], line["sku"], line["place_id"], line["quantity"]) for line in lines
    )
    note = row.get("decision")
    return Reservation(
        order_id=row["order_id"],
        trace=row["traceparent"],
        answer=Answer(row["answer"]),
        cancelled=row["cancelled"],
        version=row["version"],
        reservation_id=row["reservation_id"],
        decision=_read_decision(note, allotments) if note is not None else None,
        allotments=allotments,
        parcels={
            fate["place_id"]: Parcel(
                fate["place_id"], Fate(fate["fate"]), fate["shipment_id"], fate["not_found"]
            )
            for fate in fates
        },
    )


def _read_decision(note: Mapping[str, Any], allotments: tuple[Allotment, ...]) -> Decision:
    return Decision(
        allotments=allotments,
        rule=note["rule"],
        places=tuple(note["places"]),
        candidates=tuple(Candidate(*candidate) for candidate in note["candidates"]),
        looked_at=note["looked_at"],
        destination=note["destination"],
    )
