"""One running service per module, on the module's own topics; the tests play everybody else."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from deploy.local import Platform
from shared.contracts.channels import OrderSubmitted
from shared.contracts.orders import OrderConfirmed
from tests.component.orders import world as say
from tests.harness.service import Running, Wire, running, until, wire


@dataclass
class World:
    """The service, the topics, and shortcuts to where a test wants an order to be."""

    service: Running
    topics: Wire

    async def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        """A request; header names with underscores for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.service.http.post(path, json=body, headers=named)

    async def place(self, submitted: OrderSubmitted | None = None) -> str:
        """The id of a new order."""
        answer = await self.post("/orders", say.body(submitted or say.order()))
        assert answer.status_code == 202, answer.text
        return str(answer.json()["order_id"])

    async def confirm(self, places: dict[str, dict[str, int]] | None = None) -> str:
        """The id of an order that is reserved, authorised and confirmed."""
        order_id = await self.place()
        await self.topics.say(say.reserved(order_id, places))
        await self.topics.say(say.authorized(order_id))
        await self.topics.expect(OrderConfirmed, lambda event: event.order_id == order_id)
        return order_id

    async def show(self, order_id: str) -> dict[str, Any]:
        """The order as people see it."""
        answer = await self.service.http.get(f"/orders/{order_id}")
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    async def until_state(self, order_id: str, state: str) -> dict[str, Any]:
        """The order, once it is in this state."""

        async def there() -> dict[str, Any] | None:
            shown = await self.show(order_id)
            return shown if shown["state"] == state else None

        shown: dict[str, Any] = await until(there, f"{order_id} is {state}")
        return shown

    async def until_flagged(self, order_id: str, kind: str) -> dict[str, Any]:
        """The open matter of this kind, once it was put before people."""

        async def there() -> dict[str, Any] | None:
            found = [one for one in (await self.show(order_id))["attention"] if one["kind"] == kind]
            return found[-1] if found else None

        item: dict[str, Any] = await until(there, f"{order_id} is flagged {kind}")
        return item

    def about(self, order_id: str) -> Any:
        """Filter for events of one order."""
        return lambda event: event.order_id == order_id


@pytest.fixture(scope="module")
async def world(platform: Platform, topic_prefix: str) -> AsyncIterator[World]:
    """The service and the topics."""
    async with (
        running(platform, "orders", prefix=topic_prefix, deadline_poll_seconds=0.2) as service,
        wire(platform, topic_prefix) as topics,
    ):
        yield World(service, topics)
