"""Rules about the code itself: who imports whom, who reads the environment, how long a file may be."""

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from shared.contracts.registry import MODELS, OWNERS
from shared.runtime.settings import ServiceSettings

ROOT = Path(__file__).parents[2]
SERVICES = ("orders", "inventory", "fulfillment", "returns", "notifications")
SOURCES = sorted(
    path
    for folder in ("services", "shared", "deploy")
    for path in (ROOT / folder).rglob("*.py")
    if "migrations" not in path.parts
)
LONGEST_FILE = 400
# Each with the reason why it is longer than a screen or four.
LONGER_FILES = {
    "shared/runtime/service.py": "the life of a process in the order in which it happens",
    "shared/telemetry/tracing.py": "the only file that knows the OpenTelemetry SDK",
}


def test_imports_follow_the_house_rules() -> None:
    linter = Path(sys.executable).parent / "lint-imports"
    result = subprocess.run([str(linter)], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_environment_is_read_in_settings_only(path: Path) -> None:
    if path.name == "settings.py":
        return
    reads = re.findall(r"os\.environ\b(?!\s*\|)|os\.getenv|getenv\(", path.read_text())
    allowed = path.is_relative_to(ROOT / "deploy")  # It starts other processes and passes the environment on.
    assert allowed or not reads


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short_and_documented(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    text = path.read_text()
    assert len(text.splitlines()) <= LONGEST_FILE or name in LONGER_FILES, (
        f"{name} is too long to be read at once"
    )
    tree = ast.parse(text)
    if text.strip():
        assert ast.get_docstring(tree), f"{name} does not say what it is for"
    for node in tree.body:
        if isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        ) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{name}: {node.name} has no docstring"


def test_every_topic_is_in_the_list_with_its_owner_and_key() -> None:
    listed = {
        entry["name"]: entry for entry in yaml.safe_load((ROOT / "deploy/topics.yaml").read_text())["topics"]
    }
    assert set(listed) == set(OWNERS)
    for topic, owner in OWNERS.items():
        assert listed[topic]["owner"] == owner
    by_order = {entry["partitions"] for entry in listed.values() if entry["key"] == "order_id"}
    assert len(by_order) == 1, (
        "topics keyed by order share a partition count, so that an order meets in one process"
    )


@pytest.mark.parametrize("service", SERVICES)
def test_readers_in_the_list_are_the_routes(service: str) -> None:
    listed = {
        entry["name"]: entry for entry in yaml.safe_load((ROOT / "deploy/topics.yaml").read_text())["topics"]
    }
    routes = import_module(f"services.{service}.handlers").ROUTES
    heard = {model.topic for route in routes for model in route.events}
    assert heard == {name for name, entry in listed.items() if service in entry["readers"]}


@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_says_what_it_is_for(service: str) -> None:
    settings: type[ServiceSettings] = import_module(f"services.{service}.settings").Settings
    undocumented = [name for name, field in settings.model_fields.items() if not field.description]
    assert not undocumented
    assert settings.model_config.get("env_prefix") == f"OMS_{service.upper()}_"


@pytest.mark.parametrize("service", SERVICES)
def test_services_have_the_same_rooms(service: str) -> None:
    folder = ROOT / "services" / service
    rooms = (
        "README.md",
        "__main__.py",
        "app.py",
        "settings.py",
        "jobs.py",
        "domain",
        "handlers",
        "store/tables.py",
    )
    assert [room for room in rooms if not (folder / room).exists()] == []
    assert (folder / "api.py").exists() or (folder / "api").is_dir(), (
        "a large API may be a folder of the same name"
    )


def test_topics_are_named_noun_past_verb() -> None:
    assert [
        model.topic for model in MODELS.values() if not re.fullmatch(r"[a-z]+\.[a-z_]+", model.topic)
    ] == []


def test_every_metric_that_is_declared_is_set_somewhere() -> None:
    """A metric nobody sets is a dashboard panel that shows nothing and an alert that never fires."""
    declaring = ROOT / "shared/telemetry/metrics.py"
    declared = re.findall(r"self\.(\w+) = self\.(?:counter|gauge|histogram)\(", declaring.read_text())
    code = "".join(path.read_text() for path in SOURCES if path != declaring)
    assert len(declared) > 20
    assert not [name for name in declared if not re.search(rf"metrics\.{name}\b", code)]
