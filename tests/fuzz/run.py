"""One run: every kind of input in its share, then what no input may have done."""

import asyncio
from collections.abc import Callable

from services.inventory.jobs import audit
from tests.fuzz.files import fuzz_files
from tests.fuzz.http import fuzz_http
from tests.fuzz.paper import fuzz_labels, fuzz_mails
from tests.fuzz.report import Report
from tests.fuzz.suite import MARK, SERVICES, Suite
from tests.fuzz.topics import fuzz_topics
from tests.harness.service import until

SHORT = 2_000
LONG = 101_000  # Some three of a thousand are not counted: no client would send them.
SHARES = {"topics": 0.60, "http": 0.22, "files": 0.08, "mails": 0.07, "labels": 0.03}
"""How the inputs are divided: most goes where one bad message could stop all that stand behind it."""
_DISK_PER_INPUT = 20_000


async def attack(suite: Suite, report: Report, inputs: int, progress: Callable[[str, int], None]) -> None:
    """Try so many inputs and write down what was wrong."""
    await suite.settle(report)
    await until(suite.bystander_told, "the order that nobody speaks of comes to rest")
    before, size = await suite.snapshot(), await suite.bytes_stored()

    def part(kind: str) -> tuple[int, Callable[[int], None]]:
        return int(inputs * SHARES[kind]), lambda count: progress(kind, count)

    await asyncio.to_thread(fuzz_mails, report, report.seed, *part("mails"))
    await fuzz_labels(report, report.seed, *part("labels"))
    await fuzz_topics(suite, report, report.seed, *part("topics"))
    await fuzz_files(suite, report, report.seed, *part("files"))
    asked, step = part("http")
    for name in SERVICES:
        base = str(suite.services[name].http.base_url)
        await asyncio.to_thread(fuzz_http, name, base, suite.known, report, asked // len(SERVICES), step)
    await suite.settle(report)
    await _nothing_happened(suite, report, before)
    grown = await suite.bytes_stored() - size
    report.notes["bytes_stored"] = grown
    most = 100_000_000 + report.inputs * _DISK_PER_INPUT
    report.check("disk", grown <= most, f"databases grew by more than {most} bytes", str(grown))


async def _nothing_happened(suite: Suite, report: Report, before: dict[str, list[str]]) -> None:
    after = await suite.snapshot()
    for table, rows in before.items():
        report.check(
            "bystander", rows == after[table], f"{table} of an order nobody spoke of changed", after[table]
        )
    traces = await suite.traces()
    for name in sorted(suite.bad & traces.keys()):
        report.found("trace", f"an input that cannot be read left rows in {sorted(traces[name])}", name)
    for kept in suite.mailbox.messages():
        named = suite.bad & set(MARK.findall(kept.recipient))
        report.check("mail", not named, "a mail for an input that cannot be read", kept.recipient)
    drift = await audit(suite.services["inventory"].service)
    report.check("stock", not drift, "counters and ledger differ", drift)
