"""The warehouse at work: through the work lists and bulk commands of the services, as handheld scanners would."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from deploy.demo.agenda import Agenda
from deploy.demo.book import Book
from deploy.demo.datasets.model import Dice
from deploy.demo.players import Saying
from deploy.demo.players.warehouse import Warehouse
from deploy.demo.services import Http, Unexpected
from deploy.demo.topics import Topics
from shared.contracts.fulfillment import ShipmentCancelled, ShipmentLine
from shared.contracts.returns import ReturnAuthorized
from shared.contracts.warehouses import StockAdjustmentSubmitted

_TOGETHER = 200
_STEPS = (("packed", "dispatch"), ("picked", "pack"), ("created", "pick"))
"""State of the work list and the step that is due; the last station first, so that parcels do not pile up."""
_LOOK_AGAIN = 0.25
"""Seconds between two looks at the lists: a few dozen parcels come together in the meantime."""
_TAKES_TO_RETURN = 0.3
_TRIES = 20


class Hands:
    """Does what `Warehouse` decides."""

    def __init__(
        self,
        book: Book,
        agenda: Agenda,
        http: Http,
        topics: Topics,
        dice: Dice,
        warehouse: Warehouse,
        place_id: str,
    ) -> None:
        """Goods of several parcels that come back together come to `place_id`."""
        self._book = book
        self._agenda = agenda
        self._http = http
        self._topics = topics
        self._dice = dice
        self._warehouse = warehouse
        self._place_id = place_id
        self.idle = False

    async def work(self) -> None:
        """Pick, pack and hand over whatever is on the lists, until cancelled."""
        while True:
            done = 0
            for state, step in _STEPS:
                answer = await self._http.get("fulfillment", "/shipments", state=state, limit=_TOGETHER)
                if not answer.ok:
                    raise Unexpected(f"fulfillment answered {answer.status} to its work list: {answer.body}")
                parcels = answer.body["items"]
                done += len(parcels)
                if parcels:
                    await self._step(step, parcels)
            self.idle = not done
            await asyncio.sleep(_LOOK_AGAIN)

    async def _step(self, step: str, parcels: Sequence[Mapping[str, Any]]) -> None:
        rows = [self._row(step, parcel) for parcel in parcels]
        answer = await self._http.must_post("fulfillment", f"/bulk/{step}", {"shipments": rows})
        for result in answer["results"]:
            if result["status"] == 409 and result.get("code") == "cancelled":
                self._book.told["parcels that were cancelled on the picker's way"] += 1
            elif result["status"] >= 400:
                raise Unexpected(f"fulfillment refused to {step} a parcel of its work list: {result}")

    def _row(self, step: str, parcel: Mapping[str, Any]) -> dict[str, Any]:
        row: dict[str, Any] = {"shipment_id": parcel["shipment_id"]}
        if step != "pick":
            return row
        lines = [
            ShipmentLine(**{name: line[name] for name in ("line_id", "sku", "quantity")})
            for line in parcel["lines"]
        ]
        found = self._warehouse.pick(parcel["shipment_id"], lines)
        if any(found[line.line_id] < line.quantity for line in lines):
            row["lines"] = [{"line_id": line, "picked": units} for line, units in found.items()]
            self._book.told["short picks"] += 1
        counted = self._warehouse.count(parcel["shipment_id"], parcel["place_id"], lines)
        if counted is not None:
            self._agenda.do(self._adjust(counted))
        return row

    async def _adjust(self, adjustment: StockAdjustmentSubmitted) -> None:
        """The books follow the shelf: by the topic, or over HTTP, which says so when it is too early."""
        self._book.told["stock counts"] += 1
        if self._dice.happens("adjust road", adjustment.adjustment_id, 0.5):
            await self._topics.say(Saying(adjustment, adjustment.adjustment_id))
        else:
            await self._adjust_by_http(adjustment)

    async def _adjust_by_http(self, adjustment: StockAdjustmentSubmitted) -> bool:
        body = adjustment.model_dump(mode="json")
        answer = await self._http.post("inventory", "/adjustments", body)
        if not answer.ok and answer.status != 409:
            raise Unexpected(f"inventory answered {answer.status} to a stock count: {answer.body}")
        return answer.ok

    def recount(self, cancelled: ShipmentCancelled) -> None:
        """Somebody looks for units that were not found."""
        adjustments = self._warehouse.recount(cancelled)
        if adjustments:
            self._agenda.do(self._recount(adjustments), after=_TAKES_TO_RETURN)

    async def _recount(self, adjustments: Sequence[StockAdjustmentSubmitted]) -> None:
        """One after the other; inventory may not have heard of the short pick yet."""
        for adjustment in adjustments:
            for _ in range(_TRIES):
                if await self._adjust_by_http(adjustment):
                    self._book.told["stock counts after short picks"] += 1
                    break
                await asyncio.sleep(_TAKES_TO_RETURN)
            else:
                self._book.told["stock counts refused: the units were sold meanwhile"] += 1

    def goods_came_back(self, event: ReturnAuthorized) -> None:
        """A return was authorised: a moment later the box is here."""
        self._agenda.do(self._receive(event), after=_TAKES_TO_RETURN)

    async def _receive(self, event: ReturnAuthorized) -> None:
        received = self._warehouse.receive(event.return_id, event.units)
        path = f"/returns/{event.return_id}"
        if received is None:
            await self._settle(f"{path}/reject", {"reason": "somebody else's goods"})
            return
        fields = {"shipment_id", "line_id", "quantity", "condition", "disposition"}
        body: dict[str, Any] = {
            "units": [units.model_dump(mode="json", include=fields) for units in received.units]
        }
        if len({units.shipment_id for units in event.units}) > 1:
            body["place_id"] = self._place_id
        await self._settle(f"{path}/receive", body)

    async def _settle(self, path: str, body: Mapping[str, Any]) -> None:
        """A parcel that was returned to its sender may be back before returns heard what was in it."""
        while not (answer := await self._http.post("returns", path, body)).ok:
            if answer.status != 409 or answer.body.get("code") != "not_confirmed_yet":
                raise Unexpected(f"returns answered {answer.status} to POST {path}: {answer.body}")
            await asyncio.sleep(_TAKES_TO_RETURN)
