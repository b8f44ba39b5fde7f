"""python -m deploy.docs [--check]: writes docs/contracts from the code, or tells whether it is still true.

What is said on topics (`schemas/`, `<service>.asyncapi.json`) is made by `shared.contracts.documents`, which also
refuses changes that break readers; `openapi/<service>.json`, made here, is a service's HTTP API.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy.local.services import existing
from deploy.local.settings import ROOT
from shared.contracts import documents as messages

FOLDER = ROOT / "docs" / "contracts" / "openapi"


def documents() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every document with its place below docs/contracts/openapi."""
    for service in existing():
        yield Path(f"{service}.json"), _openapi(service)


def _openapi(service: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", f"services.{service}", "openapi"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"error: {service} cannot describe its API: {done.stderr.strip().splitlines()[-1:]}")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def main() -> int:
    """Write all documents, or with --check compare them; exit code 1 if one differs or readers would break."""
    if messages.main(sys.argv[1:]):
        return 1
    wanted = {
        FOLDER / place: json.dumps(body, indent=2, ensure_ascii=False) + "\n" for place, body in documents()
    }
    present = {path: path.read_text() for path in FOLDER.rglob("*.json")}
    differing = sorted(
        str(path.relative_to(ROOT)) for path in wanted | present if wanted.get(path) != present.get(path)
    )
    if "--check" in sys.argv:
        for name in differing:
            print(f"{name} differs from the code; run `make docs`")
        return 1 if differing else 0
    for path in present.keys() - wanted.keys():
        path.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    print(f"{len(wanted)} documents in {FOLDER.relative_to(ROOT)}, {len(differing)} changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
