"""What can be an order, and every reason why something cannot."""

from dataclasses import replace
from datetime import date

import pytest
from babel import Locale
from babel.numbers import get_territory_currencies
from hypothesis import given
from hypothesis import strategies as st

from services.orders.domain.codes import COUNTRIES, CURRENCIES
from services.orders.domain.validate import Draft, DraftLine, DraftPayment, Policy, faults

POLICY = Policy(("shop", "phone"), max_lines=3)
LINE = DraftLine("1", 3, 333, 100, 50, 949)
GOOD = Draft("shop", "DE", "EUR", 500, 1449, False, (LINE,), (DraftPayment("p", 1449, 1449),))


def fields(draft: Draft) -> list[str]:
    return [fault.field for fault in faults(draft, POLICY)]


def test_a_good_order_has_no_faults():
    assert fields(GOOD) == []
    gross = replace(GOOD, prices_include_tax=True, total=1399, lines=(replace(LINE, total=899),), payments=())
    assert fields(gross) == []
    free = replace(GOOD, shipping=0, total=0, lines=(DraftLine("1", 1, 0, 0, 0, 0),), payments=())
    assert fields(free) == []


@given(st.integers(1, 1000), st.integers(0, 10_000), st.integers(-2000, 2000))
def test_a_line_may_be_off_by_half_a_minor_unit_per_unit_and_no_more(quantity, price, off):
    line = DraftLine("1", quantity, price, 0, 0, max(0, quantity * price + off))
    draft = replace(GOOD, shipping=0, lines=(line,), total=line.total, payments=())
    wrong = 2 * abs(line.total - quantity * price) > quantity
    assert fields(draft) == (["lines.0.total"] if wrong else [])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"channel": "fax"}, "channel"),
        ({"country": "UK"}, "address.country"),
        ({"currency": "DEM"}, "currency"),
        ({"total": 1450}, "total"),
        ({"shipping": 499}, "total"),
        (
            {"lines": tuple(replace(LINE, line_id=str(n)) for n in range(4)), "total": 4296, "payments": ()},
            "lines",
        ),
        ({"lines": (LINE, replace(LINE, line_id="1")), "total": 2398}, "lines.1.line_id"),
        ({"payments": (DraftPayment("p", 700, 0), DraftPayment("p", 700, 0))}, "payments.1.payment_id"),
        ({"payments": (DraftPayment("p", 1000, 1001),)}, "payments.0.captured"),
        ({"payments": (DraftPayment("p", 1000, 0), DraftPayment("q", 450, 0))}, "payments"),
    ],
)
def test_each_fault_is_named_with_a_remedy(change, field):
    found = faults(replace(GOOD, **change), POLICY)
    assert [fault.field for fault in found] == [field]
    assert found[0].problem and found[0].remedy


def test_all_faults_are_named_at_once_and_what_is_missing_hides_only_what_needs_it():
    bad = replace(
        GOOD, channel=None, currency="EUX", total=1, lines=(LINE, replace(LINE, line_id="2", quantity=None, total=1)),
    )  # fmt: skip
    assert fields(bad) == ["currency", "total", "payments"]
    assert fields(replace(GOOD, shipping=None, total=1, payments=())) == []


def test_codes_are_those_of_the_unicode_cldr():
    territories = [code for code in Locale("en").territories if len(code) == 2 and code.isalpha()]
    used = {
        code for one in territories for code in get_territory_currencies(one, date(2026, 1, 1), tender=True)
    }
    assert used == CURRENCIES
    not_countries = {"EU", "EZ", "UN", "QO", "XA", "XB", "ZZ", "AC", "CP", "DG", "EA", "IC", "TA", "CQ"}
    assert set(territories) - not_countries == COUNTRIES
