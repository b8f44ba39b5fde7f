"""The Olist loader, on a few rows with each of the set's quirks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from deploy.demo.datasets import DatasetError, Olist, open_dataset
from deploy.demo.datasets.model import Cancellation, Happening, Sale
from shared.contracts.channels import OrderSubmitted

FILES = {
    "orders": """order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at
o-plain,c1,delivered,2018-01-01 10:00:00,2018-01-01 11:00:00
o-merged,c2,delivered,2018-01-02 10:00:00,
o-cancelled,c3,canceled,2018-01-03 10:00:00,
o-empty,c4,unavailable,2018-01-04 10:00:00,
o-interest,c5,delivered,2018-01-05 10:00:00,
o-rounded,c6,delivered,2018-01-06 10:00:00,
o-unpaid,c7,delivered,2018-01-07 10:00:00,
o-empty-cancelled,c8,canceled,2018-01-08 10:00:00,
""",
    "order_items": """order_id,order_item_id,product_id,seller_id,shipping_limit_date,price,freight_value
o-merged,2,p1,s1,2018-02-01 00:00:00,10.00,2.50
o-merged,1,p1,s1,2018-02-01 00:00:00,10.00,2.50
o-merged,3,p2,s2,2018-02-01 00:00:00,5.55,0.00
o-plain,1,p1,s1,2018-02-01 00:00:00,10.00,3.00
o-cancelled,1,p1,s1,2018-02-01 00:00:00,10.00,3.00
o-interest,1,p1,s1,2018-02-01 00:00:00,10.00,3.00
o-rounded,1,p1,s1,2018-02-01 00:00:00,10.00,3.00
o-unpaid,1,p1,s1,2018-02-01 00:00:00,10.00,3.00
""",
    "order_payments": """order_id,payment_sequential,payment_type,payment_installments,payment_value
o-plain,1,credit_card,3,13.00
o-merged,1,boleto,1,20.00
o-merged,3,voucher,1,10.55
o-merged,4,voucher,1,0.00
o-cancelled,1,debit_card,1,13.00
o-empty,1,credit_card,1,99.00
o-interest,1,credit_card,10,14.20
o-rounded,1,credit_card,1,12.97
""",
    "customers": """customer_id,customer_unique_id,customer_zip_code_prefix,customer_city,customer_state
c1,u1,01005,sao paulo,SP
c2,u1,01005,sao paulo,SP
c3,u3,69900,rio branco,AC
c4,u4,01005,sao paulo,SP
c5,u5,01005,sao paulo,SP
c6,u6,01005,sbc/sp,SP
c7,u7,01005,sao paulo,SP
c8,u8,01005,sao paulo,SP
""",
    "products": """product_id,product_category_name,product_name_lenght,product_description_lenght,product_photos_qty,\
product_weight_g,product_length_cm,product_height_cm,product_width_cm
p1,beleza_saude,1,1,1,500,24,4,15
p2,,,,,0,,,
""",
    "sellers": """seller_id,seller_zip_code_prefix,seller_city,seller_state
s1,01001,sao paulo,SP
s2,20000,rio de janeiro,RJ
s3,20000,rio de janeiro,RJ
""",
}


def write(folder: Path, files: Mapping[str, str] = FILES) -> Path:
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


@pytest.fixture
def happenings(tmp_path: Path) -> list[Happening]:
    return list(Olist(write(tmp_path)).happenings())


def sale(happenings: list[Happening], external_id: str) -> Sale:
    return next(h for h in happenings if isinstance(h, Sale) and h.external_id == external_id)


def paid(order: Sale) -> list[tuple[str, int, str]]:
    return [(payment.method, payment.amount, payment.how) for payment in order.payments]


def test_the_folder_is_recognised_by_its_files(tmp_path: Path) -> None:
    write(tmp_path)
    assert isinstance(open_dataset(tmp_path, orders=None, seed=1), Olist)
    (tmp_path / "sellers.csv").unlink()
    with pytest.raises(DatasetError, match="no known data set.*sellers"):
        open_dataset(tmp_path, orders=None, seed=1)


def test_orders_come_in_the_order_of_purchase_and_are_valid(happenings: list[Happening]) -> None:
    orders = [h for h in happenings if isinstance(h, Sale)]
    assert [order.external_id for order in orders] == [
        line.split(",")[0] for line in FILES["orders"].splitlines()[1:]
    ]
    for order in orders:
        if not order.faulty:
            body = OrderSubmitted.model_validate(order.body)
            assert body.total == sum(line.total for line in body.lines) + body.shipping


def test_rows_of_one_product_are_one_line_with_a_quantity_and_freight_is_shipping(
    happenings: list[Happening],
) -> None:
    body = sale(happenings, "o-merged").body
    assert [(line["sku"], line["quantity"], line["unit_price"], line["total"]) for line in body["lines"]] == [
        ("p1", 2, 1000, 2000),
        ("p2", 1, 555, 555),
    ]
    assert (body["shipping"], body["total"]) == (500, 3055)


def test_payments_are_replayed_by_their_kind(happenings: list[Happening]) -> None:
    assert paid(sale(happenings, "o-plain")) == [("credit_card", 1300, "authorize")]
    assert paid(sale(happenings, "o-merged")) == [("boleto", 2000, "later"), ("voucher", 1055, "prepaid")]
    assert [payment["captured"] for payment in sale(happenings, "o-merged").body["payments"]] == [1055]
    assert paid(sale(happenings, "o-cancelled")) == [("debit_card", 1300, "sale")]


def test_what_does_not_add_up_is_evened_or_replayed_and_told(tmp_path: Path) -> None:
    source = Olist(write(tmp_path))
    happenings = list(source.happenings())
    assert paid(sale(happenings, "o-interest")) == [("credit_card", 1420, "authorize")]
    assert paid(sale(happenings, "o-rounded")) == [("credit_card", 1300, "authorize")]
    assert paid(sale(happenings, "o-unpaid")) == [("voucher", 1300, "prepaid")]
    told = {text.split(" ")[1]: count for text, count in source.told.items() if text.startswith("payments")}
    assert told == {"above": 1, "off": 1, "short": 1}


def test_orders_without_lines_are_sent_to_be_refused_and_cancelled_ones_cancelled(
    happenings: list[Happening],
) -> None:
    assert sale(happenings, "o-empty").faulty
    assert sale(happenings, "o-empty").payments == ()
    assert [h.external_id for h in happenings if isinstance(h, Cancellation)] == ["o-cancelled"]


def test_people_are_made_up_once_each_and_places_are_the_sellers_states(
    tmp_path: Path, happenings: list[Happening]
) -> None:
    first, second = sale(happenings, "o-plain").body["contact"], sale(happenings, "o-merged").body["contact"]
    assert first == second
    assert first["email"].endswith("@example.com")
    source = Olist(write(tmp_path))
    assert [place.place_id for place in source.places()] == ["sellers-RJ", "sellers-SP"]
    stock: dict[tuple[str, str], Any] = {
        (entry.sku, entry.place_id): entry.quantity for entry in source.stock()
    }
    assert stock.keys() == {("p1", "sellers-SP"), ("p2", "sellers-RJ")}
    assert stock["p1", "sellers-SP"] >= 7
    assert [(product.weight_g, product.size_mm) for product in source.products()] == [
        (500, (240, 150, 40)),
        (None, None),
    ]


def test_a_limit_takes_the_first_orders(tmp_path: Path) -> None:
    source = Olist(write(tmp_path), limit=3)
    assert source.count() == 3
    assert [type(h).__name__ for h in source.happenings()] == ["Sale", "Sale", "Sale", "Cancellation"]


def test_faulty_files_are_named(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "orders.csv").write_text("id\n1\n")
    with pytest.raises(DatasetError, match=r"orders.csv lacks the columns order_id"):
        Olist(tmp_path).count()
    write(tmp_path, {"order_items": FILES["order_items"].replace("5.55", "five")})
    with pytest.raises(DatasetError, match="items: a number"):
        list(Olist(write(tmp_path, {"orders": FILES["orders"]})).happenings())
