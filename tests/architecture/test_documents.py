"""What the documents promise exists: commands, files, links."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "services/*/README.md", "deploy/**/*.md")
    for path in ROOT.glob(pattern)
    if ".venv" not in path.parts and ".local" not in path.parts
)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", document.read_text()):
        assert (document.parent / target).exists(), f"{document.name} links to {target}, which does not exist"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_make_commands_exist(document: Path) -> None:
    text = document.read_text()
    blocks = re.findall(r"```(?:sh|bash|console)?\n(.*?)```", text, re.S) + re.findall(
        r"`(make [^`]+)`", text
    )
    for target in sorted(set(re.findall(r"^\s*\$?\s*make ([a-z][a-z-]*)", "\n".join(blocks), re.M))):
        result = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True)
        assert result.returncode == 0, f"{document.name} names `make {target}`: {result.stderr}"


def test_the_story_follows_an_order_through_every_service() -> None:
    story = (ROOT / "docs/story.md").read_text()
    for service in ("orders", "inventory", "fulfillment", "returns", "notifications"):
        assert f"../services/{service}/" in story
