"""One run: the scene, the shop, the storm, the books."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from random import Random
from typing import Any

from rich.console import Console

from deploy.demo.invariants import Verdict
from deploy.demo.play import Played
from deploy.demo.quiet import Quiet
from deploy.demo.services import Http
from deploy.demo.setting_up import load
from deploy.local.progress import shown
from tests.chaos import plot, report
from tests.chaos.plan import Plan
from tests.chaos.pulse import OF, WHOLE
from tests.chaos.scene import LOGS, Scene, scene
from tests.chaos.shop import Flow, Shop
from tests.chaos.storm import Storm
from tests.chaos.verdicts import judge

_PATIENCE = 600.0
"""Seconds for which other systems ask a service that does not answer."""
_ANSWER_SECONDS = 10.0
_STANDSTILL = 150.0
_SAY_EVERY = 10.0
_LOOK_AGAIN = 0.25
_USUALLY_OPEN = 8.0
"""Seconds of orders that are open at the same time when nothing piles up: payers, parcels and scans take their time."""
_LOOKS = 8
"""Seconds without fewer open orders after which this is how many there are."""
_SHARE = 0.5
"""Of the most that this machine does, how much is ordered."""
_AGREE = 0.3
"""Share by which two looks at a rate may differ."""
_FEWEST = 2.0
"""Orders per second at least; fewer say nothing about rates."""


@dataclass
class Run:
    """A run and what it writes."""

    seed: int
    plan: Plan
    console: Console
    disk: bool

    async def perform(self) -> dict[str, Any]:
        """Play it, judge it, write report and plot; returns the report."""
        chance = Random(self.seed)
        with shown(self.console) as progress:
            setting = scene(progress, chance, disk=self.disk)
            scenery = await setting.__aenter__()
        try:
            return await self._play(scenery, chance)
        finally:
            await setting.__aexit__(None, None, None)

    async def _play(self, scenery: Scene, chance: Random) -> dict[str, Any]:
        flow = Flow(self.seed)
        urls: dict[str, list[str]] = {}
        for member in scenery.fleet.members:
            urls.setdefault(member.service, []).append(member.url)
        http = Http(urls, patience=_PATIENCE, seconds=_ANSWER_SECONDS)
        quiet = Quiet(scenery.databases, scenery.platform.kafka, scenery.prefix)
        storm = Storm(scenery, self.plan, chance, self._say)
        async with http, quiet:
            with shown(self.console) as progress:
                await load(flow, http, progress)
            shop = Shop(
                flow,
                http,
                scenery.platform.kafka,
                scenery.prefix,
                self.seed,
                quiet,
                scenery.pulse,
                _STANDSTILL,
            )
            scenery.listeners.append(shop.topics.heard_up_to)
            began = time.monotonic()
            played, error = await self._until_quiet(scenery, shop, flow, storm)
            return await self._judge(scenery, shop, storm, played, error, time.monotonic() - began)

    async def _until_quiet(
        self, scenery: Scene, shop: Shop, flow: Flow, storm: Storm
    ) -> tuple[Played | None, str | None]:
        """Order, strike, stop ordering, wait until nothing moves; what went wrong instead."""
        scenery.pulse.began = time.monotonic()
        playing = asyncio.create_task(shop.run(self._display(shop, storm)))
        tapping = asyncio.create_task(scenery.tap.listen())
        storming = asyncio.create_task(self._storm(shop, storm))
        try:
            await asyncio.wait((playing, tapping, storming), return_when=asyncio.FIRST_COMPLETED)
            for task in (playing, tapping):
                if task.done():
                    task.result()
            await storming
            flow.enough = True
            self._say("faults are over; waiting until everything is quiet")
            played = await playing
            while await scenery.tap.behind():
                await asyncio.sleep(_LOOK_AGAIN)
            return played, None
        except Exception as error:
            self._say(f"[red]{type(error).__name__}:[/] {error}")
            return None, f"{type(error).__name__}: {error}"
        finally:
            for task in (storming, playing, tapping):
                task.cancel()
            await asyncio.gather(storming, playing, tapping, return_exceptions=True)

    async def _storm(self, shop: Shop, storm: Storm) -> None:
        """Find the rate, see what is usual at it, and let the storm loose."""
        pulse = storm.pulse
        most = await self._most(storm)
        shop.paced.rate = rate = max(_FEWEST, most * _SHARE)
        self._say(f"at most {most:.1f} parcels/s on this machine now; {rate:.1f} orders/s from here on")
        await self._settled(shop, rate)
        await asyncio.sleep(self.plan.calm)
        pulse.at_rate(rate, len(shop.book.accepted) - shop.book.open)
        usual = ", ".join(f"{pulse.usual.get(topic, 0):.1f} {topic}" for topic in OF.values())
        self._say(f"usual per second: {usual}")
        await storm.run()

    async def _most(self, storm: Storm) -> float:
        """Parcels per second when everybody goes as fast as they can: once two looks after each other agree."""
        pulse, before, most = storm.pulse, 0.0, 0.0
        for _ in range(self.plan.warm_ups):
            since, before = pulse.now, most
            await asyncio.sleep(self.plan.warm_up)
            most = pulse.count(WHOLE, since, pulse.now) / (pulse.now - since)
            if before and abs(most - before) < _AGREE * most:
                break
        return (most + before) / 2

    async def _settled(self, shop: Shop, rate: float) -> None:
        """Until what came together while everybody went as fast as possible is done."""
        fewest, looks = shop.book.open, 0
        while shop.book.open > rate * _USUALLY_OPEN and looks < _LOOKS:
            await asyncio.sleep(1.0)
            looks = 0 if shop.book.open < fewest else looks + 1
            fewest = min(fewest, shop.book.open)

    async def _display(self, shop: Shop, storm: Storm) -> None:
        while True:
            await asyncio.sleep(_SAY_EVERY)
            pulse, book = storm.pulse, shop.book
            rate = pulse.count(WHOLE, pulse.now - _SAY_EVERY, pulse.now) / _SAY_EVERY
            at_work = ", ".join(storm.under_way) or "none"
            self._say(
                f"{pulse.now:6.0f} s  {book.submitted:,} submitted, {len(book.accepted):,} accepted,"
                f" {book.open:,} open, {rate:.1f} parcels/s; {len(storm.strikes)} faults so far, at work: {at_work}"
                + ("; still: " + "; ".join(shop.noises) if shop.noises else "")
            )

    async def _judge(
        self,
        scenery: Scene,
        shop: Shop,
        storm: Storm,
        played: Played | None,
        error: str | None,
        seconds: float,
    ) -> dict[str, Any]:
        await asyncio.to_thread(scenery.platform.start_postgres)
        play = played or Played(shop.book, shop.payments, seconds)
        submitted = replace(play.submitted(scenery.mailbox.distinct()), planted=dict(scenery.tap.parked()))
        judged = await asyncio.to_thread(judge, scenery, storm, submitted)
        book = shop.book
        found = {
            "seed": self.seed,
            "seconds": round(seconds, 1),
            "orders_per_second": round(shop.paced.rate or 0.0, 2),
            "orders": {
                "submitted": book.submitted,
                "accepted": len(book.accepted),
                "refused": len(book.refused),
                "unanswered": book.told["orders whose answer was lost and not asked for again"],
                "lost": judged.lost,
                "doubled": judged.doubled,
            },
            "faults": report.of_faults(storm),
            "copies": {"sent_on_purpose": scenery.tap.copied, "heard_by_others": shop.copies},
            "inbox_duplicates": scenery.fleet.dropped,
            "parked": judged.parked,
            "invariants": {name: _as_json(verdict) for name, verdict in judged.verdicts.items()},
            "error": error,
            "platform": scenery.platform.versions,
            "strikes": [asdict(strike) for strike in storm.strikes],
        }
        report.write(found, LOGS.with_suffix(".json"))
        plot.draw(scenery.pulse, storm.strikes, LOGS.with_suffix(".png"))
        return found

    @property
    def _say(self) -> Callable[[str], None]:
        return lambda text: self.console.print(text, highlight=False, soft_wrap=True)


def _as_json(verdict: Verdict) -> dict[str, Any]:
    return {"ok": verdict.ok, "detail": verdict.detail}
