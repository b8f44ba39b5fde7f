"""Templates: one folder each, in it one folder per language with subject.txt, text.txt and body.html.

What comes from outside is only ever a *value* (template syntax in a name stays text), is one line
(`formats.plain`), and is escaped in HTML. The sandbox keeps a template from reaching Python itself.
"""

import json
import re
from collections.abc import Mapping
from datetime import tzinfo
from functools import lru_cache
from pathlib import Path
from typing import Any

from babel import Locale, UnknownLocaleError
from jinja2 import FileSystemLoader, StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from services.notifications.adapters.formats import Formats, carrier_name, plain, plain_values, web_address
from services.notifications.domain.contact import Contact
from services.notifications.domain.mail import Rendered
from services.notifications.ports import Unrenderable

FOLDER = Path(__file__).parents[1] / "templates"
LAYOUT = "layout"
_BLANK_LINES = re.compile(r"\n{3,}")


class Templates:
    """All templates of the service. `fallback` is the language for people whose own is not among them."""

    def __init__(self, *, shop: str, support: str | None, zone: tzinfo, fallback: str = "en") -> None:
        self._shop = plain(shop)
        self._support = support
        self._zone = zone
        self._fallback = fallback
        self._environment = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader(FOLDER),
            autoescape=lambda name: name is not None and name.endswith(".html"),
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {"web_address": web_address, "carrier": carrier_name}
        self.languages = {
            folder.name: tuple(sorted(part.name for part in folder.iterdir() if part.is_dir()))
            for folder in sorted(FOLDER.iterdir())
            if folder.is_dir() and folder.name != LAYOUT
        }
        """Template -> the languages it exists in."""
        for template, languages in self.languages.items():
            if fallback not in languages:
                raise ValueError(f"template {template} does not exist in the fallback language {fallback}")

    def render(self, template: str, contact: Contact, data: Mapping[str, Any]) -> Rendered:
        """Fill a template in, in the contact's language and for their locale.

        Raises Unrenderable when the data does not fit it, or there is no such template.
        """
        try:
            return self._fill_in(template, contact, data)
        except (TemplateError, LookupError, TypeError, ValueError, ArithmeticError) as error:
            # Not the message: it may quote what somebody is called.
            raise Unrenderable(f"{template}: {type(error).__name__}") from error

    def _fill_in(self, template: str, contact: Contact, data: Mapping[str, Any]) -> Rendered:
        language, locale = self._tongue(template, contact.locale)
        formats = _formats(locale, self._zone)
        values = plain_values(_titled(data, contact.titles)) | {
            "f": formats,
            "shop": self._shop,
            "support": self._support,
            "name": plain(contact.name or ""),
            "order": plain(contact.external_id),
            "language": language.replace("_", "-"),
        }
        subject, text, html = (
            self._environment.get_template(f"{template}/{language}/{part}").render(values)
            for part in ("subject.txt", "text.txt", "body.html")
        )
        return Rendered(
            subject=plain(subject),
            text=_BLANK_LINES.sub("\n\n", text).strip() + "\n",
            html=html,
            language=language,
        )

    def sample(self, template: str, locale: str) -> Rendered:
        """A template filled in with the example that lies beside it; raises KeyError for an unknown one."""
        if template not in self.languages:
            raise KeyError(template)
        sample = json.loads((FOLDER / template / "sample.json").read_text(encoding="utf-8"))
        contact = Contact(order_id="", traceparent="", known=True, locale=locale, **sample["contact"])
        return self.render(template, contact, sample["data"])

    def _tongue(self, template: str, locale: str) -> tuple[str, str]:
        """The language of the text and the locale of its numbers.

        The exact locale, else the same language of another country (pt -> pt_BR, numbers as in pt), else
        the fallback with its own numbers: an English text with French numbers helps nobody.
        """
        wanted = locale.replace("-", "_")
        languages = self.languages[template]
        if wanted in languages:
            return wanted, wanted
        tongue = wanted.partition("_")[0]
        for language in languages:
            if language.partition("_")[0] == tongue:
                return language, wanted if _known(wanted) else language
        return self._fallback, self._fallback


def _titled(data: Mapping[str, Any], titles: Mapping[str, str]) -> dict[str, Any]:
    """The data with a title on each line: the customer's word for it, else the SKU."""
    lines = data.get("lines", ())
    titled = [line | {"title": titles.get(line["line_id"]) or line["sku"]} for line in lines]
    return {**data, "lines": titled} if lines else dict(data)


@lru_cache(maxsize=256)
def _known(locale: str) -> bool:
    try:
        Locale.parse(locale)
    except (UnknownLocaleError, ValueError):
        return False
    return True


@lru_cache(maxsize=256)
def _formats(locale: str, zone: tzinfo) -> Formats:
    return Formats(Locale.parse(locale), zone)
