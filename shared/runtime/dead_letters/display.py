"""Dead letters for people and, as documents, for scripts."""

import base64
import json
from typing import Any

import typer
from rich.markup import escape
from rich.table import Table

from shared.db.bulk import Row
from shared.messaging.dead_letters import Letter
from shared.messaging.decode import Record
from shared.runtime.console import create_console, printable
from shared.runtime.dead_letters.editing import headers_of, text_of
from shared.telemetry.tracing import parse_traceparent


def _trace_id(record: Record) -> str | None:
    parent = parse_traceparent(headers_of(record).get("traceparent"))
    return parent.trace_id if parent is not None else None


def _content(record: Record) -> dict[str, Any]:
    """Headers and body for scripts: text as it is, anything else as base64."""
    text = text_of(record.body, strict=True)
    raw = base64.b64encode(record.body).decode() if record.body is not None and text is None else None
    return {
        "headers": [[name, text_of(value)] for name, value in record.headers],
        "body": text,
        "body_base64": raw,
    }


def document_of(letter: Letter) -> dict[str, Any]:
    """Everything about a dead letter, for scripts."""
    hidden = ("headers", "body")
    row = {name: value for name, value in letter.row.items() if name not in hidden}
    actions = [
        {name: value for name, value in action.items() if name not in (*hidden, "dead_letter_id")}
        for action in letter.actions
    ]
    return row | {
        "key": text_of(letter.row["key"]),
        "trace_id": _trace_id(letter.original),
        **_content(letter.original),
        "edited": _content(letter.record) if letter.edit is not None else None,
        "actions": actions,
    }


def print_list(summary: list[Row], page: list[Row], go_on: int | None) -> None:
    """Counts, then one line per letter."""
    console = create_console()
    if not summary:
        console.print("no dead letters")
        return
    counts = Table("count", "reason", "handler", "topic", "oldest", "newest")
    for row in summary:
        counts.add_row(
            str(row["count"]),
            *(escape(printable(row[name] or "")) for name in ("reason", "handler", "topic")),
            _moment(row["oldest"]),
            _moment(row["newest"]),
        )
    console.print(counts)
    table = Table(
        "id", "state", "topic", "partition/offset", "reason", "handler", "tries", "error", "parked at"
    )
    for row in page:
        table.add_row(
            str(row["id"]),
            row["state"],
            row["topic"],
            f"{row['partition']}/{row['message_offset']}",
            row["reason"],
            row["handler"] or "",
            str(row["failures"] or ""),
            escape(printable(row["error"][:200])),
            _moment(row["parked_at"]),
        )
    console.print(table)
    if go_on is not None:
        console.print(f"more: the same command with --after {go_on}")


def print_letter(letter: Letter) -> None:
    """One letter whole."""
    row = letter.row
    facts = {
        "dead letter": f"{row['id']}, {row['state']}",
        "position": f"{row['topic']}[{row['partition']}] offset {row['message_offset']}, appended {row['appended_at']}",
        "key": text_of(row["key"]),
        "trace id": _trace_id(letter.original),
        "parked": f"{row['parked_at']}, {row['reason']}"
        + (f" by {row['handler']}" if row["handler"] else ""),
        "error": row["error"],
    }
    for name, value in facts.items():
        _line(name, "-" if value is None else str(value))
    _print_content("", letter.original)
    if letter.edit is not None:
        _print_content("edited ", letter.record)
    typer.echo("\nwhat was done:" if letter.actions else "\nnothing was done yet")
    for action in letter.actions:
        text = f"{_moment(action['at'])} {action['action']} by {action['by']}: {action['why']}"
        typer.echo("  " + printable(text + (f" ({action['error']})" if action["error"] else "")))


def _print_content(what: str, record: Record) -> None:
    typer.echo(f"\n{what}headers:")
    for name, value in record.headers:
        _line(f"  {name}", "(null)" if value is None else str(text_of(value)))
    typer.echo(f"\n{what}body:")
    typer.echo(printable(_readable(record.body)))


def _readable(body: bytes | None) -> str:
    if body is None:
        return "(null)"
    text = text_of(body, strict=True)
    if text is None:
        return f"({len(body)} bytes that are not text, base64) {base64.b64encode(body).decode()}"
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _line(name: str, value: str) -> None:
    typer.echo(f"{printable(name)}: {printable(value)}")


def _moment(at: Any) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def print_outcome(outcome: dict[str, Any]) -> None:
    """One line about what became of a letter; failures go to standard error."""
    words = {
        "handled": "handled",
        "known": "handled before: the inbox knew it, nothing happened again",
        "failed": "failed again, stays parked",
        "not parked": "not parked",
    }
    text = f"{outcome['id']}: {words.get(outcome['outcome'], outcome['outcome'])}"
    typer.echo(
        printable(text + (f": {outcome['error']}" if outcome["error"] else "")),
        err=outcome["outcome"] in ("failed", "not parked"),
    )
