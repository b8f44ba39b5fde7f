"""SKUs and places: put, list, put many."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response

from services.inventory.api.bulk import carry_out
from services.inventory.api.documents import (
    Bulk,
    BulkResult,
    Page,
    PlaceDetails,
    PlaceEntry,
    Result,
    SkuDetails,
    SkuEntry,
)
from services.inventory.api.pages import After, page, position
from services.inventory.handlers.put_places import put_places
from services.inventory.handlers.put_skus import put_skus
from services.inventory.settings import Settings
from services.inventory.store import Store
from services.inventory.store.catalogue import read_place, read_sku
from shared.contracts.envelope import Id, Sku
from shared.messaging.message import Done, Outcome
from shared.runtime.http import Context, respond
from shared.runtime.service import Service


def add_routes(router: APIRouter, service: Service[Store, Settings]) -> None:
    """The catalogue's routes."""

    @router.put(
        "/skus/{sku:path}",
        tags=["catalogue"],
        response_model=Result,
        responses={201: {"model": Result}},
    )
    async def put_sku(sku: Annotated[Sku, Path()], details: SkuDetails, context: Context) -> Response:
        """Create a SKU or replace what is known of it. Fields left out are then unknown."""
        return _only(await service.command(put_skus, (details.to_sku(sku),), request=context))

    @router.put(
        "/places/{place_id}",
        tags=["catalogue"],
        response_model=Result,
        responses={201: {"model": Result}},
    )
    async def put_place(place_id: Annotated[Id, Path()], details: PlaceDetails, context: Context) -> Response:
        """Create a place or replace what is known of it. Inactive: ships what it holds, gets no new orders."""
        return _only(await service.command(put_places, (details.to_place(place_id),), request=context))

    @router.post("/bulk/skus", tags=["bulk"], response_model=BulkResult)
    async def put_many_skus(bulk: Bulk[SkuEntry], context: Context) -> Response:
        """Put up to 1,000 SKUs; each is answered by itself."""
        return await carry_out(service, put_skus, SkuEntry, bulk.rows, context)

    @router.post("/bulk/places", tags=["bulk"], response_model=BulkResult)
    async def put_many_places(bulk: Bulk[PlaceEntry], context: Context) -> Response:
        """Put up to 1,000 places; each is answered by itself."""
        return await carry_out(service, put_places, PlaceEntry, bulk.rows, context)

    @router.get("/skus", tags=["catalogue"])
    async def list_skus(
        limit: Annotated[int, Query(ge=1, le=service.settings.max_page)] = 100,
        after: After = None,
        prefix: Annotated[str | None, Query(max_length=64)] = None,
    ) -> Page[SkuEntry]:
        """SKUs in order; `prefix` picks those that begin so."""
        key = position(after, str)
        async with service.read() as store:
            rows = await store.catalogue.page_of_skus(
                after=key[0] if key else None, prefix=prefix, limit=limit + 1
            )
        return page(rows, limit, _sku, "sku")

    @router.get("/places", tags=["catalogue"])
    async def list_places(
        limit: Annotated[int, Query(ge=1, le=service.settings.max_page)] = 100,
        after: After = None,
        kind: Literal["warehouse", "store", "third_party"] | None = None,
        active: bool | None = None,
    ) -> Page[PlaceEntry]:
        """Places in order."""
        key = position(after, str)
        async with service.read() as store:
            rows = await store.catalogue.page_of_places(
                after=key[0] if key else None, kind=kind, active=active, limit=limit + 1
            )
        return page(rows, limit, _place, "place_id")


def _only(outcome: Outcome) -> Response:
    """The answer to one entry, from the answer to a list of one."""
    if isinstance(outcome, Done):
        (result,) = outcome.body["results"]
        outcome = Done(result, status=201 if result["status"] == "created" else 200, headers=outcome.headers)
    return respond(outcome)


def _sku(row: dict[str, Any]) -> SkuEntry:
    sku = read_sku(row)
    size = row["length_mm"] is not None
    return SkuEntry.model_validate(
        {
            "sku": sku.sku,
            "title": sku.title,
            "weight_g": sku.weight_g,
            "size": {name: row[name] for name in ("length_mm", "width_mm", "height_mm")} if size else None,
        }
    )


def _place(row: dict[str, Any]) -> PlaceEntry:
    place = read_place(row)
    return PlaceEntry.model_validate(
        {
            "place_id": place.place_id,
            "kind": place.kind,
            "name": place.name,
            "address": place.address,
            "active": place.active,
        }
    )
