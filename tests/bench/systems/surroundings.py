"""What the suite talks to beside Kafka and PostgreSQL, at the least cost: a trace collector and a mail server that
take everything and keep nothing. They run in the benchmark's own process; its CPU counts as the client's."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.local import ports


class Surroundings:
    """Both servers, for as long as the block."""

    def __init__(self) -> None:
        self._collector = ThreadingHTTPServer(("127.0.0.1", 0), _Collector)
        self._collector.daemon_threads = True
        self._mail = Controller(_Mails(), hostname="127.0.0.1", port=ports.choose(None, ()))

    @property
    def environment(self) -> dict[str, str]:
        """The settings by which services find them."""
        return {
            "OMS_OTLP_ENDPOINT": f"http://127.0.0.1:{self._collector.server_address[1]}",
            "OMS_NOTIFICATIONS_SMTP_HOST": "127.0.0.1",
            "OMS_NOTIFICATIONS_SMTP_PORT": str(self._mail.port),
            "OMS_NOTIFICATIONS_SMTP_SECURITY": "none",
            # Notifications are written and wait: mails go out at a pace of their own, whatever the rate of orders, and
            # each says so by an event, so that nothing would ever come to rest.
            "OMS_NOTIFICATIONS_SMTP_PER_SECOND": "0.001",
        }

    def __enter__(self) -> Self:
        threading.Thread(target=self._collector.serve_forever, daemon=True).start()
        self._mail.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._mail.stop()
        self._collector.shutdown()
        self._collector.server_close()


class _Mails:
    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        return "250 taken"


class _Collector(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass
