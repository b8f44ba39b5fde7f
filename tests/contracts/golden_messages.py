"""The golden messages: one for each type and version, as another system may have sent or stored it.

They are written by hand and frozen: a golden message that no longer parses is a contract that was broken.
"""

import json
from pathlib import Path
from typing import Any

from shared.messaging.decode import Record

FOLDER = Path(__file__).parent / "golden"
TYPES = sorted(path.stem for path in FOLDER.glob("*.json"))


def golden(ce_type: str) -> dict[str, Any]:
    """The body of a type's golden message."""
    body: dict[str, Any] = json.loads((FOLDER / f"{ce_type}.json").read_text(encoding="utf-8"))
    return body


def record(ce_type: str, body: bytes) -> Record:
    """A golden message as the broker delivers it."""
    topic = ce_type.rpartition(".v")[0]
    headers = {
        "ce_specversion": "1.0",
        "ce_id": "m-1",
        "ce_type": ce_type,
        "ce_source": "/golden",
        "content-type": "application/json",
    }
    encoded = [(name, value.encode()) for name, value in headers.items()]
    return Record(topic, 0, 0, 1_772_629_500_000, b"key", encoded, body)
