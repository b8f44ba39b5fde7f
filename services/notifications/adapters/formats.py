"""How money, dates, places and other values look in a person's language (CLDR, by Babel)."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any
from urllib.parse import urlsplit

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal, parse_pattern

from services.notifications.domain.money import amount, exponent

_BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")
_LETTER_MEETS_DIGIT = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")


def plain(text: str) -> str:
    """One line of text: every run of blanks, line ends and control characters becomes one space.

    Also drops the marks that turn the direction of reading, with which a name could disguise what follows.
    """
    kept = (" " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char for char in text)
    return " ".join("".join(char for char in kept if char not in _BIDIRECTIONAL).split())


def plain_values(value: Any) -> Any:
    """A copy of a document in which every text is one line, however deep it lies."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, Mapping):
        return {key: plain_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(item) for item in value]
    return value


class Formats:
    """The filters that templates use, for one locale and the merchant's time zone."""

    def __init__(self, locale: Locale, zone: tzinfo) -> None:
        self._locale = locale
        self._zone = zone
        self._patterns: dict[int, Any] = {}

    def money(self, minor: int, currency: str) -> str:
        """Minor units with as many decimals as ISO 4217 gives the currency, whatever CLDR would show."""
        decimals = exponent(currency)
        pattern = self._patterns.get(decimals)
        if pattern is None:
            pattern = parse_pattern(self._locale.currency_formats["standard"].pattern)
            pattern.frac_prec = (decimals, decimals)
            self._patterns[decimals] = pattern
        text = pattern.apply(amount(minor, currency), self._locale, currency=currency, currency_digits=False)
        # CLDR's currency spacing, which Babel leaves out: KWD 5, not KWD5.
        return _LETTER_MEETS_DIGIT.sub("\xa0", text)

    def number(self, value: int) -> str:
        """A count with the locale's digit grouping."""
        return format_decimal(value, locale=self._locale)

    def day(self, moment: str) -> str:
        """An ISO 8601 moment as a long date in the merchant's time zone: `4 March 2026`."""
        return format_date(datetime.fromisoformat(moment).astimezone(self._zone), "long", self._locale)

    def address(self, address: Mapping[str, Any]) -> list[str]:
        """The lines of an address; the country by its name."""
        country = address["country"]
        town = " ".join(part for part in (address.get("postal_code"), address.get("city")) if part)
        lines = (
            address.get("name"),
            address.get("street"),
            address.get("street2"),
            town,
            address.get("region"),
        )
        return [*(line for line in lines if line), self._locale.territories.get(country, country)]


def web_address(url: str) -> str | None:
    """The URL if it is one that a mail may link to (http, https); `javascript:` and the like are none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.netloc else None


def carrier_name(code: str) -> str:
    """A carrier's code as people write it: `dhl` -> DHL, `royal_mail` -> Royal Mail."""
    return code.upper() if len(code) <= 3 else code.replace("_", " ").replace("-", " ").title()
