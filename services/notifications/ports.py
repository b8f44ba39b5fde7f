"""What the service needs from outside Kafka and PostgreSQL; `adapters` has the real ones, `app` hands them in."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from services.notifications.domain.contact import Contact
from services.notifications.domain.mail import Answer, Mail, Rendered
from shared.value_object import value_object


class Unrenderable(Exception):
    """A template and its data do not fit, or the mail cannot be made; says which and why, never a person's data."""


class MailServerAway(ConnectionError):
    """The mail server does not answer, or will not serve us (password, TLS, sender); no mail is at fault."""


class Renderer(Protocol):
    """Fills templates in."""

    @property
    def languages(self) -> Mapping[str, tuple[str, ...]]:
        """Template -> the languages it exists in."""

    def render(self, template: str, contact: Contact, data: Mapping[str, Any]) -> Rendered:
        """A template for this person; raises Unrenderable."""

    def sample(self, template: str, locale: str) -> Rendered:
        """A template with example data; raises KeyError for an unknown template."""


class Line(Protocol):
    """One connection to the mail server. Not for two mails at once."""

    async def send(self, mail: Mail) -> Answer:
        """Hand one mail over; never raises for what a server or a mail can do wrong."""


class Mailer(Protocol):
    """The mail server."""

    def connect(self) -> AbstractAsyncContextManager[Line]:
        """A connection for the length of a block; raises MailServerAway."""


@value_object
class Ports:
    """Handed to the service by `app`."""

    renderer: Renderer
    mailer: Mailer
