"""The mail server, spoken to by SMTP (RFC 5321)."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Literal

from aiosmtplib import SMTP as Client
from aiosmtplib import (
    SMTPException,
    SMTPHeloError,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from services.notifications.adapters.formats import plain
from services.notifications.adapters.mime import address_header, ascii_domain, message, text_header
from services.notifications.domain.mail import Accepted, Answer, Deferred, Mail, Refused, Unsent
from services.notifications.ports import MailServerAway

Security = Literal["none", "starttls", "tls"]

_GONE = (SMTPServerDisconnected, SMTPTimeoutError, OSError)
_CLOSING = 421
_TOO_LARGE = 552
_ENHANCED_CODE = re.compile(r"^[245]\.\d{1,3}\.\d{1,3}(?=\s|$)")


class SmtpMailer:
    """The mail server at one address. `sender` is the From address, `sender_name` how it is shown."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        security: Security,
        user: str | None,
        password: str | None,
        timeout: float,
        sender: str,
        sender_name: str,
        reply_to: str | None,
        certificates: str | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._security = security
        self._user = user
        self._password = password
        self._timeout = timeout
        self._sender = sender
        self._sender_name = sender_name
        self._reply_to = reply_to
        self._tls = ssl.create_default_context(cafile=certificates) if security != "none" else None

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["SmtpLine"]:
        """A connection, logged in; raises MailServerAway."""
        client = Client(
            hostname=self._host,
            port=self._port,
            local_hostname=self._sender.rpartition("@")[2],  # else looked up in DNS, which may hang
            username=self._user,
            password=self._password,
            timeout=self._timeout,
            use_tls=self._security == "tls",
            start_tls=self._security == "starttls",
            tls_context=self._tls,
        )
        line = SmtpLine(client, self, self._timeout)
        await line.open()
        try:
            yield line
        finally:
            await line.close()

    def compose(self, mail: Mail) -> bytes:
        """The mail as it travels. Raises ValueError for an address that cannot be one."""
        headers = {
            "From": address_header(self._sender_name, self._sender),
            "To": address_header(mail.name or "", mail.recipient),
            "Subject": text_header(mail.content.subject),
            "Message-ID": mail.message_id,
            "Auto-Submitted": "auto-generated",  # RFC 3834: keeps holiday notices from answering
        }
        if self._reply_to:
            headers["Reply-To"] = self._reply_to
        return message(headers, mail.content)

    @property
    def sender(self) -> str:
        """The envelope's sender, where bounces go."""
        return self._sender


class SmtpLine:
    """One connection, opened again by itself when the server closed it between two mails."""

    def __init__(self, client: Client, mailer: SmtpMailer, timeout: float) -> None:
        self._client = client
        self._mailer = mailer
        self._timeout = timeout

    async def open(self) -> None:
        """Connect, secure, log in; raises MailServerAway."""
        self._client.close()
        try:
            await self._client.connect()
            if self._client.is_ehlo_or_helo_needed:
                await self._greet()
        except (SMTPException, OSError) as error:
            raise MailServerAway(_text(error)) from error

    async def _greet(self) -> None:
        """Learn what the server can do; an old one can nothing beyond RFC 821."""
        try:
            await self._client.ehlo()
        except SMTPHeloError:
            await self._client.helo()

    async def close(self) -> None:
        """Say goodbye if anybody listens."""
        with suppress(SMTPException, OSError):
            await self._client.quit()
        self._client.close()

    async def send(self, mail: Mail) -> Answer:
        """Hand one mail over, within three times the timeout of one command."""
        international = not mail.recipient.rpartition("@")[0].isascii()
        try:
            content = self._mailer.compose(mail)
        except ValueError as error:
            return Refused(f"not a mail address: {error}", "bad address")
        try:
            async with asyncio.timeout(3 * self._timeout):
                return await self._hand_over(mail, content, international)
        except MailServerAway as error:
            return Unsent(str(error))
        except (SMTPException, OSError) as error:
            self._client.close()
            return Deferred(_text(error))

    async def _hand_over(self, mail: Mail, content: bytes, international: bool) -> Answer:
        """Envelope, then content. Raises what `_GONE` names: then nobody knows whether the mail was taken.

        Servers end connections after some mails or some time. When that shows before the content was
        sent, the mail was surely not taken, so a new connection is tried, once.
        """
        try:
            if not self._client.is_connected:
                await self.open()
            refused = await self._envelope(mail, len(content), international)
        except MailServerAway:
            raise
        except _GONE:
            await self.open()
            refused = await self._envelope(mail, len(content), international)
        if refused is not None:
            return refused
        try:
            await self._client.data(content)
        except SMTPResponseException as error:
            return await self._judge(error)
        return Accepted()

    async def _envelope(self, mail: Mail, size: int, international: bool) -> Answer | None:
        """Say from whom and to whom; None if the content may follow. Raises what `_GONE` names."""
        options = [f"SIZE={size}"] if self._client.supports_extension("size") else []
        if international:
            if not self._client.supports_extension("smtputf8"):
                return Refused("the mail server takes no addresses with these letters", "553 5.6.7")
            options.append("SMTPUTF8")
        encoding = "utf-8" if international else "ascii"
        try:
            await self._client.mail(self._mailer.sender, options=options, encoding=encoding)
        except SMTPSenderRefused as error:
            if error.code == _CLOSING:
                raise SMTPServerDisconnected(_text(error)) from error
            if error.code == _TOO_LARGE or international:
                return await self._judge(error)
            # What the server has against the sender, that is us, is not held against the mail.
            await self._judge(error)
            return Unsent(_text(error))
        try:
            await self._client.rcpt(ascii_domain(mail.recipient), encoding=encoding)
        except SMTPRecipientRefused as error:
            return await self._judge(error)
        return None

    async def _judge(self, error: SMTPResponseException) -> Answer:
        """What the server's refusal means for the mail; resets the envelope for the next one."""
        with suppress(SMTPException, OSError):
            await self._client.rset()
        if 500 <= error.code < 600:
            enhanced = _ENHANCED_CODE.match(error.message)
            return Refused(_text(error), f"{error.code} {enhanced[0]}" if enhanced else str(error.code))
        return Deferred(_text(error))


def _text(error: BaseException) -> str:
    if isinstance(error, SMTPResponseException):
        return plain(f"{error.code} {error.message}")[:500]
    return plain(f"{type(error).__name__}: {error}")[:500]
