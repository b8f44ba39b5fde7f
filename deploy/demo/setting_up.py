"""Catalogue, places and stock, loaded over inventory's bulk API."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from deploy.demo.datasets.model import Dataset, Product, Stock
from deploy.demo.services import Http, Unexpected
from deploy.local.progress import Report

T = TypeVar("T")
_TOGETHER = 1_000


async def load(dataset: Dataset, http: Http, report: Report) -> dict[str, int]:
    """Tell inventory what there is; returns how much of each. Raises Unexpected if it does not take it."""
    counts = {"places": 0, "articles": 0, "units": 0}
    with report.step("loading places, articles and stock"):
        for places in _pages(dataset.places()):
            await _put(
                http, "/bulk/places", [place.model_dump(mode="json", exclude_none=True) for place in places]
            )
            counts["places"] += len(places)
        for products in _pages(dataset.products()):
            await _put(http, "/bulk/skus", [_sku(product) for product in products])
            counts["articles"] += len(products)
        for stock in _pages(dataset.stock()):
            await _put(http, "/bulk/adjustments", [_adjustment(entry) for entry in stock])
            counts["units"] += sum(entry.quantity for entry in stock)
    return counts


async def _put(http: Http, path: str, rows: Sequence[Mapping[str, Any]]) -> None:
    answer = await http.must_post("inventory", path, {"rows": rows})
    if answer["refused"]:
        refused = next(result for result in answer["results"] if result["status"] == "refused")
        raise Unexpected(f"inventory refused {answer['refused']} of {len(rows)} rows of {path}: {refused}")


def _pages(things: Iterable[T]) -> Iterator[Sequence[T]]:
    source = iter(things)
    while page := list(islice(source, _TOGETHER)):
        yield page


def _sku(product: Product) -> Mapping[str, Any]:
    row: dict[str, Any] = {"sku": product.sku, "title": product.title}
    if product.weight_g is not None:
        row["weight_g"] = product.weight_g
    if product.size_mm is not None:
        length, width, height = product.size_mm
        row["size"] = {"length_mm": length, "width_mm": width, "height_mm": height}
    return row


def _adjustment(stock: Stock) -> Mapping[str, Any]:
    return {
        "adjustment_id": f"opening-{stock.place_id}-{stock.sku}"[:64],
        "sku": stock.sku,
        "place_id": stock.place_id,
        "counter": "on_hand",
        "delta": stock.quantity,
        "reason": "received",
        "note": "opening stock",
    }
