"""What PostgreSQL will do for a statement: asked with the values it came with and, where it is prepared, without."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from tests.component.guards.counting import Sent

Node = Mapping[str, Any]
_PLACEHOLDER = re.compile(r"%(?:\((?P<name>\w+)\))?[sbt]")


@dataclass(frozen=True)
class Plan:
    """How a statement is carried out; `pages` were touched if it was really carried out."""

    sent: Sent
    kind: str
    root: Node
    pages: int = 0

    @property
    def nodes(self) -> Iterator[Node]:
        """All of it, from the top."""
        waiting = [self.root]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += node.get("Plans", ())

    @property
    def scanned(self) -> set[str]:
        """Tables that are read from end to end."""
        return {node["Relation Name"] for node in self.nodes if node["Node Type"] == "Seq Scan"}

    @property
    def walked(self) -> set[str]:
        """Tables that are read in the order of an index without a place to begin: whole unless a limit ends it."""
        whole = (
            node for node in self.nodes if node["Node Type"].startswith("Index") and "Index Cond" not in node
        )
        return {node["Relation Name"] for node in whole}

    @property
    def indexes(self) -> set[str]:
        """Indexes that rows are found by."""
        return {node["Index Name"] for node in self.nodes if "Index Name" in node}


def explainable(sent: Sent) -> bool:
    """Whether it has a plan: BEGIN and SET have none."""
    return sent.text.lstrip().upper().startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH"))


def plans(connection: psycopg.Connection[Any], sent: Sent) -> Iterator[Plan]:
    """The plan for its values, and the plan for any values if the statement is prepared."""
    if not explainable(sent):
        return
    yield Plan(
        sent,
        "for its values",
        _root(connection, f"EXPLAIN (FORMAT JSON) {sent.text}", sent.parameters)["Plan"],
    )
    if not sent.prepared:
        return
    text, count = _numbered(sent.text)
    connection.execute("SET plan_cache_mode = force_generic_plan")
    connection.execute(f"PREPARE asked AS {text}".encode())
    values = f"({', '.join(['NULL'] * count)})" if count else ""
    yield Plan(
        sent,
        "for any values",
        _root(connection, f"EXPLAIN (FORMAT JSON) EXECUTE asked{values}", None)["Plan"],
    )
    connection.execute("DEALLOCATE asked")
    connection.execute("RESET plan_cache_mode")


def carried_out(connection: psycopg.Connection[Any], sent: Sent) -> Plan:
    """The same for a statement that is really carried out; it is taken back."""
    with connection.transaction(force_rollback=True):
        found = _root(
            connection, f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {sent.text}", sent.parameters
        )
    root = found["Plan"]
    return Plan(sent, "carried out", root, root["Shared Hit Blocks"] + root["Shared Read Blocks"])


def _root(connection: psycopg.Connection[Any], text: str, parameters: Any) -> Any:
    row = connection.execute(text.encode(), parameters).fetchone()
    assert row is not None
    return row[0][0]


def _numbered(text: str) -> tuple[str, int]:
    """The driver's placeholders as PostgreSQL's."""
    names: list[str] = []

    def number(found: re.Match[str]) -> str:
        name = found["name"]
        if name is None or name not in names:
            names.append(name or f"#{len(names)}")
            return f"${len(names)}"
        return f"${names.index(name) + 1}"

    return _PLACEHOLDER.sub(number, text).replace("%%", "%"), len(names)
