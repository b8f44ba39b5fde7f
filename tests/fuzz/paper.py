"""What people get to see: mails and labels made of hostile names, addresses, titles and reasons.

A text from outside stays text: no header, no recipient, no element or link of a page, no template that runs, no
command for a label printer; and there is a mail and a label all the same.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from html.parser import HTMLParser
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from services.fulfillment.adapters.carriers import LocalCarrier
from services.fulfillment.domain.carrier import Consignment
from services.fulfillment.domain.shipment import Line, Shipment
from services.notifications.adapters.mail import SmtpMailer
from services.notifications.adapters.templates import FOLDER, Templates
from services.notifications.domain.contact import Contact
from services.notifications.domain.mail import Mail
from tests.fuzz.mutations import Mutator
from tests.fuzz.report import Report

_HEADERS = {
    "from", "to", "subject", "date", "message-id", "content-language", "auto-submitted", "reply-to", "mime-version",
    "content-type",
}  # fmt: skip
_FIXED = {"currency", "country", "line_id"}
_COMMANDS = re.compile(rb"\^[A-Z0-9@]{2}")
_ALLOWED_COMMANDS = {
    b"^XA", b"^CI", b"^PW", b"^LL", b"^LH", b"^FO", b"^A0", b"^FB", b"^FH", b"^FD", b"^FS", b"^GB", b"^BY", b"^BC",
    b"^XZ",
}  # fmt: skip


class _Page(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attributes}
        self.links += [value or "" for name, value in attributes if name in ("href", "src")]


def fuzz_mails(report: Report, seed: int, inputs: int, progress: Callable[[int], None]) -> None:
    """Render and compose so many mails."""
    random = Random(f"{seed}/mails")
    mutator = Mutator(random)
    templates = Templates(shop="Casa & Co", support="help@casa.example", zone=ZoneInfo("UTC"))
    mailer = SmtpMailer(
        host="127.0.0.1", port=25, security="none", user=None, password=None, timeout=1,
        sender="orders@casa.example", sender_name="Casa & Co", reply_to="help@casa.example",
    )  # fmt: skip
    samples = {name: json.loads((FOLDER / name / "sample.json").read_text()) for name in templates.languages}
    sound = {name: _Page(templates.sample(name, "en").html) for name in samples}
    for _ in range(inputs):
        name = random.choice(sorted(samples))
        contact = Contact(
            order_id="o", traceparent="", known=True, name=_text(mutator), external_id=_text(mutator), channel="shop",
            locale=random.choice(("en", "de", "pt_BR", "he_IL", "ar", "xx", "zh_TW")),
            titles={str(line): _text(mutator) for line in range(3)},
        )  # fmt: skip
        data = _hostile(samples[name]["data"], mutator)
        shown = ascii((name, contact, data))
        try:
            rendered = templates.render(name, contact, data)
            recipient = random.choice(
                ("ana@example.com", f"{_text(mutator)}@example.com", f"a@{_text(mutator)}")
            )
            mail = Mail("<d1@casa.example>", recipient, contact.name, rendered)
            try:
                content = mailer.compose(mail)
            except ValueError:
                # The address is none; nobody is told, and the delivery says so.
                report.check("mail", recipient != "ana@example.com", "a sound address is refused", shown)
                report.count("mail", "address refused")
                continue
        except Exception as error:
            report.found("mail", f"{name} cannot be made: {type(error).__name__}: {str(error)[:100]}", shown)
            continue
        finally:
            progress(1)
        report.count("mail", "made")
        page = _Page(rendered.html)
        report.check("mail", page.elements <= sound[name].elements, f"{name}: elements of a stranger", shown)
        report.check(
            "mail", page.attributes <= sound[name].attributes, f"{name}: attributes of a stranger", shown
        )
        bad = [
            link
            for link in page.links
            if not link.startswith(("http://", "https://", "mailto:help@casa.example"))
        ]
        report.check("mail", not bad, f"{name}: a link to {bad[:1]}", shown)
        report.check(
            "mail",
            "1337" not in rendered.html + rendered.text + rendered.subject,
            f"{name}: a template ran",
            shown,
        )
        message = message_from_bytes(content, policy=default)
        headers = {name.lower() for name in message.keys()}  # noqa: SIM118
        report.check("mail", headers <= _HEADERS, f"{name}: headers of a stranger", shown)
        report.check("mail", len(message["To"].addresses) == 1, f"{name}: another recipient", shown)
        plain = content.isascii() or not recipient.rpartition("@")[0].isascii()  # RFC 6531
        report.check("mail", plain, f"{name}: bytes beyond ASCII", shown)


async def fuzz_labels(report: Report, seed: int, inputs: int, progress: Callable[[int], None]) -> None:
    """Draw so many labels, half of them as PDF and half as ZPL."""
    random = Random(f"{seed}/labels")
    mutator = Mutator(random)
    carrier = LocalCarrier(gs1_prefix="0400000", tracking_url="https://t.test/{tracking_number}", font=None)
    parcel = Shipment("p", "order-1", "hub", (Line("l0", "sku", 2, 450),), datetime(2026, 1, 1, tzinfo=UTC))
    for number in range(inputs):
        fields = ("name", "street", "street2", "city", "region", "postal_code", "phone")
        address = {field: _text(mutator) for field in fields if random.random() < 0.8}
        goods = Consignment(parcel, {"country": "DE", "name": _text(mutator)}, {"country": "BR", **address})
        form = random.choice(("pdf", "zpl"))
        try:
            booking = await carrier.book(goods, number)
            label = await carrier.label(goods, booking, form)  # type: ignore[arg-type]
        except Exception as error:
            report.found("label", f"no {form}: {type(error).__name__}: {str(error)[:100]}", ascii(address))
            continue
        report.count("label", form)
        if form == "pdf":
            report.check(
                "label", label.startswith(b"%PDF-") and label.count(b"/Type /Page\n") == 1, "no page", address
            )
        else:
            found = set(_COMMANDS.findall(label))
            report.check(
                "label",
                found <= _ALLOWED_COMMANDS,
                f"printer commands of a stranger: {found}",
                ascii(address),
            )
            report.check(
                "label", b"~" not in label and label.count(b"^XA") == 1, "more than a label", ascii(address)
            )
        progress(1)


def _text(mutator: Mutator) -> str:
    """Hostile text as it can come out of a contract and a database: UTF-8 without NUL, not endless."""
    return mutator.text().encode("utf-8", "replace").decode().replace("\x00", "")[:200]


def _hostile(value: Any, mutator: Mutator, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _hostile(item, mutator, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_hostile(item, mutator, key) for item in value]
    if isinstance(value, str) and key not in _FIXED and not key.endswith("_at"):
        return _text(mutator)
    return value


__all__ = ["fuzz_labels", "fuzz_mails"]
