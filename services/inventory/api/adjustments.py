"""Changing quantities by hand or from another system."""

from fastapi import APIRouter, Response

from services.inventory.api.bulk import carry_out
from services.inventory.api.documents import AdjustmentEntry, Bulk, BulkResult, Result
from services.inventory.handlers.adjust_stock import adjust_stock, adjust_stock_in_bulk
from services.inventory.settings import Settings
from services.inventory.store import Store
from shared.runtime.http import Context, respond
from shared.runtime.limits import intake
from shared.runtime.service import Service


def add_routes(router: APIRouter, service: Service[Store, Settings]) -> None:
    """The routes of adjustments."""

    @router.post(
        "/adjustments",
        tags=["stock"],
        response_model=Result,
        status_code=201,
        responses={200: {"model": Result}},
        dependencies=[intake(service.overload)],
    )
    async def adjust(entry: AdjustmentEntry, context: Context) -> Response:
        """Change a quantity. 201 when applied; 200 when this adjustment id was applied before; a refusal says why."""
        return respond(await service.command(adjust_stock, entry.to_domain(), request=context))

    @router.post(
        "/bulk/adjustments",
        tags=["bulk"],
        response_model=BulkResult,
        dependencies=[intake(service.overload)],
    )
    async def adjust_many(bulk: Bulk[AdjustmentEntry], context: Context) -> Response:
        """Up to 1,000 changes, in order; each is answered by itself."""
        return await carry_out(service, adjust_stock_in_bulk, AdjustmentEntry, bulk.rows, context)
