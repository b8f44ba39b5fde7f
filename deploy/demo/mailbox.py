"""A mail server for one machine: takes every mail and keeps it where it can be read.

    with Mailbox(folder) as mailbox:
        ... OMS_NOTIFICATIONS_SMTP_PORT=mailbox.port ...
        mailbox.messages()

In the folder: one `.eml` per mail (any mail program opens it), `index.jsonl` (a line per mail: file,
Message-ID, recipient, subject, time), and after `stop` an `index.html` that shows the latest.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import default
from html import escape
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiosmtpd.smtp import SMTP

_SHOWN = 300
_LARGEST = 10_000_000


@dataclass(frozen=True, slots=True)
class Kept:
    """A mail that came, as the index knows it."""

    file: str
    message_id: str
    recipient: str
    subject: str
    received_at: str


class Mailbox:
    """The server and what it took. It runs in a thread of its own; all methods may be called from anywhere.

    `refuse` is asked with each recipient and may return an SMTP answer such as `550 5.1.1 no such user`;
    `taken` is called after a mail was kept and before its sender hears so, and may return another answer.
    """

    def __init__(
        self,
        folder: Path,
        port: int = 0,
        *,
        refuse: Callable[[str], str | None] | None = None,
        taken: Callable[[Kept], str | None] | None = None,
    ) -> None:
        self.folder = folder
        self.port = port
        self.refuse = refuse
        self.taken = taken
        self._kept: list[Kept] = []
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._sessions: set[asyncio.BaseTransport] = set()

    def start(self) -> Self:
        """Listen; `port` is then the real one. A stopped mailbox may be started again, on the same port."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mailbox", daemon=True)
        self._thread.start()
        self._run(self._listen())
        return self

    def stop(self) -> None:
        """Stop listening, hang up, and write the page that shows what came. May be called twice."""
        if self._loop is None or self._thread is None:
            return
        self._run(self._hang_up())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._loop = None
        self._write_page()

    def messages(self) -> list[Kept]:
        """All mails kept so far, in the order they came; a mail that came twice is here twice."""
        with self._lock:
            return list(self._kept)

    def distinct(self) -> int:
        """How many different Message-IDs came."""
        return len({kept.message_id for kept in self.messages()})

    def read(self, kept: Kept) -> EmailMessage:
        """A mail, parsed."""
        message = message_from_bytes((self.folder / kept.file).read_bytes(), policy=default)
        assert isinstance(message, EmailMessage)
        return message

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- What aiosmtpd calls ---------------------------------------------------------------------------

    async def handle_RCPT(
        self, _server: SMTP, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        """Take a recipient or refuse it."""
        refusal = self.refuse(address) if self.refuse else None
        if refusal is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Any) -> str:
        """Keep a mail."""
        headers = BytesHeaderParser(policy=default).parsebytes(envelope.content.partition(b"\r\n\r\n")[0])
        with self._lock:
            kept = Kept(
                file=f"{len(self._kept) + 1:06d}.eml",
                message_id=str(headers["Message-ID"] or ""),
                recipient=", ".join(envelope.rcpt_tos),
                subject=str(headers["Subject"] or ""),
                received_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            )
            (self.folder / kept.file).write_bytes(envelope.content)
            with (self.folder / "index.jsonl").open("a", encoding="utf-8") as index:
                index.write(json.dumps(asdict(kept), ensure_ascii=False) + "\n")
            self._kept.append(kept)
        answer = self.taken(kept) if self.taken else None
        return answer or "250 2.0.0 OK"

    # --- Parts -----------------------------------------------------------------------------------------

    def _session(self) -> SMTP:
        return _Session(self, self._sessions, data_size_limit=_LARGEST, enable_SMTPUTF8=True, loop=self._loop)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.get_running_loop().create_server(self._session, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _hang_up(self) -> None:
        self._server.close()
        for transport in list(self._sessions):
            transport.close()
        await asyncio.sleep(0)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _write_page(self) -> None:
        rows = []
        for kept in reversed(self.messages()[-_SHOWN:]):
            body = self.read(kept).get_body(("html",))
            page = Path(kept.file).with_suffix(".html").name
            if body is not None:
                (self.folder / page).write_text(body.get_content(), encoding="utf-8")
            cells = (kept.received_at[:19].replace("T", " "), kept.recipient)
            link = f'<a href="{page if body is not None else kept.file}">{escape(kept.subject)}</a>'
            rows.append(
                "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + f"<td>{link}</td></tr>"
            )
        (self.folder / "index.html").write_text(
            _PAGE.format(count=len(self.messages()), rows="\n".join(rows))
        )


class _Session(SMTP):
    """One client, remembered so that it can be hung up on."""

    def __init__(self, handler: Mailbox, sessions: set[asyncio.BaseTransport], **options: Any) -> None:
        super().__init__(handler, **options)
        self._sessions = sessions

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came."""
        self._sessions.add(transport)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """It left."""
        self._sessions.discard(self.transport)
        super().connection_lost(error)


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Mails</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;margin:32px;color:#1f2937}}
td{{padding:4px 16px 4px 0;border-bottom:1px solid #eee;white-space:nowrap}}</style></head>
<body><h1>{count} mails</h1><p>The latest; all of them lie beside this page as .eml files.</p>
<table>
{rows}
</table></body></html>
"""
