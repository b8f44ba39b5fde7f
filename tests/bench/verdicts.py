"""What has to be true after every scenario: speed that loses or doubles an order counts for nothing."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import psycopg

from deploy.demo.invariants import Submitted, check
from deploy.demo.quiet import Quiet
from tests.bench.load.orders import CHANNEL
from tests.bench.load.settings import Mark
from tests.bench.run import Run
from tests.bench.scenarios import Scenario
from tests.bench.systems import System

_MAILS = "mails to send"
"""They are written and not sent on the bench."""

Verdicts = dict[str, dict[str, object]]


@dataclass
class Ledger:
    """What was submitted to a system, over all its scenarios."""

    accepted: dict[tuple[str, str], None] = field(default_factory=dict)

    def add(self, run: Run) -> None:
        """Remember the orders of a run."""
        self.accepted.update(
            dict.fromkeys((CHANNEL, f"{run.name}-{number}") for number in range(run.mark.submitted))
        )

    def judge(self, system: System, scenario: Scenario, mark: Mark) -> Verdicts:
        """Every invariant by its name, once the system is quiet."""
        verdicts: Verdicts = {"every order ended as it should": _ended(mark)}
        if system.name == "baseline":
            return verdicts | self._baseline(system)
        if scenario.stage == "intake":
            return verdicts | self._captured(system)
        url = {
            name: address.replace("postgresql://", "postgresql+psycopg://", 1)
            for name, address in system.databases.items()
        }
        asyncio.run(_quiet(url, system))
        found = check(url, Submitted(accepted=self.accepted))
        return verdicts | {
            name: {"ok": verdict.ok, "detail": verdict.detail} for name, verdict in found.items()
        }

    def _captured(self, system: System) -> Verdicts:
        """Orders alone: each 202 is an order, once."""
        with psycopg.connect(system.admin("orders")) as connection:
            row = connection.execute("SELECT count(*), count(DISTINCT external_id) FROM orders").fetchone()
        assert row is not None
        wanted = len(self.accepted)
        return {
            "captured once": {"ok": row == (wanted, wanted), "detail": f"{row[0]} rows for {wanted} orders"}
        }

    def _baseline(self, system: System) -> Verdicts:
        """Its own books: every order recorded once, every unit held once."""
        with psycopg.connect(system.admin("orders")) as connection:
            orders = connection.execute(
                "SELECT count(*), count(DISTINCT (channel, external_id)), count(shipment_id) FROM orders"
            ).fetchone()
        with psycopg.connect(system.admin("inventory")) as connection:
            units = connection.execute(
                "SELECT (SELECT sum(reserved) FROM stock), (SELECT sum(quantity) FROM reservations)"
            ).fetchone()
        assert orders is not None and units is not None
        wanted = len(self.accepted)
        return {
            "recorded once": {
                "ok": orders == (wanted, wanted, wanted),
                "detail": f"{orders} for {wanted} orders",
            },
            "held once": {
                "ok": units[0] == units[1],
                "detail": f"{units[0]} reserved, {units[1]} in reservations",
            },
        }


async def _quiet(databases: Mapping[str, str], system: System) -> None:
    async with Quiet(databases, system.platform.kafka, system.prefix) as quiet:
        until = time.monotonic() + 600
        while noises := [
            noise for noise in await quiet.noises(aggregates=False) if not noise.endswith(_MAILS)
        ]:
            if time.monotonic() > until:
                raise TimeoutError(f"not at rest after ten minutes: {'; '.join(noises)}")
            await asyncio.sleep(0.2)


def _ended(mark: Mark) -> dict[str, object]:
    fine = mark.unfinished == 0 and mark.unexpected == 0
    return {
        "ok": fine,
        "detail": f"{mark.submitted} submitted, {mark.unfinished} did not end, {mark.unexpected} otherwise",
    }
