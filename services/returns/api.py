"""The HTTP API: asking to send goods back, receiving them, and looking at returns."""

import asyncio
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Response
from fastapi.exceptions import RequestValidationError

from services.returns.domain.offer import offers
from services.returns.domain.returns import Origin, Return, State
from services.returns.forms import (
    BoxResult,
    BoxResults,
    ManyBoxes,
    NewReturn,
    OfferView,
    OpenedBox,
    Reject,
    Returnable,
    ReturnPage,
    ReturnView,
)
from services.returns.handlers.answer import describe
from services.returns.handlers.authorize_return import authorize_return
from services.returns.handlers.receive_return import receive_return
from services.returns.handlers.reject_return import RejectReturn, reject_return
from services.returns.settings import Settings
from services.returns.store import Filter, Store
from shared.contracts.envelope import Id
from shared.messaging.message import Done, Outcome
from shared.runtime.http import Context, respond
from shared.runtime.service import Service

Returns = Service[Store, Settings]


def create_router(service: Returns) -> APIRouter:
    """All routes of this service."""
    router = APIRouter(tags=["returns"])
    _commands(router, service)
    _queries(router, service)
    return router


def _commands(router: APIRouter, service: Returns) -> None:
    @router.post("/returns", status_code=201, response_model=ReturnView)
    async def authorize(body: NewReturn, context: Context) -> Response:
        """Open a return for delivered units. 409 with Retry-After while they are not delivered yet."""
        return respond(await service.command(authorize_return, body.command(), request=context))

    @router.post("/returns/receive", response_model=BoxResults)
    async def receive_many(body: ManyBoxes, context: Context) -> BoxResults:
        """Receive many boxes. A refused box keeps no other from being received; sent again, it changes nothing."""
        outcomes = await asyncio.gather(
            *(
                service.command(receive_return, box.command(box.return_id), actor=context.actor)
                for box in body.boxes
            )
        )
        results = [_result(box.return_id, outcome) for box, outcome in zip(body.boxes, outcomes, strict=True)]
        done = sum(1 for outcome in outcomes if isinstance(outcome, Done))
        return BoxResults(done=done, refused=len(results) - done, results=results)

    @router.post("/returns/{return_id}/receive", response_model=ReturnView)
    async def receive(return_id: Id, body: OpenedBox, context: Context) -> Response:
        """Receive all that came back of a return and is accepted, once: fewer units than authorised, never more."""
        return respond(await service.command(receive_return, body.command(return_id), request=context))

    @router.post("/returns/{return_id}/reject", response_model=ReturnView)
    async def reject(return_id: Id, body: Reject, context: Context) -> Response:
        """End a return of which nothing comes. Its units may be returned again while the window lasts."""
        return respond(
            await service.command(reject_return, RejectReturn(return_id, body.reason), request=context)
        )


def _queries(router: APIRouter, service: Returns) -> None:
    @router.get("/returns")
    async def list_returns(
        state: State | None = None,
        order_id: Id | None = None,
        origin: Origin | None = None,
        limit: Annotated[int, Query(ge=1, le=service.settings.max_page)] = 50,
        after: Annotated[Id | None, Query(description="`next` of the page before")] = None,
    ) -> ReturnPage:
        """Returns, oldest first."""
        async with service.read() as store:
            last = await store.returns.find(after) if after is not None else None
            if after is not None and last is None:
                raise RequestValidationError([_NO_POSITION])
            position = (last.authorized_at, last.return_id) if last is not None else None
            found = await store.returns.page(Filter(state, order_id, origin), position, limit + 1)
        items = [_view(each) for each in found[:limit]]
        return ReturnPage(items=items, next=items[-1].return_id if len(found) > limit else None)

    @router.get("/returns/{return_id}")
    async def get_return(return_id: Id) -> ReturnView:
        """One return."""
        async with service.read() as store:
            found = await store.returns.find(return_id)
        if found is None:
            raise HTTPException(404, f"There is no return {return_id}.")
        return _view(found)

    @router.get("/orders/{order_id}/returnable")
    async def get_returnable(order_id: Id) -> Returnable:
        """What may still come back of an order, until when, and why not."""
        async with service.read() as store:
            order, now = await store.find_order(order_id), store.now
        if order is None:
            raise HTTPException(404, f"No confirmed order {order_id} is known here.")
        units = [
            OfferView.model_validate(asdict(offer)) for offer in offers(order, service.settings.policy, now)
        ]
        return Returnable(order_id=order_id, confirmed=order.confirmation is not None, units=units)


_NO_POSITION = {
    "loc": ("query", "after"),
    "msg": "is not the `next` of any page; leave it out to begin with the first",
    "type": "value_error",
}


def _view(each: Return) -> ReturnView:
    return ReturnView.model_validate(describe(each))


def _result(return_id: str, outcome: Outcome) -> BoxResult:
    if isinstance(outcome, Done):
        view = ReturnView.model_validate(outcome.body)
        return BoxResult(return_id=return_id, status=outcome.status, result=view)
    return BoxResult(
        return_id=return_id,
        status=outcome.status,
        code=outcome.code,
        detail=outcome.detail,
        errors=list(outcome.errors),
    )
