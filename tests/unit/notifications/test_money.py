"""Minor units become the right amounts in every currency and locale."""

from zoneinfo import ZoneInfo

import pytest
from babel import Locale

from services.notifications.adapters.formats import Formats
from services.notifications.domain.money import amount, exponent

NB = "\xa0"


@pytest.mark.parametrize(
    ("minor", "currency", "locale", "shown"),
    [
        (123456, "EUR", "en", "€1,234.56"),
        (123456, "EUR", "de", f"1.234,56{NB}€"),
        (123456, "EUR", "de_AT", f"€{NB}1.234,56"),
        (123456, "BRL", "pt_BR", f"R${NB}1.234,56"),
        (123456, "BRL", "de", f"1.234,56{NB}R$"),
        (5, "USD", "en", "$0.05"),
        (0, "USD", "en", "$0.00"),
        (1234, "JPY", "en", "¥1,234"),
        (1234, "JPY", "de", f"1.234{NB}¥"),
        (1234567, "KWD", "en", f"KWD{NB}1,234.567"),
        (1234567, "KWD", "pt_BR", f"KWD{NB}1.234,567"),
        # CLDR shows these without decimals; their minor unit has two all the same (ISO 4217).
        (123456, "RSD", "en", f"RSD{NB}1,234.56"),
        (123456, "ALL", "en", f"ALL{NB}1,234.56"),
        (10**12, "EUR", "en", "€10,000,000,000.00"),
    ],
)
def test_money(minor: int, currency: str, locale: str, shown: str) -> None:
    assert Formats(Locale.parse(locale), ZoneInfo("UTC")).money(minor, currency) == shown


def test_one_locale_formats_currencies_with_different_decimals() -> None:
    formats = Formats(Locale.parse("en"), ZoneInfo("UTC"))
    assert [formats.money(1000, currency) for currency in ("JPY", "EUR", "KWD", "JPY")] == [
        "¥1,000", "€10.00", f"KWD{NB}1.000", "¥1,000",
    ]  # fmt: skip


def test_amounts_are_exact() -> None:
    assert str(amount(999_999_999_999, "EUR")) == "9999999999.99"
    assert str(amount(1, "KWD")) == "0.001"
    assert {currency: exponent(currency) for currency in ("JPY", "EUR", "KWD", "CLF", "XXX")} == {
        "JPY": 0, "EUR": 2, "KWD": 3, "CLF": 4, "XXX": 2,
    }  # fmt: skip


def test_dates_are_told_in_the_merchants_time_zone() -> None:
    late = "2026-03-04T23:30:00+00:00"
    assert Formats(Locale.parse("en"), ZoneInfo("UTC")).day(late) == "March 4, 2026"
    assert Formats(Locale.parse("de"), ZoneInfo("Europe/Berlin")).day(late) == "5. März 2026"
    assert Formats(Locale.parse("pt_BR"), ZoneInfo("America/Sao_Paulo")).day(late) == "4 de março de 2026"
