"""docs/reliability.md names tests that exist."""

import ast
import re

import pytest

from deploy.local.settings import ROOT

TEXT = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
PROMISES = TEXT.split("\n\n## ")[0]
TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")


def test_every_promise_names_its_test() -> None:
    rows = [line for line in PROMISES.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == len(TEST.findall(PROMISES)) > 20


@pytest.mark.parametrize(("file", "name"), TEST.findall(TEXT))
def test_the_test_that_is_named_exists(file: str, name: str) -> None:
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    functions = {
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert name in functions, f"docs/reliability.md names {name}, which tests/{file} has not"
