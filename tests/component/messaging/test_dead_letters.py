"""`dead-letters`: parked messages are looked at, mended, replayed and discarded, once, and it stays known by whom."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from deploy.local import Platform
from shared.contracts.orders import RefundIssued
from shared.messaging import dead_letters
from shared.messaging.dead_letters import DeadLetter
from shared.messaging.decode import Record, Unreadable
from shared.runtime.dead_letters import replay_one
from shared.runtime.service import Service
from shared.runtime.settings import ServiceSettings
from tests.component.messaging.commands import Command, command_line
from tests.component.messaging.support import CURSED, captured, headers
from tests.harness.service import Running, Wire, until
from tests.harness.tally import build, create_schema, sums, tallying

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TOPIC = "payment.captured"
WHO = ("--by", "jane", "--why", "the payment service mended it")


@pytest.fixture
async def url(platform: Platform) -> str:
    made = platform.create_database("tally")
    await create_schema(made)
    return made


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """Of the topics, for tests that have some; for most the database is all there is."""
    return str(request.getfixturevalue("topic_prefix")) if "topics" in request.fixturenames else "none."


@pytest.fixture
def command(platform: Platform, prefix: str, url: str) -> Command:
    """`python -m services.tally dead-letters ...`"""
    return partial(command_line(platform.kafka, prefix, url), "dead-letters")


@pytest.fixture
async def service(platform: Platform, prefix: str, url: str) -> AsyncIterator[Service[Any, Any]]:
    """A service on the same database that does not run."""
    async with at_hand(platform, prefix, url) as made:
        yield made


@asynccontextmanager
async def at_hand(platform: Platform, prefix: str, url: str) -> AsyncIterator[Service[Any, Any]]:
    made = build(ServiceSettings(database_url=url, kafka=platform.kafka, topic_prefix=prefix))
    yield made
    await made.engine.dispose()


async def park(
    service: Service[Any, Any], *events: Any, offset: int = 0, **changes: bytes | None
) -> list[int]:
    """Park events as the consumer would: what can be read was refused by its handler."""
    letters = []
    for number, event in enumerate(events, offset):
        body = event if isinstance(event, bytes) else event.model_dump_json(exclude_none=True).encode()
        more = {"ce_id": f"m{number}".encode(), "traceparent": f"00-{TRACE}-00f067aa0ba902b7-00".encode()}
        key = b"?" if isinstance(event, bytes) else event.key().encode()
        record = Record(TOPIC, 0, number, 1_700_000_000_000, key, headers(**{**more, **changes}), body)
        decoded = service.decoder.decode(record)
        if isinstance(decoded, Unreadable):
            letters.append(DeadLetter(record, decoded.reason, decoded.error))
        else:
            letters.append(DeadLetter(record, "handler_error", "ValueError: this amount is cursed", "tally"))
    async with service.unit.begin() as (session, _):
        await dead_letters.park(session, letters)
    rows = await ask(service, "SELECT id, message_offset FROM dead_letters ORDER BY id")
    return [row["id"] for row in rows if row["message_offset"] >= offset]


async def ask(service: Service[Any, Any], sql: str) -> list[dict[str, Any]]:
    async with service.engine.connect() as connection:
        return [dict(row) for row in (await connection.execute(text(sql))).mappings()]


async def totals(service: Service[Any, Any]) -> dict[str, int]:
    return {row["order_id"]: row["total"] for row in await ask(service, "SELECT * FROM tallies")}


async def actions(service: Service[Any, Any]) -> list[tuple[str, str, str]]:
    rows = await ask(service, "SELECT action, by, why FROM dead_letter_actions ORDER BY id")
    return [(row["action"], row["by"], row["why"]) for row in rows]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("list", ("--reason", "--handler", "--after", "--json")),
        ("show", ("ID", "--json")),
        ("edit", ("--set", "--header", "--body", "--by", "--why")),
        ("replay", ("--reason", "--rate", "--limit", "--give-up", "--dry-run", "--by", "--why")),
        ("discard", ("--reason", "--dry-run", "--by", "--why")),
    ],
)
async def test_every_command_explains_itself(name: str, words: tuple[str, ...]) -> None:
    said = await command_line("", "", "")("dead-letters", name, "--help")
    assert said.code == 0
    assert [word for word in words if word not in said.out] == []


# --- Looking ---------------------------------------------------------------------------------------------------


async def test_the_list_counts_by_reason_and_handler_and_goes_by_pages(
    service: Service[Any, Any], command: Command
) -> None:
    ids = await park(service, *(captured(f"o{number}", amount=CURSED) for number in range(5)))
    ids += await park(service, b"{}", b"<xml/>", offset=5)
    whole = await command("list")
    assert whole.code == 0
    for word in ("handler_error", "invalid_event", "tally", "this amount is cursed", f"{TOPIC}"):
        assert word in whole.out
    first = (await command("list", "--limit", 3, "--json")).json
    assert [(row["count"], row["reason"], row["handler"]) for row in first["counts"]] == [
        (5, "handler_error", "tally"),
        (2, "invalid_event", None),
    ]
    assert [row["id"] for row in first["letters"]] == ids[:3]
    second = (await command("list", "--limit", 4, "--after", first["next_after"], "--json")).json
    assert ([row["id"] for row in second["letters"]], second["next_after"]) == (ids[3:], None)
    for filters, expected in {
        ("--reason", "invalid_event"): ids[5:],
        ("--handler", "tally", "--key", "o3"): [ids[3]],
        ("--topic", "order.placed"): [],
        ("--state", "discarded"): [],
        ("--state", "all"): ids,
    }.items():
        found = (await command("list", "--json", *filters)).json
        assert [row["id"] for row in found["letters"]] == expected, filters
        assert sum(row["count"] for row in found["counts"]) == len(expected)


async def test_one_is_shown_with_its_trace_headers_and_readable_body(
    service: Service[Any, Any], command: Command
) -> None:
    [number] = await park(service, captured("o1", amount=CURSED), ce_time=b"\xff\x1b[2J")
    shown = await command("show", number)
    for line in (
        f"trace id: {TRACE}",
        "  ce_id: m0",
        f'  "amount": {CURSED},',
        "key: o1",
        "handler_error by tally",
    ):
        assert line in shown.out, shown.out
    assert "\x1b" not in shown.out, "strangers' bytes must not reach the terminal"
    document = (await command("show", number, "--json")).json
    assert json.loads(document["body"])["amount"] == CURSED
    assert (document["trace_id"], document["state"], document["actions"]) == (TRACE, "parked", [])


async def test_bytes_that_are_no_text_are_shown_too(service: Service[Any, Any], command: Command) -> None:
    ids = await park(service, b"\xff\x00", b'{"a": "\x1b[31m\\ud800"}', b"[" * 5_000)
    assert "/wA=" in (await command("show", ids[0])).out
    assert (await command("show", ids[0], "--json")).json["body_base64"] == "/wA="
    assert "\x1b" not in (await command("show", ids[1])).out
    assert (await command("show", ids[2])).code == 0


# --- Mending and replaying -----------------------------------------------------------------------------------------


async def test_an_edited_copy_is_replayed_and_the_original_is_kept(
    platform: Platform, topic_prefix: str, topics: Wire, url: str, command: Command
) -> None:
    async with tallying(platform, prefix=topic_prefix, database_url=url) as running:
        await topics.say(captured("o1", amount=CURSED))
        [letter] = await until(lambda: running.rows("SELECT id, body FROM dead_letters"), "it is parked")
        edited = await command("edit", letter["id"], "--set", "amount=5", *WHO)
        assert edited.code == 0, edited.err
        replayed = await command("replay", letter["id"], "--by", "joe", "--why", "jane mended it")
        assert (replayed.code, replayed.out) == (0, f"{letter['id']}: handled\n")
        said = await topics.expect(RefundIssued)
        assert said.amount == 5, "what the handler says goes out as always"
        await running.settled()
        assert await sums(running) == {"o1": 5}
        assert await records_on(topics) == 1, "the message itself is never put on its topic again"
        document = (await command("show", letter["id"], "--json")).json
        assert json.loads(document["body"])["amount"] == CURSED
        assert json.loads(document["edited"]["body"])["amount"] == 5
        assert [(done["action"], done["by"], done["why"]) for done in document["actions"]] == [
            ("edited", *WHO[1::2]),
            ("replayed", "joe", "jane mended it"),
        ]
        shown = (await command("show", letter["id"])).out
        assert f'"amount": {CURSED}' in shown
        assert '"amount": 5' in shown
        assert "replayed by joe: jane mended it" in shown


async def records_on(topics: Wire) -> int:
    from aiokafka import AIOKafkaConsumer, TopicPartition

    consumer = AIOKafkaConsumer(bootstrap_servers=topics.producer.client._bootstrap_servers)
    await consumer.start()
    try:
        known = await topics.producer.partitions_for(topics.prefix + TOPIC)
        ends = await consumer.end_offsets([TopicPartition(topics.prefix + TOPIC, number) for number in known])
        return sum(ends.values())
    finally:
        await consumer.stop()


async def test_what_could_not_be_read_is_mended_by_header_or_by_a_whole_body(
    service: Service[Any, Any], command: Command
) -> None:
    body = captured("o1", amount=3).model_dump_json(exclude_none=True)
    [no_type] = await park(service, body.encode(), ce_type=b"-")
    [rubbish] = await park(service, b"<xml/>", offset=1)
    assert (await command("edit", no_type, "--header", "ce_type=payment.captured.v1", *WHO)).code == 0
    assert (await command("edit", rubbish, "--body", "-", *WHO, stdin=body)).code == 0
    assert (await command("replay", no_type, rubbish, *WHO)).code == 0
    assert await totals(service) == {"o1": 6}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--set", "amount=-1"), "could not be read (invalid_event: amount"),
        (("--set", "lines.7.sku=x"), "no such place"),
        (("--set", "amount"), "no field is named"),
        (("--header", "ce_id=another"), "ce_id may not change"),
        (("--header", "ce_source="), "ce_source may not change"),
        (("--header", "ce_type=payment.eaten.v1"), "could not be read (unknown_type"),
        (("--body", "/nowhere/at/all"), "No such file"),
        ((), "say what to change"),
    ],
)
async def test_an_edit_that_would_not_help_is_refused(
    service: Service[Any, Any], command: Command, arguments: tuple[str, ...], complaint: str
) -> None:
    [number] = await park(service, captured("o1", amount=CURSED))
    said = await command("edit", number, *arguments, *WHO)
    assert said.code != 0
    assert complaint in " ".join(said.err.replace("│", "").split())
    assert await actions(service) == []


async def test_a_number_beyond_64_bits_survives_the_edit_of_another_field(
    service: Service[Any, Any], command: Command
) -> None:
    body = captured("o1", amount=CURSED).model_dump_json(exclude_none=True)[:-1] + f', "foreign": {2**80}}}'
    [number] = await park(service, body.encode())
    assert (await command("edit", number, "--set", "amount=1", *WHO)).code == 0
    assert json.loads((await command("show", number, "--json")).json["edited"]["body"])["foreign"] == 2**80


async def test_what_fails_again_stays_parked_and_says_why(
    service: Service[Any, Any], command: Command
) -> None:
    ids = await park(service, captured("o1", amount=CURSED), captured("o1", 1, amount=2), b"{}")
    said = await command("replay", *ids, *WHO)
    assert said.code == 1
    assert said.out == f"{ids[1]}: handled\n"
    assert f"{ids[0]}: failed again, stays parked: ValueError: this amount is cursed" in said.err
    assert f"{ids[2]}: failed again, stays parked: invalid_event: order_id" in said.err
    assert await totals(service) == {"o1": 2}
    left = (await command("list", "--json")).json["letters"]
    assert [(row["id"], row["failures"]) for row in left] == [(ids[0], 1), (ids[2], 1)]
    [failed] = (await command("show", ids[0], "--json")).json["actions"]
    assert (failed["action"], failed["by"], failed["error"]) == (
        "failed",
        "jane",
        "ValueError: this amount is cursed",
    )


async def test_replay_by_reason_keeps_order_and_rate_and_ends(
    service: Service[Any, Any], command: Command
) -> None:
    ids = await park(service, *(captured(f"o{number}", amount=1) for number in range(6)))
    [other] = await park(service, b"{}", offset=6)
    rehearsed = (await command("replay", "--reason", "handler_error", "--dry-run", "--json", *WHO)).json
    assert [row["id"] for row in rehearsed] == ids
    assert await totals(service) == {}
    started = time.monotonic()
    said = await command("replay", "--reason", "handler_error", "--rate", 5, "--limit", 4, "--json", *WHO)
    assert time.monotonic() - started >= 3 / 5, "four at five a second need three pauses"
    assert [(row["id"], row["outcome"]) for row in said.json] == [(number, "handled") for number in ids[:4]]
    assert (await command("replay", "--handler", "tally", *WHO)).code == 0
    assert await totals(service) == {f"o{number}": 1 for number in range(6)}
    assert [row["id"] for row in (await command("list", "--json")).json["letters"]] == [other]
    assert (await command("replay", "--key", "o1", *WHO)).out == "no dead letters\n"


async def test_a_run_of_failures_stops_the_replay(service: Service[Any, Any], command: Command) -> None:
    await park(service, *(captured(f"o{number}", amount=CURSED) for number in range(6)))
    said = await command("replay", "--reason", "handler_error", "--give-up", 3, *WHO)
    assert said.code == 1
    assert "stopped" in said.err
    assert len(await actions(service)) == 3


async def test_discarding_is_for_good_and_needs_a_reason(
    service: Service[Any, Any], command: Command
) -> None:
    ids = await park(service, captured("o1", amount=1), captured("o2", amount=1), b"{}")
    assert (await command("discard", ids[0], "--by", "jane", "--why", " ")).code == 2
    assert (await command("discard", ids[0], "--by", "jane")).code == 2
    assert (await command("discard", *WHO)).code == 2, "nothing chosen is not everything"
    assert (await command("discard", ids[0], "--reason", "handler_error", *WHO)).code == 2
    assert (await command("discard", ids[0], *WHO)).code == 0
    assert (await command("discard", "--reason", "invalid_event", *WHO)).out == f"{ids[2]}: discarded\n"
    again = await command("replay", ids[0], *WHO)
    assert again.code == 1
    assert f"{ids[0]}: not parked: discarded by jane: {WHO[3]}" in again.err
    assert "is not parked" in (await command("edit", ids[0], "--set", "amount=2", *WHO)).err
    assert await totals(service) == {}
    assert [
        row["id"] for row in (await command("list", "--state", "discarded", "--json")).json["letters"]
    ] == [
        ids[0],
        ids[2],
    ]


async def test_an_id_nobody_knows_is_said(command: Command) -> None:
    for arguments in (("show", 7), ("edit", 7, "--set", "a=1", *WHO)):
        said = await command(*arguments)
        assert (said.code, said.out) == (1, "")
        assert "there is no dead letter 7" in said.err
        assert "what to do: `dead-letters list`" in said.err
    said = await command("replay", 7, 2**70, *WHO)
    assert said.code == 1
    assert "there is no dead letter 7" in said.err
    assert (await command("list")).out == "no dead letters\n"


async def test_a_database_that_is_not_there_is_said_with_the_setting(url: str, command: Command) -> None:
    said = await command("list", database_url=url + "x")
    assert said.code == 1
    assert "the database does not answer" in said.err
    assert "OMS_TALLY_DATABASE_URL" in said.err


# --- Several at once ---------------------------------------------------------------------------------------------


async def test_two_people_replay_the_same_letters_and_each_counts_once(
    platform: Platform, prefix: str, url: str, service: Service[Any, Any]
) -> None:
    ids = await park(service, *(captured("o1", number, amount=1) for number in range(15)))
    async with at_hand(platform, prefix, url) as another:

        async def replays(with_service: Service[Any, Any], by: str) -> list[str]:
            done = [await replay_one(with_service, number, by=by, why="mended") for number in ids]
            return [outcome["outcome"] for outcome in done]

        first, second = await asyncio.gather(replays(service, "jane"), replays(another, "joe"))
    for one, other in zip(first, second, strict=True):
        assert sorted((one, other)) == ["handled", "not parked"]
    assert await totals(service) == {"o1": 15}
    assert len(await ask(service, "SELECT 1 FROM outbox")) == 15
    assert [action for action, _, _ in await actions(service)] == ["replayed"] * 15


async def test_a_letter_that_is_held_is_waited_for(
    platform: Platform, prefix: str, url: str, service: Service[Any, Any]
) -> None:
    """The second person waits for the first one's transaction, and sees how it ended."""
    [number] = await park(service, captured("o1", amount=1))
    async with at_hand(platform, prefix, url) as another:
        async with service.unit.begin() as (session, _):
            letter = await dead_letters.find(session, number)
            assert letter is not None
            await dead_letters.claim(session, letter)
            waiting = asyncio.create_task(replay_one(another, number, by="joe", why="mended"))
            await until(lambda: blocked(service), "the other one waits for the row")
            await dead_letters.settle(session, letter, state="discarded", by="jane", why="a test order")
        assert await waiting == {
            "id": number,
            "outcome": "not parked",
            "error": "discarded by jane: a test order",
        }
    assert await totals(service) == {}


async def blocked(service: Service[Any, Any]) -> bool:
    engine = create_async_engine(service.settings.database_url)
    async with engine.connect() as connection:
        sql = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        found = (await connection.execute(text(sql))).first()
    await engine.dispose()
    return found is not None


async def test_a_copy_that_was_changed_while_one_looked_is_not_replayed(service: Service[Any, Any]) -> None:
    [number] = await park(service, captured("o1", amount=1))
    async with service.unit.begin() as (session, _):
        looked_at = await dead_letters.find(session, number)
        assert looked_at is not None
        await dead_letters.keep_edit(session, looked_at, looked_at.original, by="joe", why="tidied")

    async def claim(session: Any) -> None:
        await dead_letters.claim(session, looked_at)

    with pytest.raises(dead_letters.NotParked, match="edited meanwhile"):
        await service.consumer.replay(looked_at.record, claim)
    assert await totals(service) == {}


async def test_a_message_that_came_again_and_was_handled_is_not_handled_by_its_replay(
    service: Service[Any, Any], command: Command
) -> None:
    first, second = await park(service, captured("o1", amount=1), captured("o1", amount=1), ce_id=b"same")
    assert (await command("replay", first, *WHO)).out == f"{first}: handled\n"
    assert "handled before" in (await command("replay", second, *WHO)).out
    assert await totals(service) == {"o1": 1}


async def test_a_service_that_runs_meanwhile_and_a_replay_do_not_disturb_each_other(
    platform: Platform,
    topic_prefix: str,
    topics: Wire,
    url: str,
    service: Service[Any, Any],
    command: Command,
) -> None:
    ids = await park(service, *(captured(f"o{number % 3}", number, amount=1) for number in range(30)))
    async with tallying(platform, prefix=topic_prefix, database_url=url) as running:

        async def keeps_coming() -> None:
            for number in range(60):
                await topics.say(captured(f"o{number % 3}", 100 + number, amount=1))

        coming = asyncio.create_task(keeps_coming())
        said = await command("replay", "--reason", "handler_error", "--rate", 1000, *WHO)
        await coming
        assert said.code == 0, said.err
        await running.settled()
        assert await sums(running) == {f"o{number}": 30 for number in range(3)}
        assert await nothing_parked(running)
        said_of = [
            event.amount for event in await topics.expect(RefundIssued, count=90) if event.order_id == "o0"
        ]
        assert said_of == list(range(1, 31)), "what is said of an order leaves in order"
    assert len(ids) == len(await actions(service)) == 30


async def nothing_parked(running: Running) -> bool:
    return not await running.rows("SELECT 1 FROM dead_letters WHERE state = 'parked'")
