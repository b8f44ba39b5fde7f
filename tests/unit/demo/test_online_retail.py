"""The Online Retail loader, on a few invoices with each of the set's quirks."""

import gzip
from pathlib import Path

import pytest

from deploy.demo.datasets import OnlineRetail, open_dataset
from deploy.demo.datasets.model import Cancellation, GoodsBack, Happening, Sale, Unusable
from shared.contracts.channels import OrderSubmitted

ROWS = """InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
1001,85123A, HEART HOLDER ,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom
1001,71053,LANTERN,2,2010-12-01 08:26:00,3.39,17850.0,United Kingdom
1002,22423,CAKE STAND,10,2010-12-01 09:00:00,0.072,13000.0,EIRE
1001,POST,POSTAGE,1,2010-12-01 08:27:00,18.0,17850.0,United Kingdom
1001,M,Manual,1,2010-12-01 08:27:00,5.0,17850.0,United Kingdom
C1003,85123a,HEART HOLDER,-4,2010-12-05 10:00:00,2.55,17850.0,United Kingdom
1004,85123a,HEART HOLDER,1,2010-12-06 10:00:00,2.55,,United Kingdom
1005,22423,damages,-5,2010-12-06 11:00:00,0.0,,United Kingdom
1006,22423,CAKE STAND,1,2010-12-06 12:00:00,0.0,13000.0,EIRE
1007,BANK CHARGES,Bank Charges,1,2010-12-06 13:00:00,15.0,13000.0,United Kingdom
A1008,B,Adjust bad debt,1,2010-12-06 14:00:00,11062.06,,United Kingdom
1009,23166,STORAGE JAR,74215,2011-01-18 10:01:00,1.04,12346.0,United Kingdom
C1010,23166,STORAGE JAR,-74215,2011-01-18 10:17:00,1.04,12346.0,United Kingdom
C1011,D,Discount,-1,2011-01-19 10:00:00,27.5,14527.0,United Kingdom
C1012,22423,CAKE STAND,-1,2011-01-19 10:00:00,10.95,,United Kingdom
C1013,22423,CAKE STAND,-1,2011-01-19 10:00:00,10.95,99999.0,United Kingdom
1014,22423,CAKE STAND,1,2011-01-19 11:00:00,10.95,11111.0,Unspecified
C1015,85123A,HEART HOLDER,-3,2011-01-20 10:00:00,2.55,17850.0,United Kingdom
1016,gift_0001_20,Voucher,1,2011-01-21 10:00:00,16.67,,United Kingdom
"""


@pytest.fixture
def source(tmp_path: Path) -> OnlineRetail:
    with gzip.open(tmp_path / "online-retail.csv.gz", "wt") as file:
        file.write(ROWS)
    found = open_dataset(tmp_path, orders=None, seed=1)
    assert isinstance(found, OnlineRetail)
    return found


@pytest.fixture
def happenings(source: OnlineRetail) -> list[Happening]:
    return list(source.happenings())


def reasons(happenings: list[Happening]) -> dict[str, str]:
    return {h.record: h.reason for h in happenings if isinstance(h, Unusable)}


def test_invoices_become_valid_orders_whose_rows_need_not_stand_together(happenings: list[Happening]) -> None:
    sales = {h.external_id: h for h in happenings if isinstance(h, Sale)}
    assert list(sales) == ["1001", "1002", "1004", "1009", "1016"]
    for sale in sales.values():
        order = OrderSubmitted.model_validate(sale.body)
        assert order.total == sum(line.total for line in order.lines) + order.shipping
        assert sum(payment.amount for payment in sale.payments) == order.total
    first = sales["1001"].body
    assert [(line["sku"], line["quantity"], line["total"]) for line in first["lines"]] == [
        ("85123A", 6, 1530),
        ("71053", 2, 678),
    ]
    assert first["shipping"] == 1800
    assert sales["1002"].body["lines"][0]["total"] == 72
    assert sales["1002"].body["address"]["country"] == "IE"


def test_spellings_of_a_code_are_one_article(source: OnlineRetail, happenings: list[Happening]) -> None:
    products = {product.sku: product.title for product in source.products()}
    assert products["85123A"] == "HEART HOLDER"
    assert "85123a" not in products
    assert "POST" not in products
    assert "GIFT_0001_20" in products
    lines = [line["sku"] for h in happenings if isinstance(h, Sale) for line in h.body["lines"]]
    assert lines.count("85123A") == 2


def test_what_cannot_be_an_order_says_why(happenings: list[Happening]) -> None:
    assert reasons(happenings) == {
        "1005": "stock write-off: negative quantity without a credit note",
        "1006": "all prices are zero",
        "1007": "no goods: bank charges",
        "A1008": "adjustment of bad debt",
        "C1011": "credit note without goods: discount",
        "C1012": "credit note without a customer",
        "C1013": "credit note for goods that no invoice of the customer here has",
        "1014": "no country: Unspecified",
    }


def test_lines_that_are_left_out_of_an_order_are_told(
    source: OnlineRetail, happenings: list[Happening]
) -> None:
    assert source.told["lines left out of orders: manual entry"] == 1


def test_credit_notes_send_goods_back_and_never_more_than_were_bought(
    source: OnlineRetail, happenings: list[Happening]
) -> None:
    back = [h for h in happenings if isinstance(h, GoodsBack)]
    assert [(h.external_id, h.units) for h in back] == [("1001", (("1", 4),)), ("1001", (("1", 2),))]
    assert source.told["lines of credit notes for goods of no earlier invoice"] == 1


def test_a_credit_note_for_a_whole_invoice_of_the_day_is_a_cancellation(happenings: list[Happening]) -> None:
    assert [h.external_id for h in happenings if isinstance(h, Cancellation)] == ["1009"]


def test_every_invoice_is_an_order_or_refused_or_takes_an_earlier_one_back(
    source: OnlineRetail, happenings: list[Happening]
) -> None:
    invoices = {line.split(",")[0] for line in ROWS.splitlines()[1:]}
    orders = sum(isinstance(h, Sale) for h in happenings)
    matched = source.told["credit notes matched to earlier invoices"]
    assert orders + len(reasons(happenings)) + matched == len(invoices)
    assert source.count() == sum(not invoice.startswith("C") for invoice in invoices)


def test_stock_covers_what_is_sold(source: OnlineRetail) -> None:
    units: dict[str, int] = {}
    for entry in source.stock():
        units[entry.sku] = units.get(entry.sku, 0) + entry.quantity
    assert units["23166"] >= 74215
    assert units["85123A"] >= 7
