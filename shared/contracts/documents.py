"""python -m shared.contracts.documents [--check | --accept-breaks]: the contracts, written for other systems.

In docs/contracts: `schemas/<type>.json`, the JSON Schema of each message's body, from the registry; and
`<service>.asyncapi.json` (AsyncAPI 3), what a service says (registry) and hears (its routing table).

`--check` writes nothing and fails if a document differs from the code. Without it a change that would break
readers is refused, unless `--accept-breaks` says that nobody reads the message yet.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from typing import Any

from shared.contracts.compatibility import breaks
from shared.contracts.envelope import Event
from shared.contracts.registry import MODELS, OWNERS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "contracts"
SERVICES = ("orders", "inventory", "fulfillment", "returns", "notifications")
DIALECT = "https://json-schema.org/draft/2020-12/schema"

_TEXT = {"type": "string"}
_HEADERS: dict[str, Any] = {
    "type": "object",
    "description": "CloudEvents 1.0 (binary mode) and W3C trace context; Kafka headers, UTF-8.",
    "required": ["ce_specversion", "ce_id", "ce_type", "ce_source", "content-type"],
    "properties": {
        "ce_specversion": {"const": "1.0"},
        "ce_id": _TEXT | {"description": "unique within ce_source; a message that comes again keeps it"},
        "ce_type": _TEXT | {"description": "name and version of the message, e.g. order.placed.v1"},
        "ce_source": _TEXT | {"description": "who says it, e.g. /oms/orders"},
        "ce_time": _TEXT | {"format": "date-time", "description": "when it became true"},
        "ce_subject": _TEXT | {"description": "what people search for: the order id where there is one"},
        "ce_sequence": _TEXT
        | {"description": "version of what the message is about, zero-padded: orders what is read"},
        "ce_partitionkey": _TEXT | {"description": "the Kafka key"},
        "ce_causationid": _TEXT | {"description": "the message or command this answers"},
        "content-type": {"const": "application/json"},
        "traceparent": _TEXT | {"description": "the order's one trace"},
        "tracestate": _TEXT,
    },
}


def schema(model: type[Event]) -> dict[str, Any]:
    """The JSON Schema of a message's body. Readers ignore fields that are not in it."""
    return {"$schema": DIALECT, **model.model_json_schema()}


def asyncapi(service: str, hears: Sequence[type[Event]]) -> dict[str, Any]:
    """The AsyncAPI 3 document of one service: what it says by the registry, and what it `hears`."""
    says = [model for model in MODELS.values() if OWNERS[model.topic] == service]
    models = sorted({*says, *hears}, key=lambda model: model.ce_type())
    topics = sorted({model.topic for model in models})
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": f"{service} (order management)",
            "version": "1",
            "description": _description(service),
        },
        "defaultContentType": "application/json",
        "channels": {
            topic: _channel(topic, [model for model in models if model.topic == topic]) for topic in topics
        },
        "operations": {
            **{f"send.{model.ce_type()}": _operation("send", model) for model in _ordered(says)},
            **{f"receive.{model.ce_type()}": _operation("receive", model) for model in _ordered(hears)},
        },
        "components": {
            "messages": {model.ce_type(): _message(model) for model in models},
            "schemas": {"headers": _HEADERS},
        },
    }


def documents() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every document with its place below docs/contracts."""
    for ce_type, model in sorted(MODELS.items()):
        yield Path("schemas") / f"{ce_type}.json", schema(model)
    for service in SERVICES:
        yield Path(f"{service}.asyncapi.json"), asyncapi(service, heard_by(service))


def heard_by(service: str) -> list[type[Event]]:
    """What a service's routing table listens to."""
    # By name, when the documents are made: the plumbing itself knows no service.
    routes = import_module(f"services.{service}.handlers").ROUTES
    return [model for route in routes for model in route.events]


def broken(folder: Path = FOLDER) -> list[str]:
    """What the code would break of the message schemas that are written in `folder`."""
    found = []
    for path in sorted((folder / "schemas").glob("*.json")):
        model = MODELS.get(path.stem)
        if model is None:
            found.append(f"{path.stem}: removed, but somebody may still read it")
            continue
        written = json.loads(path.read_text(encoding="utf-8"))
        found += [f"{path.stem}: {change}" for change in breaks(written, schema(model))]
    return found


def differing(folder: Path = FOLDER) -> list[str]:
    """Documents that are not what the code makes."""
    wanted = {str(path): _text(document) for path, document in documents()}
    written = {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for pattern in ("schemas/*.json", "*.asyncapi.json")
        for path in folder.glob(pattern)
    }
    return sorted(name for name in wanted.keys() | written.keys() if wanted.get(name) != written.get(name))


def write(folder: Path = FOLDER) -> int:
    """Write all documents; returns how many there are."""
    for name in differing(folder):
        (folder / name).unlink(missing_ok=True)
    wanted = dict(documents())
    for path, document in wanted.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(_text(document), encoding="utf-8")
    return len(wanted)


def main(arguments: Sequence[str]) -> int:
    """The command; exit code 1 when something differs or would break."""
    lines = [f"breaks readers: {change}" for change in broken()]
    if lines and "--accept-breaks" not in arguments:
        lines.append("make it a new version beside the old one, or --accept-breaks if nobody reads it yet")
    elif "--check" in arguments:
        lines = [f"{name} differs from the code; run: make docs" for name in differing()]
    else:
        lines = []
        sys.stdout.write(f"{write()} documents in {FOLDER.relative_to(ROOT)}\n")
    sys.stderr.writelines(f"{line}\n" for line in lines)
    return 1 if lines else 0


def _channel(topic: str, models: Sequence[type[Event]]) -> dict[str, Any]:
    return {
        "address": topic,
        "description": f"Said by {OWNERS[topic]}. An installation may put a prefix before the address.",
        "messages": {
            model.ce_type(): {"$ref": f"#/components/messages/{model.ce_type()}"} for model in models
        },
    }


def _operation(action: str, model: type[Event]) -> dict[str, Any]:
    channel = f"#/channels/{model.topic}"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "summary": _summary(model),
        "messages": [{"$ref": f"{channel}/messages/{model.ce_type()}"}],
    }


def _message(model: type[Event]) -> dict[str, Any]:
    return {
        "name": model.ce_type(),
        "title": model.__name__,
        "summary": _summary(model),
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/headers"},
        "payload": {"$ref": f"schemas/{model.ce_type()}.json"},
        "bindings": {"kafka": {"key": {"type": "string", "description": cleandoc(model.key.__doc__ or "")}}},
    }


def _description(service: str) -> str:
    return cleandoc(import_module(f"services.{service}").__doc__ or "").partition("\n")[0]


def _summary(model: type[Event]) -> str:
    return cleandoc(model.__doc__ or "").partition("\n\n")[0].replace("\n", " ")


def _ordered(models: Sequence[type[Event]]) -> list[type[Event]]:
    return sorted(models, key=lambda model: model.ce_type())


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
