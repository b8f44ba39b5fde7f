"""The service processes and their supervisor: whoever ends is started again, as Kubernetes would, and noted."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import httpx

from deploy.local import PlatformError, ports
from deploy.local.services import Services
from deploy.local.settings import ROOT, SERVICES
from tests.chaos.process import Control, Surroundings

_PAUSE = 0.2
"""Seconds before an ended process is started again."""
_LOOK_AGAIN = 0.1
_PROBE_EVERY = 5.0
_PROBE_PATIENCE = 5.0
_PROBES = 3
"""Liveness probes that may fail in a row before a supervisor would restart the process."""
_START_PATIENCE = 180.0
_STOP_PATIENCE = 60.0


class NoneFree(Exception):
    """No process is there that this fault could strike now."""


@dataclass
class Member:
    """One process of a service, through all its lives."""

    service: str
    number: int
    port: int
    control: Path
    log: Path
    process: asyncio.subprocess.Process | None = None
    lives: int = 0
    held: bool = False
    """A fault is at work on it."""
    doomed: bool = False
    """Its end is wanted."""
    frozen: bool = False
    answers: bool = False
    """It has answered a liveness probe in this life: before that it is starting, and nobody would end it."""
    probes_failed: int = 0
    duplicates: float = 0.0
    """Copies its inbox dropped in this life, as last seen."""

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.service}-{self.number}"

    @property
    def url(self) -> str:
        """Where it answers HTTP."""
        return f"http://{ports.HOST}:{self.port}"

    def tell(self, control: Control | None) -> None:
        """Write its control file, or remove it."""
        if control is None:
            self.control.unlink(missing_ok=True)
            return
        draft = self.control.with_suffix(".new")
        draft.write_text(control.model_dump_json())
        draft.replace(self.control)

    def signal(self, number: signal.Signals) -> None:
        """Signal the process, if it lives."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)


@dataclass
class Fleet:
    """All processes. `copies` says of which services there are how many."""

    services: Services
    folder: Path
    kafka_port: int
    proxied_kafka: int
    copies: Mapping[str, int]
    members: list[Member] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)
    """Processes that ended although nobody wanted them to, and those that a liveness probe would have ended."""
    unclean: list[str] = field(default_factory=list)
    """Processes that were asked to end and did not do so in order."""
    duplicates: float = 0.0
    """Copies that the inboxes of ended lives dropped, as last seen."""
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _stopping: bool = False

    async def start(self) -> None:
        """Migrate, start everything and wait until it is ready."""
        await asyncio.to_thread(self.services.migrate)
        taken: list[int] = []
        for service in SERVICES:
            for number in range(self.copies.get(service, 1)):
                port = ports.choose(None, taken)
                taken.append(port)
                name = f"{service}-{number}"
                control, log = self.folder / f"{name}.json", self.folder / f"{name}.log"
                control.unlink(missing_ok=True)
                log.unlink(missing_ok=True)
                self.members.append(Member(service, number, port, control, log))
        self._tasks = [asyncio.create_task(self._keep(member)) for member in self.members]
        await self.ready(_START_PATIENCE)
        self._tasks.append(asyncio.create_task(self._probe()))

    async def ready(self, patience: float) -> None:
        """Wait until every process says that it is ready. Raises PlatformError naming the one that is not."""
        async with httpx.AsyncClient(timeout=5) as http:
            for member in self.members:
                await self.ready_again(member, patience, http)

    async def ready_again(
        self, member: Member, patience: float = _START_PATIENCE, http: httpx.AsyncClient | None = None
    ) -> None:
        """Wait until this process says that it is ready."""
        if http is None:
            async with httpx.AsyncClient(timeout=5) as own:
                await self.ready_again(member, patience, own)
            return
        try:
            async with asyncio.timeout(patience):
                while not await _answers(http, f"{member.url}/ready"):
                    await asyncio.sleep(_LOOK_AGAIN)
        except TimeoutError:
            raise PlatformError(
                f"{member.name} is not ready after {patience:.0f} s", f"read {member.log}"
            ) from None

    async def _keep(self, member: Member) -> None:
        """Its lives, one after the other."""
        surroundings = Surroundings(control=member.control, ports={self.kafka_port: self.proxied_kafka})
        environment = os.environ | self.services.environment(member.service, member.port)
        while not self._stopping:
            member.doomed = member.frozen = member.answers = False
            member.duplicates, member.probes_failed = 0.0, 0
            with member.log.open("ab") as log:
                member.process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "tests.chaos.process", member.service, surroundings.model_dump_json(),
                    cwd=ROOT, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True,
                )  # fmt: skip
            member.lives += 1
            code = await member.process.wait()
            self.duplicates += member.duplicates
            if not member.doomed and not self._stopping:
                self.unasked.append(f"{member.name} ended by itself with {code}: {_last_words(member.log)}")
            await asyncio.sleep(_PAUSE)

    async def _probe(self) -> None:
        """Liveness as Kubernetes asks for it, and the counters that die with a process."""
        async with httpx.AsyncClient(timeout=_PROBE_PATIENCE) as http:
            while True:
                await asyncio.sleep(_PROBE_EVERY)
                await asyncio.gather(*(self._look_at(member, http) for member in self.members))

    async def _look_at(self, member: Member, http: httpx.AsyncClient) -> None:
        life = member.lives
        text = await _text(http, f"{member.url}/metrics")
        alive = bool(text) or await _answers(http, f"{member.url}/health")
        if member.lives != life or member.frozen or member.doomed:
            return
        if text:
            found = re.search(r"^oms_inbox_duplicates_total(?:\{.*\})? (\S+)", text, re.MULTILINE)
            member.duplicates = float(found[1]) if found else member.duplicates
        member.answers |= alive
        member.probes_failed = 0 if alive or member.held or not member.answers else member.probes_failed + 1
        if member.probes_failed == _PROBES:
            self.unasked.append(f"{member.name} did not answer {_PROBES} liveness probes")

    @property
    def dropped(self) -> int:
        """Copies that inboxes dropped, as far as they were seen before processes died."""
        return int(self.duplicates + sum(member.duplicates for member in self.members))

    # --- What faults do ---------------------------------------------------------------------------------

    @contextmanager
    def hold(self, chance: Random, services: Mapping[str, int] | None = None) -> Iterator[Member]:
        """One process for a fault to work on, no other at the same time; of these services if given."""
        free = [m for m in self.members if not m.held and (services is None or m.service in services)]
        if not free:
            raise NoneFree
        with self.take(chance.choice(free)) as member:
            yield member

    @contextmanager
    def take(self, member: Member) -> Iterator[Member]:
        """This process, if no other fault has it."""
        if member.held:
            raise NoneFree
        member.held = True
        try:
            yield member
        finally:
            member.held = False

    def pairs(self) -> dict[str, int]:
        """Services with more than one process."""
        return {service: count for service, count in self.copies.items() if count > 1}

    def kill(self, member: Member) -> None:
        """As a power cut would."""
        member.doomed = True
        member.signal(signal.SIGKILL)

    async def restart(self, member: Member) -> None:
        """SIGTERM, and wait until it is back."""
        life, process = member.lives, member.process
        assert process is not None
        member.doomed = True
        member.signal(signal.SIGTERM)
        try:
            code = await asyncio.wait_for(process.wait(), _STOP_PATIENCE)
        except TimeoutError:
            self.unclean.append(f"{member.name} did not end within {_STOP_PATIENCE:.0f} s of SIGTERM")
            member.signal(signal.SIGKILL)
            await process.wait()
        else:
            if code != 0:
                self.unclean.append(
                    f"{member.name} ended with {code} after SIGTERM: {_last_words(member.log)}"
                )
        while member.lives == life:
            await asyncio.sleep(_LOOK_AGAIN)
        await self.ready_again(member)

    async def dies(self, member: Member, control: Control, patience: float) -> bool:
        """Arm a kill point and wait until it was reached and the next life began; False if it never was."""
        life = member.lives
        member.doomed = True
        member.tell(control)
        try:
            async with asyncio.timeout(patience):
                while (
                    member.process is not None and member.lives == life and member.process.returncode is None
                ):
                    await asyncio.sleep(0.02)
                return True
        except TimeoutError:
            member.doomed = False
            return False
        finally:
            member.tell(None)

    async def leader(self, service: str) -> Member | None:
        """The process that leads the service's relay."""
        async with httpx.AsyncClient(timeout=2) as http:
            for member in self.members:
                if member.service == service:
                    text = await _text(http, f"{member.url}/metrics")
                    if re.search(r"^oms_outbox_leader\{.*\} 1", text, re.MULTILINE):
                        return member
        return None

    async def stop(self) -> None:
        """End everything; kills what does not end."""
        self._stopping = True
        for member in self.members:
            member.signal(signal.SIGCONT)
            member.signal(signal.SIGTERM)
        _, slow = await asyncio.wait(self._tasks[: len(self.members)], timeout=30)
        for member in self.members:
            member.signal(signal.SIGKILL)
        await asyncio.gather(*slow, return_exceptions=True)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _answers(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(url)).status_code == 200
    except httpx.HTTPError:
        return False


async def _text(http: httpx.AsyncClient, url: str) -> str:
    try:
        return (await http.get(url)).text
    except httpx.HTTPError:
        return ""


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"
