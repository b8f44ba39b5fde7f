"""The SMTP adapter against real servers: encryption, login, and servers that hang up at the worst moment."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from deploy.demo.mailbox import Mailbox
from services.notifications.adapters.mail import SmtpMailer
from services.notifications.domain.mail import Accepted, Deferred, Mail, Refused, Rendered, Unsent
from services.notifications.ports import MailServerAway


def mailer(port: int, **changes: Any) -> SmtpMailer:
    settings: dict[str, Any] = {
        "host": "localhost", "port": port, "security": "none", "user": None, "password": None, "timeout": 2.0,
        "sender": "orders@casa.example", "sender_name": "Casa", "reply_to": None,
    }  # fmt: skip
    return SmtpMailer(**(settings | changes))


def mail(recipient: str = "ana@example.com") -> Mail:
    return Mail("<d1@casa.example>", recipient, "Ana", Rendered("Hello", "Hello\n", "<p>Hello</p>", "en"))


class Server:
    """Takes mails from who may send them; `refuse` answers MAIL FROM, `drop` ends the connection at a command."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.refuse: str | None = None
        self.drop: dict[str, int] = {}
        self.connections = 0

    def _maybe_drop(self, server: SMTP, command: str) -> None:
        if self.drop.get(command, 0) > 0:
            self.drop[command] -= 1
            server.transport.abort()

    async def handle_MAIL(
        self, server: SMTP, _s: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        self._maybe_drop(server, "MAIL")
        envelope.mail_from = address
        return self.refuse or "250 OK"

    async def handle_RCPT(
        self, server: SMTP, _s: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        self._maybe_drop(server, "RCPT")
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Any, envelope: Any) -> str:
        self.taken.append(envelope.content)
        self._maybe_drop(server, "DATA")
        return "250 OK"


@asynccontextmanager
async def serving(handler: Server, **options: Any) -> AsyncIterator[int]:
    def session() -> SMTP:
        handler.connections += 1
        return SMTP(handler, **options)

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost that nobody but its owner trusts, with its key in the same file."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return certificate


def server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    return context


def authenticator(user: bytes, password: bytes) -> Callable[..., AuthResult]:
    def check(_server: SMTP, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        return AuthResult(success=(given.login, given.password) == (user, password), handled=False)

    return check


async def test_it_encrypts_and_logs_in(certificate: Path) -> None:
    handler = Server()
    options = {
        "tls_context": server_context(certificate), "require_starttls": True, "auth_required": True,
        "authenticator": authenticator(b"shop", b"right"),
    }  # fmt: skip
    login = {"security": "starttls", "certificates": str(certificate), "user": "shop"}
    async with serving(handler, **options) as port:
        async with mailer(port, **login, password="right").connect() as line:
            assert await line.send(mail()) == Accepted()
        with pytest.raises(MailServerAway, match="535"):
            async with mailer(port, **login, password="wrong").connect():
                pass
        with pytest.raises(MailServerAway, match="certificate|CERTIFICATE"):
            async with mailer(port, security="starttls").connect():
                pass
    assert len(handler.taken) == 1


async def test_a_server_without_starttls_is_not_spoken_to_in_the_clear() -> None:
    async with serving(Server()) as port:
        with pytest.raises(MailServerAway, match="STARTTLS"):
            async with mailer(port, security="starttls").connect():
                pass


async def test_nobody_there_is_said_so() -> None:
    with pytest.raises(MailServerAway, match="SMTPConnectError"):
        async with mailer(9).connect():
            pass


async def test_a_connection_the_server_closed_between_two_mails_is_opened_again() -> None:
    handler = Server()
    handler.drop = {"MAIL": 1}
    async with serving(handler) as port, mailer(port).connect() as line:
        assert await line.send(mail()) == Accepted()
        handler.drop = {"RCPT": 1}
        assert await line.send(mail()) == Accepted()
    assert len(handler.taken) == 2
    assert handler.connections == 3


async def test_a_connection_lost_after_the_text_leaves_it_open_whether_the_mail_was_taken() -> None:
    handler = Server()
    handler.drop = {"DATA": 1}
    async with serving(handler) as port, mailer(port).connect() as line:
        assert isinstance(await line.send(mail()), Deferred)
        assert await line.send(mail()) == Accepted()
    assert len(handler.taken) == 2


async def test_a_mail_at_which_the_server_always_hangs_up_does_not_hold_up_the_others() -> None:
    handler = Server()
    handler.drop = {"RCPT": 2}
    async with serving(handler) as port, mailer(port).connect() as line:
        assert isinstance(await line.send(mail()), Deferred)
        assert await line.send(mail()) == Accepted()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [("550 5.7.1 sender not allowed", Unsent), ("451 4.3.0 busy", Unsent), ("552 5.3.4 too large", Refused)],
)
async def test_what_the_server_has_against_us_is_not_held_against_the_mail(answer: str, kind: type) -> None:
    handler = Server()
    handler.refuse = answer
    async with serving(handler) as port, mailer(port).connect() as line:
        assert isinstance(await line.send(mail()), kind)
        handler.refuse = None
        assert await line.send(mail()) == Accepted()


async def test_a_server_that_says_nothing_is_not_waited_for_longer_than_the_timeout() -> None:
    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        with pytest.raises(MailServerAway, match="Timeout"):
            async with mailer(server.sockets[0].getsockname()[1], timeout=0.2).connect():
                pass


async def test_addresses_with_letters_of_other_scripts_go_where_the_server_takes_them(
    mailbox: Mailbox,
) -> None:
    async with mailer(mailbox.port).connect() as line:
        assert await line.send(mail("jürgen@müller.example")) == Accepted()
    async with serving(Server(), enable_SMTPUTF8=False) as port, mailer(port).connect() as line:
        assert isinstance(await line.send(mail("jürgen@example.com")), Refused)
        assert isinstance(await line.send(mail("a..b@example.com")), Refused)
        assert await line.send(mail("ana@müller.example")) == Accepted()
    (kept,) = mailbox.messages()
    assert kept.recipient == "jürgen@xn--mller-kva.example"
