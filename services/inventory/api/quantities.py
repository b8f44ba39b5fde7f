"""How much there is, why, and for whom it is held."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query

from services.inventory.api.documents import (
    AllocationView,
    Availability,
    CandidateView,
    LevelView,
    MovementView,
    Page,
    PlaceLevel,
    ReservationView,
    SourcingView,
)
from services.inventory.api.pages import After, page, position
from services.inventory.domain.reservation import Reservation
from services.inventory.domain.sourcing import Decision, explain
from services.inventory.settings import Settings
from services.inventory.store import Store
from shared.contracts.envelope import Id, Sku
from shared.runtime.service import Service


def add_routes(router: APIRouter, service: Service[Store, Settings]) -> None:
    """The routes of questions."""

    @router.get("/availability", tags=["stock"])
    async def availability(
        sku: Annotated[list[Sku], Query(min_length=1, max_length=100)],
    ) -> list[Availability]:
        """What of each SKU may be promised (`?sku=a&sku=b`): in sum over the active places, and at each place."""
        async with service.read() as store:
            known = await store.catalogue.known_skus(sku)
            rows = await store.reports.stock_of(sku)
        return [_availability(name, name in known, rows) for name in dict.fromkeys(sku)]

    @router.get("/levels", tags=["stock"])
    async def levels(
        limit: Annotated[int, Query(ge=1, le=service.settings.max_page)] = 100,
        after: After = None,
        sku: str | None = None,
        place: str | None = None,
    ) -> Page[LevelView]:
        """Quantities by SKU and place."""
        key = position(after, str, str)
        async with service.read() as store:
            rows = await store.reports.page_of_levels(
                after=(key[0], key[1]) if key else None, sku=sku, place_id=place, limit=limit + 1
            )
        return page(rows, limit, _level, "sku", "place_id")

    @router.get("/ledger", tags=["stock"])
    async def movements(
        limit: Annotated[int, Query(ge=1, le=service.settings.max_page)] = 100,
        after: After = None,
        sku: str | None = None,
        place: str | None = None,
        cause: Annotated[
            str | None, Query(description="id of an order, shipment, return or adjustment")
        ] = None,
    ) -> Page[MovementView]:
        """Every movement, the newest first."""
        key = position(after, int)
        async with service.read() as store:
            rows = await store.reports.page_of_ledger(
                before=key[0] if key else None, sku=sku, place_id=place, cause=cause, limit=limit + 1
            )
        return page(rows, limit, MovementView.model_validate, "id")

    @router.get("/reservations/{order_id}", tags=["reservations"])
    async def reservation(order_id: Id) -> ReservationView:
        """What is or was held for an order, what became of it, and why these places ship it."""
        async with service.read() as store:
            found = await store.reservations.find(order_id)
        if found is None:
            raise HTTPException(404, f"nothing was heard of order {order_id}")
        return _reservation(found)


def _availability(sku: str, known: bool, rows: Sequence[dict[str, Any]]) -> Availability:
    places = [
        PlaceLevel(
            place_id=row["place_id"],
            active=row["active"],
            on_hand=row["on_hand"],
            reserved=row["reserved"],
            unavailable=row["unavailable"],
            available=_free(row),
        )
        for row in rows
        if row["sku"] == sku
    ]
    free = sum(place.available for place in places if place.active)
    return Availability(sku=sku, known=known, available=free, places=places)


def _free(row: dict[str, Any]) -> int:
    return int(row["on_hand"] - row["reserved"] - row["unavailable"])


def _level(row: dict[str, Any]) -> LevelView:
    return LevelView(**row, available=_free(row))


def _reservation(reservation: Reservation) -> ReservationView:
    return ReservationView(
        order_id=reservation.order_id,
        reservation_id=reservation.reservation_id,
        answer=reservation.answer.value,
        cancelled=reservation.cancelled,
        allocations=[
            AllocationView(
                line_id=allotment.line_id,
                sku=allotment.sku,
                place_id=allotment.place_id,
                quantity=allotment.quantity,
                fate=reservation.parcels[allotment.place_id].fate.label,
                not_found=reservation.parcels[allotment.place_id].not_found.get(allotment.line_id, 0),
            )
            for allotment in reservation.allotments
        ],
        sourcing=_sourcing(reservation.decision) if reservation.decision is not None else None,
    )


def _sourcing(decision: Decision) -> SourcingView:
    return SourcingView(
        explanation=explain(decision),
        rule=decision.rule,
        destination_known_by=decision.destination,
        candidates=[
            CandidateView(place_id=it.place_id, kilometres=it.kilometres, units=it.units)
            for it in decision.candidates
        ],
    )
