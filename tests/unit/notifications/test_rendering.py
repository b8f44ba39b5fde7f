"""Every template reads well in every language, and nothing a customer or shop wrote becomes more than text."""

import json
from html.parser import HTMLParser
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.notifications.adapters.formats import plain, web_address
from services.notifications.adapters.templates import FOLDER, Templates
from services.notifications.domain.contact import Contact
from services.notifications.ports import Unrenderable

TEMPLATES = Templates(shop="Casa & Co", support="help@casa.example", zone=ZoneInfo("UTC"))
ALL = [(template, language) for template, languages in TEMPLATES.languages.items() for language in languages]
HOSTILE = "{{ 7*191 }}{% raw %}<script>alert(1)</script>\r\nBcc: all@evil.example\u2028\x00\u202e\"'"


def sample(template: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / template / "sample.json").read_text())
    return found


class Tags(HTMLParser):
    """Which elements and links a page has, and whether every one of them is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.links += [value or "" for name, value in attributes if name in ("href", "src")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def hostile(value: Any) -> Any:
    """The same document with every free text replaced."""
    if isinstance(value, dict):
        fixed = ("currency", "country", "line_id")
        return {
            key: item if key in fixed or key.endswith("_at") else hostile(item) for key, item in value.items()
        }
    if isinstance(value, list):
        return [hostile(item) for item in value]
    return HOSTILE if isinstance(value, str) else value


def test_all_seven_templates_exist_in_three_languages() -> None:
    assert set(TEMPLATES.languages) == {
        "order_confirmed", "shipment_dispatched", "shipment_delivered", "order_cancelled", "return_authorized",
        "parcel_returned", "refund_issued",
    }  # fmt: skip
    assert set(TEMPLATES.languages.values()) == {("de", "en", "pt_BR")}


@pytest.mark.parametrize(("template", "language"), ALL)
def test_a_template_says_whom_it_is_for_and_what_it_is_about(template: str, language: str) -> None:
    rendered = TEMPLATES.sample(template, language)
    assert rendered.language == language
    assert "100042" in rendered.subject
    assert "\n" not in rendered.subject
    for body in (rendered.text, rendered.html):
        assert "Ana Müller" in body
        assert "100042" in body
        assert "help@casa.example" in body
        assert "{" not in body.replace("{{", "{")
    assert "Casa &amp; Co" in rendered.html
    assert "\n\n\n" not in rendered.text
    page = Tags(rendered.html)
    assert page.open == []
    assert f'<html lang="{language.replace("_", "-")}">' in rendered.html


@pytest.mark.parametrize(("template", "language"), ALL)
def test_no_value_becomes_markup_header_or_template(template: str, language: str) -> None:
    known = sample(template)
    contact = Contact(
        order_id="o", traceparent="", known=True, locale=language, name=HOSTILE, external_id=HOSTILE,
        titles={"1": HOSTILE, "2": HOSTILE},
    )  # fmt: skip
    rendered = TEMPLATES.render(template, contact, hostile(known["data"]))
    for part in (rendered.subject, rendered.text, rendered.html):
        assert "\r" not in part
        assert "\u2028" not in part
        assert "\x00" not in part
        assert "\u202e" not in part
        assert "{{ 7*191 }}{% raw %}" in part
        assert "1337" not in part
    assert "\n" not in rendered.subject
    assert "\nBcc" not in rendered.text
    page = Tags(rendered.html)
    assert page.open == []
    assert "script" not in page.seen
    assert all(link.startswith("mailto:help@") for link in page.links)


@pytest.mark.parametrize(
    ("locale", "language", "total"),
    [
        ("en", "en", "€1,235.64"),
        ("en_GB", "en", "€1,235.64"),
        ("de", "de", "1.235,64\xa0€"),
        ("de-AT", "de", "€\xa01.235,64"),
        ("de_CH", "de", "EUR\xa01’235.64"),
        ("pt", "pt_BR", "€\xa01.235,64"),
        ("pt_PT", "pt_BR", "1\xa0235,64\xa0€"),
        ("pt_BR", "pt_BR", "€\xa01.235,64"),
        ("fr_FR", "en", "€1,235.64"),  # no French templates: English with English numbers
        ("de_ZZ", "de", "1.235,64\xa0€"),  # no such place
        ("xx", "en", "€1,235.64"),
    ],
)
def test_languages_fall_back(locale: str, language: str, total: str) -> None:
    rendered = TEMPLATES.sample("order_confirmed", locale)
    assert rendered.language == language
    assert total in rendered.text.replace("\u202f", "\xa0")
    assert total in rendered.html.replace("\u202f", "\xa0")


def test_a_nameless_customer_is_greeted_all_the_same() -> None:
    contact = Contact(order_id="o", traceparent="", known=True, external_id="7")
    assert TEMPLATES.render("order_cancelled", contact, {"ground": ""}).text.startswith("Hello,\n")


def test_lines_have_the_customers_words_or_else_the_sku() -> None:
    lines = [{"line_id": "1", "sku": "A-1", "quantity": 1}, {"line_id": "2", "sku": "B-2", "quantity": 1200}]
    contact = Contact(order_id="o", traceparent="", known=True, titles={"1": "Teapot"})
    text = TEMPLATES.render("parcel_returned", contact, {"lines": lines, "more_lines": 950}).text
    assert "1 x Teapot\n1,200 x B-2\nand 950 more\n" in text


@pytest.mark.parametrize("ground", ["asked", "stock", "payment", ""])
def test_a_cancellation_gives_the_reason_only_where_there_are_words_for_it(ground: str) -> None:
    contact = Contact(order_id="o", traceparent="", known=True, external_id="7")
    text = TEMPLATES.render("order_cancelled", contact, {"ground": ground}).text
    words = {"asked": "were asked to", "stock": "in stock", "payment": "the payment"}
    assert [key for key, value in words.items() if value in text] == ([ground] if ground else [])


def test_what_does_not_fit_its_template_is_named_without_its_content() -> None:
    contact = Contact(order_id="o", traceparent="", known=True, name="Ana Müller")
    with pytest.raises(Unrenderable, match=r"^refund_issued: UndefinedError$"):
        TEMPLATES.render("refund_issued", contact, {})
    with pytest.raises(Unrenderable, match="nothing"):
        TEMPLATES.render("nothing", contact, {})


def test_a_fallback_language_without_templates_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="fallback language fr"):
        Templates(shop="x", support=None, zone=ZoneInfo("UTC"), fallback="fr")


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("https://carrier.example/t?a=1&b=2", True),
        ("http://carrier.example", True),
        ("javascript:alert(1)", False),
        ("JavaScript://carrier.example/%0aalert(1)", False),
        ("data:text/html,x", False),
        ("//carrier.example", False),
        ("https://", False),
        ("https://[broken", False),
        ("", False),
    ],
)
def test_mails_link_to_web_pages_only(url: str, taken: bool) -> None:
    assert (web_address(url) == url) is taken


def test_plain_keeps_letters_of_every_script() -> None:
    assert plain(" José\u0301\t\n 山田 👩‍👩‍👧 ") == "José\u0301 山田 👩‍👩‍👧"
