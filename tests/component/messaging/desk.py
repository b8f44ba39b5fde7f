"""A small HTTP API over tally's store: what services build upon, without a service's own rules."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel

from shared.contracts.envelope import Id, Money
from shared.messaging.message import Command, Done, Outcome, Refused
from shared.runtime.http import Context, respond
from shared.runtime.service import Service

LIMIT = 1_000
"""No order may count more: a business refusal."""


class Add(BaseModel):
    order_id: Id
    amount: Money


async def add(commands: Sequence[Command[Add]], tx: Any) -> Sequence[Outcome]:
    """Counts amounts; 13 fails, and a total above the limit is refused."""
    rows = await tx.store.lock([command.value.order_id for command in commands])
    outcomes: list[Outcome] = []
    for command in commands:
        if command.value.amount == 13:
            raise ZeroDivisionError("a fault of the handler")
        row = rows[command.value.order_id]
        if row["total"] + command.value.amount > LIMIT:
            outcomes.append(Refused(409, "too_much", "Count less."))
            continue
        row["total"] += command.value.amount
        row["count"] += 1
        outcomes.append(Done({"order_id": command.value.order_id, "total": row["total"]}, status=201))
    await tx.store.save(list(rows.values()))
    return outcomes


def create_router(service: Service[Any, Any]) -> APIRouter:
    """POST /tallies and GET /tallies/{order_id}."""
    router = APIRouter()

    @router.post("/tallies")
    async def post(body: Add, context: Context, dry: Annotated[bool, Query()] = False) -> Response:
        return respond(await service.command(add, body, request=context))

    @router.get("/tallies/{order_id}")
    async def get(order_id: str, limit: Annotated[int, Query(ge=1, le=10)] = 1) -> dict[str, Any]:
        async with service.read() as store:
            rows = await store.session.fetch(_table(), "order_id", [order_id])
        return {"items": rows[:limit]}

    return router


def _table() -> Any:
    from tests.harness.tally import tallies

    return tallies
