"""The HTTP API: capture orders, look at them, and what people may do with them."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field, ValidationError, WrapValidator

from services.orders.answers import Page, Whole
from services.orders.domain.saga import State
from services.orders.handlers.ask_capture_again import AskCaptureAgain, ask_capture_again
from services.orders.handlers.cancel_order import CancelOrder, cancel_order
from services.orders.handlers.checking import faulty_fields_of
from services.orders.handlers.hold_order import HoldOrder, ReleaseOrder, hold_order, release_order
from services.orders.handlers.place_order import place_order
from services.orders.handlers.record_payment import RecordPayment, record_payment
from services.orders.handlers.refund_by_hand import RefundByHand, refund_by_hand
from services.orders.handlers.resolve_attention import ResolveAttention, resolve_attention
from services.orders.settings import Settings
from services.orders.store import Store
from services.orders.store.listing import Filter
from services.orders.views import summary, whole
from shared.contracts.channels import OrderSubmitted
from shared.contracts.envelope import Code, ExternalId, Id, Money, Text, Time
from shared.contracts.field_errors import field_errors
from shared.runtime.http import Body, Context, problem, respond
from shared.runtime.limits import intake
from shared.runtime.service import Service

OrderId = Annotated[
    str, Path(min_length=1, max_length=64, pattern=r"^[!-~]+$", description="our id of the order")
]


def _exactly(value: Any, _: Any) -> OrderSubmitted:
    return OrderSubmitted.model_validate(value, extra="forbid")


SubmittedOrder = Annotated[
    OrderSubmitted,
    WrapValidator(_exactly),
    Field(description="fields that are not known are refused, at any depth"),
]
"""Readers of topics ignore what they do not know; who sends a misspelt field over HTTP is still there to be told."""

Reason = Annotated[Text, Field(min_length=1, description="why, for the timeline")]


class Placed(BaseModel):
    """The order stands under this id; `new` is false when it was known before."""

    order_id: str
    new: bool


class Taken(BaseModel):
    """What became of a wish. `detail` says why nothing had to be done."""

    order_id: str
    state: str
    version: int
    detail: str | None = None


class Cancel(Body):
    """Cancel the whole order."""

    reason: Reason


class Hold(Body):
    """Keep the order from being confirmed; the same `hold_id` is the same hold."""

    reason: Reason
    hold_id: Id | None = None


class Release(Body):
    """Release one hold, or all."""

    reason: Reason = "released"
    hold_id: Id | None = None


class CaptureAgain(Body):
    """Ask again for failed captures: of one payment, or of all."""

    reason: Reason = "asked again"
    payment_id: Id | None = None


class Refund(Body):
    """Pay back by hand. Without `amount`, failed refunds are asked for again; the same `refund_id` counts once."""

    reason: Reason
    amount: Annotated[Money, Field(ge=1)] | None = None
    payment_id: Id | None = None
    refund_id: Id | None = None


class PaymentByHand(Body):
    """Money that was collected in another way, in minor units of the order's currency; the same `payment_id` counts
    once."""

    amount: Annotated[Money, Field(ge=1)]
    method: Annotated[Text, Field(min_length=1, max_length=64, description="as people call it, such as cash")]
    reason: Reason
    payment_id: Annotated[Id, Field(max_length=50)] | None = None


class Resolve(Body):
    """How the matter was settled. Who did it is the header X-Actor.

    With the `amount` that was settled it is refused if the matter is about another one by now.
    """

    reason: Reason
    amount: Money | None = None


def create_router(service: Service[Store, Settings]) -> APIRouter:
    """All routes of the service."""
    router = APIRouter()
    router.include_router(_intake(service))
    router.include_router(_queries(service))
    router.include_router(_wishes(service))
    router.include_router(_money(service))
    return router


def _intake(service: Service[Store, Settings]) -> APIRouter:
    router = APIRouter(tags=["orders"], route_class=_every_fault(service.settings))

    @router.post(
        "/orders",
        status_code=202,
        response_model=Placed,
        responses={200: {"model": Placed}},
        dependencies=[intake(service.overload)],
    )
    async def place(order: SubmittedOrder, context: Context) -> Response:
        """Capture an order: 202 with its id, readable at once; 200 with the same id for the same order again."""
        return respond(await service.command(place_order, order, request=context))

    return router


def _queries(service: Service[Store, Settings]) -> APIRouter:
    router = APIRouter(tags=["orders"])

    @router.get("/orders/{order_id}", response_model=Whole)
    async def show(order_id: OrderId) -> Whole:
        """Everything known of one order, with its whole timeline."""
        async with service.read() as store:
            found = await store.listing.whole(order_id)
            timeline = await store.listing.timeline(order_id) if found is not None else []
        if found is None:
            raise HTTPException(404, f"There is no order {order_id}.")
        return whole(*found, timeline, service.settings.windows)

    @router.get("/orders", response_model=Page)
    async def search(
        state: Annotated[State | None, Query()] = None,
        channel: Annotated[Code | None, Query()] = None,
        external_id: Annotated[ExternalId | None, Query()] = None,
        email: Annotated[str | None, Query(max_length=254)] = None,
        placed_from: Annotated[Time | None, Query(description="placed at or after")] = None,
        placed_before: Annotated[Time | None, Query(description="placed before")] = None,
        needs: Annotated[Literal["attention"] | None, Query(description="only what needs a person")] = None,
        limit: Annotated[int, Query(ge=1, le=service.settings.max_page)] = 50,
        after: Annotated[Id | None, Query(description="`next` of the page before")] = None,
    ) -> Page:
        """Orders, newest first; every filter that is given must hold."""
        wanted = Filter(state, channel, external_id, email, placed_from, placed_before, needs is not None)
        async with service.read() as store:
            rows = await store.listing.page(wanted, after, limit + 1)
        more = rows[limit - 1][0]["id"] if len(rows) > limit else None
        return Page(items=[summary(row, order) for row, order in rows[:limit]], next=more)

    return router


def _wishes(service: Service[Store, Settings]) -> APIRouter:
    router = APIRouter(prefix="/orders/{order_id}", tags=["orders"])
    taken: Any = {"response_model": Taken, "status_code": 202, "responses": {200: {"model": Taken}}}

    @router.post("/cancel", **taken)
    async def cancel(order_id: OrderId, wish: Cancel, context: Context) -> Response:
        """Cancel the whole order while nothing has left its place."""
        return respond(
            await service.command(cancel_order, CancelOrder(order_id, wish.reason), request=context)
        )

    @router.post("/hold", **taken)
    async def hold(order_id: OrderId, wish: Hold, context: Context) -> Response:
        """Keep the order from being confirmed; 409 once it is."""
        command = HoldOrder(order_id, wish.reason, wish.hold_id)
        return respond(await service.command(hold_order, command, request=context))

    @router.post("/release", **taken)
    async def release(order_id: OrderId, wish: Release, context: Context) -> Response:
        """Release a hold, or all of them."""
        command = ReleaseOrder(order_id, wish.reason, wish.hold_id)
        return respond(await service.command(release_order, command, request=context))

    @router.post("/attention/{attention_id}/resolve", **taken)
    async def resolve(
        order_id: OrderId, attention_id: Annotated[int, Path(ge=1, le=10**6)], wish: Resolve, context: Context
    ) -> Response:
        """Close a matter that was put before people; one of money is settled as far as its `amount` goes."""
        command = ResolveAttention(order_id, wish.reason, attention_id, wish.amount)
        return respond(await service.command(resolve_attention, command, request=context))

    return router


def _money(service: Service[Store, Settings]) -> APIRouter:
    router = APIRouter(prefix="/orders/{order_id}", tags=["money"])
    taken: Any = {"response_model": Taken, "status_code": 202, "responses": {200: {"model": Taken}}}

    @router.post("/captures", **taken)
    async def captures(order_id: OrderId, wish: CaptureAgain, context: Context) -> Response:
        """Have failed captures asked for again."""
        command = AskCaptureAgain(order_id, wish.reason, wish.payment_id)
        return respond(await service.command(ask_capture_again, command, request=context))

    @router.post("/refunds", **taken)
    async def refunds(order_id: OrderId, wish: Refund, context: Context) -> Response:
        """Pay back by hand, within what was captured; without an amount, ask again for refunds that failed."""
        command = RefundByHand(order_id, wish.reason, wish.amount, wish.payment_id, wish.refund_id)
        return respond(await service.command(refund_by_hand, command, request=context))

    @router.post("/payments", **taken)
    async def payments(order_id: OrderId, wish: PaymentByHand, context: Context) -> Response:
        """Record money that was collected in another way: it counts as captured, and people pay it back."""
        command = RecordPayment(order_id, wish.reason, wish.amount, wish.method, wish.payment_id)
        return respond(await service.command(record_payment, command, request=context))

    return router


def _every_fault(settings: Settings) -> type[APIRoute]:
    """Routes that name every faulty field at once: those of the contract and those that do not add up."""

    class EveryFault(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            answer = super().get_route_handler()

            async def handler(request: Request) -> Response:
                try:
                    return await answer(request)
                except RequestValidationError as error:
                    if not isinstance(error.body, dict):
                        raise
                    refusal = _refusal(error.body, settings)
                    if refusal is None:
                        raise
                    return refusal

            return handler

    return EveryFault


def _refusal(body: dict[str, Any], settings: Settings) -> Response | None:
    try:
        _exactly(body, None)
    except ValidationError as broken:
        errors = faulty_fields_of(body, field_errors(broken), settings.policy)
        return problem(422, "faulty_fields", f"{len(errors)} faulty field(s); see errors", errors)
    return None
