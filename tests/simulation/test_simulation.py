"""The short form of `make simulate`: a few thousand histories, and every planted fault."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.simulation.__main__ import Failure, shortest
from tests.simulation.blueprints import silence
from tests.simulation.history import History, Script, script
from tests.simulation.mutants import MUTANTS, seeds_until_found
from tests.simulation.shrink import shrink

ROOT = Path(__file__).parents[2]
SEEDS = 2_500
BOUND = 500
"""Seeds within which every planted fault must be found; most are found within twenty."""


@pytest.mark.timeout(600)
def test_every_invariant_holds_in_a_few_thousand_histories(tmp_path: Path) -> None:
    report = tmp_path / "simulate.json"
    command = [
        sys.executable,
        "-m",
        "tests.simulation",
        "--seeds",
        str(SEEDS),
        "--no-mutants",
        "--report",
        report,
    ]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    result = json.loads(report.read_text())
    assert (result["seeds"], result["failures"]) == (SEEDS, [])
    assert result["histories_per_second"] > 0


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_fault_is_found(name: str) -> None:
    assert seeds_until_found(name, BOUND) is not None


@pytest.mark.parametrize("seed", [3, 15])  # one with events as objects, one with bytes
def test_a_seed_replays_exactly(seed: int) -> None:
    tellings: list[list[str]] = []
    for _ in range(2):
        told: list[str] = []
        with silence():
            History(script(seed), tell=told.append).play()
        tellings.append(told)
    assert tellings[0] == tellings[1]
    assert len(tellings[0]) > 20


def test_bytes_and_objects_make_the_same_history() -> None:
    told: dict[bool, list[str]] = {}
    for wire in (False, True):
        history = History(script(5), tell=(lines := []).append)
        history.world.wire = wire
        with silence():
            assert not history.play().failures
        told[wire] = [line for line in lines if "is on its topic" in line or "hears" in line]
    assert told[False] == told[True]


@pytest.mark.timeout(600)
def test_a_failing_seed_is_told_replays_and_shrinks() -> None:
    name = "stock_forgets_cancellations"
    found = seeds_until_found(name, BOUND)
    assert found is not None
    whole = script(found - 1)
    with MUTANTS[name](), silence():
        failures = History(whole).play().failures
        short = shortest(Failure(whole.seed, failures))
        assert not failures.keys().isdisjoint(History(short).play().failures)
    assert len(short.orders) <= len(whole.orders)
    assert len(short.steps) < len(whole.steps) or len(whole.steps) == 0
    command = Failure(whole.seed, failures, list(short.orders), list(short.steps)).command
    assert command.startswith(f"make simulate SEED={whole.seed}")


def test_shrinking_leaves_only_what_is_needed() -> None:
    def fails(candidate: Script) -> bool:
        return {3, 17} <= set(candidate.steps) and 1 in candidate.orders

    whole = Script(0, (0, 1, 2), tuple(range(30)))
    assert shrink(whole, fails) == replace(whole, orders=(1,), steps=(3, 17))
