"""Mails as bytes: what a mail server is given."""

from email import message_from_bytes
from email.header import Header
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifications.adapters.formats import plain
from services.notifications.adapters.mail import SmtpMailer
from services.notifications.domain.mail import Mail, Rendered

MAILER = SmtpMailer(
    host="127.0.0.1", port=25, security="none", user=None, password=None, timeout=1, sender="orders@casa.example",
    sender_name="Casa, Müller & Co", reply_to="help@casa.example",
)  # fmt: skip
HEADERS = {
    "from", "to", "subject", "date", "message-id", "content-language", "auto-submitted", "reply-to", "mime-version",
    "content-type",
}  # fmt: skip


def mail(*, name: str | None = "Ana", subject: str = "Hello", recipient: str = "ana@example.com") -> Mail:
    return Mail("<d1@casa.example>", recipient, name, Rendered(subject, "Olá 山田\n", "<p>Olá</p>", "pt_BR"))


def parsed(content: bytes) -> EmailMessage:
    message = message_from_bytes(content, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def test_a_mail_has_both_bodies_and_travels_in_seven_bits() -> None:
    content = MAILER.compose(mail(name="Zoë Groß", subject="Größe"))
    assert content.isascii()
    message = parsed(content)
    assert message["To"].addresses[0].display_name == "Zoë Groß"
    assert message["From"].addresses[0].display_name == "Casa, Müller & Co"
    assert message["Subject"] == "Größe"
    assert message["Message-ID"] == "<d1@casa.example>"
    assert message["Content-Language"] == "pt-BR"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_body(("plain",)).get_content() == "Olá 山田\r\n"  # type: ignore[union-attr]
    assert message.get_body(("html",)).get_content() == "<p>Olá</p>"  # type: ignore[union-attr]


ENCODED = st.text(max_size=20).map(lambda text: Header(f"x\r\n{text}", "utf-8").encode())
TEXT = st.one_of(st.text(max_size=60), ENCODED, st.tuples(ENCODED, st.text(max_size=9), ENCODED).map("".join))


@given(name=TEXT, subject=TEXT)
def test_no_name_and_no_subject_makes_a_header_of_its_own(name: str, subject: str) -> None:
    message = parsed(MAILER.compose(mail(name=name, subject=subject)))
    assert {header.lower() for header in message.keys()} == HEADERS  # noqa: SIM118 - a message is no dict
    (recipient,) = message["To"].addresses
    assert recipient.addr_spec == "ana@example.com"
    # Blanks apart: Python's parser leaves one between two encoded words of a name, which are one text.
    assert "".join(recipient.display_name.split()) == "".join(plain(name).split())
    assert " ".join(message["Subject"].split()) == plain(subject)
    assert not any((message.defects, message["To"].defects, message["Subject"].defects))


@given(body=st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc")), max_size=400))
def test_bodies_arrive_as_they_were_written(body: str) -> None:
    content = Rendered("x", f"{body}\nsecond line\n", f"<p>{body}</p>", "en")
    message = parsed(MAILER.compose(Mail("<d1@x>", "ana@example.com", None, content)))
    assert message.get_body(("plain",)).get_content().replace("\r\n", "\n") == content.text  # type: ignore[union-attr]
    assert message.get_body(("html",)).get_content() == content.html  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "name",
    ["Ana\r\nBcc: all@evil.example", "Ana\nX: y", "=?utf-8?q?Ana=0D=0ABcc:=20x@evil.example?=", '"<a@evil>'],
)
def test_line_ends_in_names_stay_in_the_name(name: str) -> None:
    message = parsed(MAILER.compose(mail(name=name)))
    assert message["Bcc"] is None
    assert message["X"] is None
    assert [address.addr_spec for address in message["To"].addresses] == ["ana@example.com"]


@pytest.mark.parametrize(
    "recipient",
    [
        "a,b@example.com",
        "a b@example.com",
        "@example.com",
        "ana@",
        "a@b@example.com",
        "a..b@example.com",
        "ana@b c",
        "=?utf-8?q?x=0D=0ABcc:y?=@example.com",
        '"a"@example.com',
        "ana@=?utf-8?q?=0D=0A?=",
    ],
)
def test_what_is_no_address_is_refused_before_anything_is_sent(recipient: str) -> None:
    with pytest.raises(ValueError):
        MAILER.compose(mail(recipient=recipient))


def test_domains_with_letters_travel_in_their_ascii_form() -> None:
    message = parsed(MAILER.compose(mail(recipient="ana@müller.example")))
    assert message["To"].addresses[0].addr_spec == "ana@xn--mller-kva.example"


def test_local_parts_with_letters_travel_as_utf8() -> None:
    content = MAILER.compose(mail(recipient="jürgen@example.com"))
    assert "jürgen@example.com".encode() in content


def test_a_long_name_with_a_comma_is_not_two_recipients() -> None:
    name = "Müller, Hans <all@evil.example>, " + "x" * 50
    (recipient,) = parsed(MAILER.compose(mail(name=name)))["To"].addresses
    assert recipient.addr_spec == "ana@example.com"
    assert recipient.display_name.startswith("Müller, Hans <all@evil.example>, xxx")
