"""The page that documents an API, as a browser sees it that reaches nothing but the service."""

import re

import httpx

from shared.runtime.http import create_app


async def test_the_docs_page_needs_nothing_but_the_service() -> None:
    transport = httpx.ASGITransport(create_app("Orders", "1.0"))
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as browser:
        page = await browser.get("/docs")
        assert page.status_code == 200
        parts = re.findall(r"(?:src|href)=[\"']([^\"']+)", page.text)
        assert len(parts) >= 3, "script, style and icon"
        for part in [*parts, "/openapi.json"]:
            assert part.startswith("/"), f"{part} is somebody else's"
            assert (await browser.get(part)).status_code == 200
        assert (await browser.get("/redoc")).status_code == 404


async def test_the_list_of_addresses_says_what_each_does() -> None:
    app = create_app("Orders", "1.0", "What is ordered.")

    @app.get("/orders/{order_id}")
    async def show(order_id: str) -> str:
        """An order with its timeline: everything that is known of it."""
        return order_id

    document = app.openapi()
    assert document["info"]["description"] == "What is ordered."
    assert document["paths"]["/orders/{order_id}"]["get"]["summary"] == "An order with its timeline"
