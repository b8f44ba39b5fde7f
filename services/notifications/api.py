"""The HTTP API: what people were told, how it looks, and telling them again."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from services.notifications.domain.delivery import Delivery, State
from services.notifications.domain.mail import Rendered
from services.notifications.handlers.resend_delivery import ResendDelivery, resend_delivery
from services.notifications.ports import Ports, Unrenderable
from services.notifications.settings import Settings
from services.notifications.store import Store
from shared.contracts.envelope import Locale
from shared.runtime.http import Context, respond
from shared.runtime.service import Service

_CONTAINED = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
"""A preview shows what customers wrote; a browser runs and loads nothing of it."""


class Summary(BaseModel):
    """A delivery without its content."""

    delivery_id: str
    order_id: str
    template: str
    cause: str = Field(description="what it is about: an order, parcel, return or refund request")
    recipient: str = Field(description="empty while nobody is known to be told")
    state: State
    reason: str | None = Field(description="the last answer that was not a yes")
    attempts: int
    sending: int = Field(description="how often it was wanted: 1, and one more for each resend")
    message_id: str
    created_at: datetime
    due_at: datetime | None = Field(description="when it is tried next")
    sent_at: datetime | None


class Page(BaseModel):
    """Some deliveries, newest first."""

    items: list[Summary]
    next: str | None = Field(description="`after` of the next page; none on the last")


class Content(BaseModel):
    """What a person reads."""

    language: str
    subject: str
    text: str
    html: str


class Detail(Summary):
    """A delivery with its content as the templates are today."""

    content: Content | None = Field(
        description="none while the contact is not known, or if it cannot be rendered"
    )


class Queued(BaseModel):
    """It will be sent."""

    delivery_id: str
    state: State
    sending: int


class Template(BaseModel):
    """A template and the languages it exists in."""

    template: str
    languages: list[str]


def create_router(service: Service[Store, Settings]) -> APIRouter:
    """The routes of this service."""
    router = APIRouter(tags=["notifications"])
    ports: Ports = service.ports
    domain = service.settings.sender.rpartition("@")[2]

    @router.get("/deliveries")
    async def list_deliveries(
        order_id: Annotated[str | None, Query(max_length=64)] = None,
        state: State | None = None,
        template: Annotated[str | None, Query(max_length=40)] = None,
        limit: Annotated[int, Query(ge=1, le=service.settings.max_page)] = 50,
        after: Annotated[str | None, Query(max_length=64, description="`next` of the page before")] = None,
    ) -> Page:
        """Deliveries, newest first."""
        async with service.read() as store:
            found = await store.deliveries.page(
                order_id=order_id, state=state, template=template, after=after, limit=limit + 1
            )
        items = [Summary(**_summary(delivery, domain)) for delivery in found[:limit]]
        return Page(items=items, next=items[-1].delivery_id if len(found) > limit else None)

    @router.get("/deliveries/{delivery_id}")
    async def get_delivery(delivery_id: str) -> Detail:
        """One delivery and its content."""
        delivery, content = await _rendered(service, delivery_id)
        return Detail(**_summary(delivery, domain), content=_content(content) if content else None)

    @router.get("/deliveries/{delivery_id}/html", response_class=HTMLResponse)
    async def show_delivery(delivery_id: str) -> Response:
        """The mail as a page to look at."""
        _, content = await _rendered(service, delivery_id)
        if content is None:
            raise HTTPException(404, "This delivery has no content yet.")
        return HTMLResponse(content.html, headers=_CONTAINED)

    @router.post("/deliveries/{delivery_id}/resend", status_code=202, response_model=Queued)
    async def resend(delivery_id: str, request: Context) -> Response:
        """Send a delivery again that was sent or has failed, as a mail of its own."""
        return respond(await service.command(resend_delivery, ResendDelivery(delivery_id), request=request))

    @router.get("/templates")
    async def list_templates() -> list[Template]:
        """All templates."""
        return [
            Template(template=name, languages=list(tongues))
            for name, tongues in ports.renderer.languages.items()
        ]

    @router.get("/templates/{template}/preview")
    async def preview(template: str, locale: Locale = "en") -> Content:
        """A template filled in with example data."""
        return _content(_sample(ports, template, locale))

    @router.get("/templates/{template}/preview/html", response_class=HTMLResponse)
    async def show_preview(template: str, locale: Locale = "en") -> Response:
        """The same as a page to look at."""
        return HTMLResponse(_sample(ports, template, locale).html, headers=_CONTAINED)

    return router


def _summary(delivery: Delivery, domain: str) -> dict[str, Any]:
    names = (
        "delivery_id", "order_id", "template", "cause", "recipient", "state", "reason", "attempts", "sending",
        "created_at", "sent_at",
    )  # fmt: skip
    due_at = delivery.due_at if delivery.state is State.QUEUED else None
    return {name: getattr(delivery, name) for name in names} | {
        "due_at": due_at,
        "message_id": delivery.message_id(domain),
    }


async def _rendered(service: Service[Store, Settings], delivery_id: str) -> tuple[Delivery, Rendered | None]:
    async with service.read() as store:
        delivery = await store.deliveries.find(delivery_id)
        if delivery is None:
            raise HTTPException(404, "There is no such delivery.")
        contact = (await store.contacts.find([delivery.order_id])).get(delivery.order_id)
    if contact is None or not contact.known:
        return delivery, None
    ports: Ports = service.ports
    try:
        return delivery, ports.renderer.render(delivery.template, contact, delivery.data)
    except Unrenderable:
        return delivery, None


def _sample(ports: Ports, template: str, locale: str) -> Rendered:
    try:
        return ports.renderer.sample(template, locale)
    except KeyError:
        raise HTTPException(404, f"There is no template {template}; see GET /templates.") from None


def _content(rendered: Rendered) -> Content:
    return Content(
        language=rendered.language, subject=rendered.subject, text=rendered.text, html=rendered.html
    )
