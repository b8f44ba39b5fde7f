"""Services as processes: started once, found again, stopped with patience. The services here are stand-ins."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from deploy.local import Platform, PlatformError, processes
from deploy.local.instance import Instance
from deploy.local.services import Services

pytestmark = pytest.mark.platform

STAND_IN = '''
import os, signal, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer

NAME = "{name}"
DATABASE, KAFKA = os.environ["OMS_{upper}_DATABASE_URL"], os.environ["OMS_KAFKA"]
if sys.argv[1] == "migrate":
    if os.environ.get("STAND_IN") == "no migration":
        sys.exit("the table is in the way")
    sys.exit(0)
if os.environ.get("STAND_IN") == "no start":
    sys.exit("it cannot be")
if os.environ.get("STAND_IN") == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
METRICS = """# TYPE oms_consumer_lag_records gauge
oms_consumer_lag_records{{topic="a",partition="0"}} 3
oms_consumer_lag_records{{topic="a",partition="1"}} 4
# TYPE oms_outbox_rows gauge
oms_outbox_rows 5
"""
began = time.monotonic()

class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        starting = self.path == "/ready" and time.monotonic() - began < 0.3
        self.send_response(503 if starting else 200)
        self.end_headers()
        self.wfile.write(METRICS.encode() if self.path == "/metrics" else b"ok")

HTTPServer(("127.0.0.1", int(os.environ["OMS_{upper}_HTTP_PORT"])), Answer).serve_forever()
'''
NAMES = ["orders", "inventory"]


class Stage:
    """A checkout with two stand-ins, and the services run from it."""

    def __init__(self, root: Path, platform: Platform) -> None:
        self.root = root
        self.platform = platform
        # Not the platform's own: the services of other tests may be known there.
        self.instance = Instance(root / "instance")
        for name in NAMES:
            folder = root / "services" / name
            folder.mkdir(parents=True)
            (folder / "__main__.py").write_text(STAND_IN.format(name=name, upper=name.upper()))
        self.services = self.behaving(None)

    def behaving(self, how: str | None) -> Services:
        extra = {} if how is None else {"STAND_IN": how}
        return Services(self.platform, root=self.root, any_port=True, extra=extra, instance=self.instance)


@pytest.fixture
def stage(tmp_path: Path, platform: Platform):
    stage = Stage(tmp_path, platform)
    yield stage
    stage.services.stop(patience=1)


def test_started_services_are_ready_and_say_how_they_are(stage: Stage) -> None:
    stage.services.start(NAMES)
    for name in NAMES:
        health = stage.services.health(name)
        assert (health.ready, health.lag, health.outbox) == (True, 7, 5)
        assert health.pid == stage.services.pid(name)
        assert stage.services.url(name).endswith(f":{health.port}")
    assert len({stage.services.port(name) for name in NAMES}) == 2


def test_a_second_start_leaves_them_alone(stage: Stage) -> None:
    stage.services.start(NAMES)
    before = [stage.services.pid(name) for name in NAMES]
    stage.behaving(None).start(NAMES)
    assert [stage.services.pid(name) for name in NAMES] == before


def test_changed_code_or_addresses_start_a_service_again(stage: Stage) -> None:
    stage.services.start(NAMES)
    orders, inventory = (stage.services.pid(name) for name in NAMES)
    later = time.time() + 10
    os.utime(stage.root / "services" / "orders" / "__main__.py", (later, later))
    stage.services.start(NAMES)
    assert stage.services.pid("orders") != orders
    assert stage.services.pid("inventory") == inventory
    Services(
        stage.platform, root=stage.root, any_port=True, topic_prefix="other.", instance=stage.instance
    ).start(NAMES)
    assert stage.services.pid("inventory") != inventory


def test_after_kill_9_it_comes_back_on_its_port(stage: Stage) -> None:
    stage.services.start(NAMES)
    port = stage.services.port("orders")
    stage.services.kill("orders")
    assert stage.services.health("orders").problem == "not running"
    stage.services.start(NAMES)
    assert stage.services.port("orders") == port
    assert stage.services.health("orders").ready


def test_a_taken_port_is_replaced(stage: Stage) -> None:
    stage.services.start(["orders"])
    port = stage.services.port("orders")
    stage.services.kill("orders")
    with socket.create_server(("127.0.0.1", port)):
        stage.services.start(["orders"])
    assert stage.services.port("orders") != port
    assert stage.services.health("orders").ready


def test_stop_is_patient_and_says_who_had_to_be_killed(stage: Stage) -> None:
    stage.services.start(["orders"])
    stage.behaving("deaf").start(["inventory"])
    pids = [stage.services.pid(name) for name in NAMES]
    assert stage.services.stop(patience=1) == ["inventory"]
    assert not any(processes.identity_of(pid) for pid in pids)
    assert stage.services.stop() == []


def test_stop_does_not_touch_a_process_that_inherited_the_id(stage: Stage) -> None:
    stage.services.start(["orders"])
    stage.services.stop()
    stranger = processes.start(
        ["sleep", "60"], log=stage.root / "stranger.log", folder=stage.root, environment={}
    )
    with stage.instance.update() as state:
        state.services["orders"].process = processes.ProcessRecord(
            pid=stranger.pid, identity="an earlier life"
        )
    stage.services.stop()
    stage.services.kill("orders")
    assert processes.alive(stranger)
    processes.stop(stranger, signal.SIGKILL)


@pytest.mark.parametrize(
    ("how", "complaint"),
    [
        ("no migration", "migrating its database failed: the table is in the way"),
        ("no start", "orders is not ready: it ended: it cannot be"),
    ],
)
def test_what_goes_wrong_is_said_with_the_service_and_its_log(stage: Stage, how: str, complaint: str) -> None:
    with pytest.raises(PlatformError, match=complaint) as caught:
        stage.behaving(how).start(["orders"])
    assert "orders.log" in caught.value.remedy


def test_an_unknown_service_is_refused(stage: Stage) -> None:
    with pytest.raises(PlatformError, match="there is no service returns"):
        stage.services.start(["returns"])
