"""docs/contracts says what the code says, and no change of the code breaks who reads our messages."""

import json
from pathlib import Path

import pytest

from deploy import docs
from shared.contracts import documents
from shared.contracts.documents import FOLDER, SERVICES, broken, differing, heard_by
from shared.contracts.registry import MODELS, OWNERS


def test_no_change_breaks_readers() -> None:
    assert broken() == []


def test_the_message_documents_are_those_that_the_code_makes() -> None:
    assert differing() == [], "run: make docs"


def test_the_http_documents_are_those_that_the_code_makes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["docs", "--check"])
    assert docs.main() == 0, capsys.readouterr().out


def test_every_message_between_services_is_sent_by_one_and_received_by_its_readers() -> None:
    sent: dict[str, str] = {}
    received: dict[str, set[str]] = {}
    for service in SERVICES:
        document = json.loads((FOLDER / f"{service}.asyncapi.json").read_text(encoding="utf-8"))
        for operation in document["operations"].values():
            (message,) = [reference["$ref"].rpartition("/")[2] for reference in operation["messages"]]
            topic = operation["channel"]["$ref"].removeprefix("#/channels/")
            assert document["channels"][topic]["address"] == topic == MODELS[message].topic
            payload = document["components"]["messages"][message]["payload"]["$ref"]
            assert (FOLDER / payload).is_file()
            if operation["action"] == "send":
                assert message not in sent
                sent[message] = service
            else:
                received.setdefault(message, set()).add(service)
    assert sent == {
        name: OWNERS[model.topic] for name, model in MODELS.items() if OWNERS[model.topic] in SERVICES
    }
    for service in SERVICES:
        assert {name for name, readers in received.items() if service in readers} == {
            model.ce_type() for model in heard_by(service)
        }


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """The documents, written to a folder of this test's own."""
    documents.write(tmp_path)
    return tmp_path


def test_a_document_that_was_changed_removed_or_added_is_found(written: Path) -> None:
    assert differing(written) == []
    (written / "orders.asyncapi.json").write_text("{}")
    (written / "schemas" / "order.placed.v1.json").unlink()
    (written / "schemas" / "order.forgotten.v1.json").write_text("{}")
    names = ["orders.asyncapi.json", "schemas/order.forgotten.v1.json", "schemas/order.placed.v1.json"]
    assert differing(written) == names
    documents.write(written)
    assert differing(written) == []


def test_a_break_is_found_against_what_was_written(written: Path) -> None:
    path = written / "schemas" / "refund.issued.v1.json"
    before = json.loads(path.read_text())
    before["properties"]["method"] = {"type": "string"}
    before["properties"]["amount"]["type"] = "string"
    path.write_text(json.dumps(before))
    (written / "schemas" / "order.shouted.v1.json").write_text("{}")
    assert broken(written) == [
        "order.shouted.v1: removed, but somebody may still read it",
        "refund.issued.v1: amount: type 'string' -> 'integer'",
        "refund.issued.v1: method: removed",
    ]


def test_the_command_refuses_to_write_a_break(
    written: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(documents, "broken", lambda: ["order.placed.v1: total: removed"])
    monkeypatch.setattr(documents, "write", lambda: pytest.fail("it was written"))
    assert documents.main([]) == 1
    assert "order.placed.v1: total: removed" in capsys.readouterr().err
