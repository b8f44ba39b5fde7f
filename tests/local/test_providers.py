"""What every provider promises: it answers, keeps data, survives any death, and touches nothing that is not its own."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.local import Platform, PlatformError, processes, start_platform
from deploy.local.databases import within
from deploy.local.platform import find_platform, sweep
from deploy.local.topics import Topic, apply

pytestmark = [pytest.mark.platform, pytest.mark.timeout(240)]


def topic(name: str, **changes: object) -> Topic:
    fields = {"name": name, "owner": "orders", "key": "order id", "partitions": 2, "retention_ms": 3_600_000}
    return Topic.model_validate(fields | {"classification": "internal"} | changes)


@asynccontextmanager
async def producer(platform: Platform, **options: object) -> AsyncIterator[AIOKafkaProducer]:
    sending = AIOKafkaProducer(bootstrap_servers=platform.kafka, acks="all", **options)
    await sending.start()
    try:
        yield sending
    finally:
        await sending.stop()


async def send(platform: Platform, name: str, body: bytes, **options: object) -> None:
    async with producer(platform, max_request_size=4_000_000) as sending:
        await sending.send_and_wait(name, body, partition=0, **options)


async def read_one(platform: Platform, name: str) -> object:
    consumer = AIOKafkaConsumer(bootstrap_servers=platform.kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(name, 0)])
        return await asyncio.wait_for(consumer.getone(), 15)
    finally:
        await consumer.stop()


def start_again(platform: Platform) -> Platform:
    """What a second `make up` does: everything it knows comes from the folder."""
    return start_platform(platform.instance.folder, provider=platform._settings.platform)


def test_a_second_start_finds_the_first(victim: Platform) -> None:
    before = (victim.kafka_pid, victim.postgres_pid, victim.kafka, victim.admin_url)
    started = time.monotonic()
    again = start_again(victim)
    assert (again.kafka_pid, again.postgres_pid, again.kafka, again.admin_url) == before
    assert time.monotonic() - started < 15
    again.close()
    assert victim.running == {"kafka": True, "postgres": True}, "close stopped what another start had started"


async def test_kafka_has_the_limits_that_messages_rely_on(victim: Platform) -> None:
    apply(victim.kafka, [topic("limits")])
    far_future_ms = 33_000_000_000_000
    await send(victim, "limits", b"x" * 1_500_000, timestamp_ms=far_future_ms)
    record = await read_one(victim, "limits")
    assert len(record.value) == 1_500_000
    assert record.timestamp_type == 1, "the broker must stamp records, whatever the producer's clock says"
    assert abs(record.timestamp / 1000 - time.time()) < 120


async def test_a_topic_never_comes_into_being_by_accident(victim: Platform) -> None:
    with pytest.raises((KafkaError, TimeoutError)):
        async with producer(victim, request_timeout_ms=3_000) as sending:
            await asyncio.wait_for(sending.send_and_wait("nobody.made_this", b"x"), 5)
    admin = AIOKafkaAdminClient(bootstrap_servers=victim.kafka)
    await admin.start()
    try:
        assert "nobody.made_this" not in await admin.list_topics()
    finally:
        await admin.close()


def test_postgres_keeps_its_promises(victim: Platform) -> None:
    with psycopg.connect(victim.admin_url) as connection:
        in_force = dict(connection.execute("SELECT name, setting FROM pg_settings").fetchall())
    assert in_force["fsync"] == in_force["synchronous_commit"] == in_force["full_page_writes"] == "on"
    assert int(in_force["max_connections"]) == 300
    assert in_force["password_encryption"] == "scram-sha-256"
    assert in_force["TimeZone"] == "UTC"


@pytest.mark.parametrize("server", ["kafka", "postgres", "both"])
async def test_after_kill_9_the_next_start_works_and_nothing_is_lost(victim: Platform, server: str) -> None:
    name = f"killed.{server}"
    apply(victim.kafka, [topic(name)])
    await send(victim, name, b"still there")
    with psycopg.connect(victim.admin_url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (server text)")
        connection.execute("INSERT INTO kept VALUES (%s)", [server])
    before = (victim.kafka, victim.admin_url)
    if server in ("kafka", "both"):
        victim.stop_kafka("kill")
    if server in ("postgres", "both"):
        victim.stop_postgres("kill")

    again = start_again(victim)

    assert (again.kafka, again.admin_url) == before
    assert (await read_one(victim, name)).value == b"still there"
    with psycopg.connect(victim.admin_url) as connection:
        assert connection.execute("SELECT 1 FROM kept WHERE server = %s", [server]).fetchone()


def test_stopped_and_started_again_at_the_same_address(victim: Platform) -> None:
    before = (victim.kafka, victim.admin_url)
    victim.stop_kafka()
    victim.stop_postgres()
    assert victim.running == {"kafka": False, "postgres": False}
    victim.start_kafka()
    victim.start_postgres()
    assert (victim.kafka, victim.admin_url) == before
    assert victim.running == {"kafka": True, "postgres": True}


@pytest.mark.parametrize("server", ["kafka", "postgres"])
def test_a_taken_port_is_replaced_and_remembered(victim: Platform, server: str) -> None:
    stop = victim.stop_kafka if server == "kafka" else victim.stop_postgres
    start = victim.start_kafka if server == "kafka" else victim.start_postgres
    before = getattr(victim.instance.read(), server).port
    stop()
    with socket.create_server(("127.0.0.1", before)):
        start()
        after = getattr(victim.instance.read(), server).port
    assert after != before
    assert victim.running[server]
    assert start_again(victim).running[server]
    assert getattr(victim.instance.read(), server).port == after


def test_stopping_one_platform_leaves_another_alone(platform: Platform, victim: Platform) -> None:
    others = (platform.kafka_pid, platform.postgres_pid)
    find_platform(victim.instance.folder).stop()
    assert victim.running == {"kafka": False, "postgres": False}
    assert platform.running == {"kafka": True, "postgres": True}
    assert (platform.kafka_pid, platform.postgres_pid) == others
    victim.start(_silent())
    assert victim.running == {"kafka": True, "postgres": True}


def _silent() -> object:
    from deploy.local.progress import Silent

    return Silent()


# --- processes of this machine ---


def _only_native(platform: Platform) -> None:
    if platform.versions["kafka"]["provider"] != "native":
        pytest.skip("about processes of this machine")


def test_a_process_that_inherited_our_id_is_neither_trusted_nor_killed(victim: Platform) -> None:
    _only_native(victim)
    stranger = processes.start(
        ["sleep", "60"],
        log=victim.instance.logs / "stranger.log",
        folder=victim.instance.folder,
        environment={},
    )
    victim.stop_kafka()
    victim.stop_postgres()
    data = victim.instance.read().postgres.data
    assert data is not None
    (data / "postmaster.pid").write_text(f"{stranger.pid}\n{data}\n")
    with victim.instance.update() as state:
        reused = processes.ProcessRecord(pid=stranger.pid, identity="an earlier life")
        state.kafka.process = state.postgres.process = reused
    try:
        assert victim.running == {"kafka": False, "postgres": False}
        victim.stop_kafka("kill")
        victim.stop_postgres("kill")
        assert processes.alive(stranger)
        victim.start(_silent())
        assert victim.running == {"kafka": True, "postgres": True}
        assert processes.alive(stranger)
    finally:
        processes.stop(stranger, signal.SIGKILL)


def test_servers_whose_record_was_lost_are_found_again(victim: Platform) -> None:
    _only_native(victim)
    before = (victim.kafka_pid, victim.postgres_pid)
    with victim.instance.update() as state:
        state.kafka.process = state.postgres.process = None
    again = start_again(victim)
    assert (again.kafka_pid, again.postgres_pid) == before


def test_a_first_start_that_was_killed_half_way_is_done_again(victim: Platform) -> None:
    _only_native(victim)
    folder = victim.instance.folder.with_name(victim.instance.folder.name + "-half")
    (folder / "postgres.new").mkdir(parents=True)
    (folder / "postgres.new" / "PG_VERSION").write_text("18\n")
    (folder / "kafka" / "data").mkdir(parents=True)
    (folder / "kafka" / "data" / "meta.properties").write_text("half\n")
    (folder / "state.json").write_text('{"kafka": {"por')
    with start_platform(folder, temporary=True, provider="native") as running:
        assert running.running == {"kafka": True, "postgres": True}
    assert not folder.exists(), "a temporary platform leaves nothing behind"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to run PostgreSQL as somebody else")
def test_root_gets_a_postgres_even_where_only_root_may_enter(victim: Platform) -> None:
    _only_native(victim)
    closed = victim.instance.folder.with_name(victim.instance.folder.name + "-closed")
    closed.mkdir(mode=0o700)
    folder = closed / "instance"
    try:
        with start_platform(folder, temporary=True, provider="native") as running:
            with psycopg.connect(running.admin_url) as connection:
                connection.execute("SELECT 1")
            data = running.instance.read().postgres.data
            assert data is not None
            assert not data.is_relative_to(closed)
        assert not data.exists()
    finally:
        closed.rmdir()


# --- servers of somebody else ---


def test_external_servers_are_used_and_left_as_they_are(
    victim: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = victim.instance.folder.with_name(victim.instance.folder.name + "-external")
    monkeypatch.setenv("OMS_KAFKA", victim.kafka)
    monkeypatch.setenv("OMS_POSTGRES", victim.admin_url)
    monkeypatch.setenv("OMS_DATABASE_PREFIX", "guest_")
    guest = start_platform(folder)
    try:
        assert {name: entry["provider"] for name, entry in guest.versions.items()} == {
            "kafka": "external",
            "postgres": "external",
        }
        url = guest.database_url("orders").replace("+psycopg", "")
        assert url.endswith("/guest_orders")
        psycopg.connect(url).close()
        start_platform(folder)  # a second time, with the roles there
        guest.stop()
        guest.close()
        assert victim.running == {"kafka": True, "postgres": True}

        guest.instance.forget_secrets()
        with pytest.raises(PlatformError, match="role guest_orders exists"):
            start_platform(folder)
    finally:
        for name in ("orders", "inventory", "fulfillment", "returns", "notifications"):
            victim.drop_database(within(victim.admin_url, f"guest_{name}"))
        guest.instance.remove()


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({"OMS_PLATFORM": "cloud"}, "OMS_PLATFORM"),
        ({"OMS_PLATFORM": "external"}, "OMS_KAFKA is not set"),
        ({"OMS_KAFKA": "127.0.0.1:1", "OMS_POSTGRES": "mysql://a@b/c"}, "OMS_POSTGRES"),
        ({"OMS_KAFKA": "127.0.0.1:1", "OMS_POSTGRES": "postgresql://a:b@127.0.0.1:1/c"}, "127.0.0.1:1"),
    ],
)
def test_wrong_settings_are_refused_with_their_name_and_the_remedy(
    variables: dict[str, str], complaint: str, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(PlatformError, match=complaint) as caught:
        start_platform(tmp_path / "instance")
    assert caught.value.remedy


def test_what_a_killed_test_run_left_is_removed_by_the_next(victim: Platform) -> None:
    _only_native(victim)
    folder = victim.instance.folder.parent / "sweep" / "left"
    left = start_platform(folder, temporary=True, provider="native")
    pids = [left.kafka_pid, left.postgres_pid]
    sweep(folder.parent)
    assert left.running == {"kafka": True, "postgres": True}, "its process lives, so it is in use"
    with left.instance.update() as state:
        assert state.owner is not None
        state.owner.identity = "it died"
    sweep(folder.parent)
    assert not any(processes.identity_of(pid) for pid in pids if pid is not None)
    assert not folder.exists()
