"""The generator: repeatable, valid, and of the published shape."""

from collections import Counter

import pytest
from pydantic import ValidationError

from deploy.demo.datasets import Generated
from deploy.demo.datasets.model import Sale
from shared.contracts.channels import OrderSubmitted

ORDERS = 2_000


def sales(orders: int, seed: int) -> list[Sale]:
    return [happening for happening in Generated(orders, seed).happenings() if isinstance(happening, Sale)]


@pytest.fixture(scope="module")
def two_thousand() -> list[Sale]:
    return sales(ORDERS, 7)


def test_the_same_seed_gives_the_same_orders_and_another_seed_others() -> None:
    assert sales(50, 1) == sales(50, 1)
    assert sales(50, 1)[0].body != sales(50, 2)[0].body
    assert sales(50, 1)[49].body["lines"] == sales(500, 1)[49].body["lines"]


def test_orders_are_valid_and_faulty_ones_are_not_or_do_not_add_up(two_thousand: list[Sale]) -> None:
    faulty = 0
    for sale in two_thousand:
        try:
            order = OrderSubmitted.model_validate(sale.body)
            adds_up = order.total == sum(line.total for line in order.lines) + order.shipping
        except ValidationError:
            adds_up = False
        assert adds_up is not sale.faulty, sale.external_id
        faulty += sale.faulty
    assert 3 <= faulty <= 25


def test_every_line_adds_up(two_thousand: list[Sale]) -> None:
    for sale in two_thousand:
        for line in sale.body["lines"]:
            if line["quantity"]:
                gross = line["quantity"] * line["unit_price"] - line["discount"]
                assert line["total"] == gross + line["tax"]


def test_payments_cover_what_a_valid_order_costs(two_thousand: list[Sale]) -> None:
    for sale in two_thousand:
        if not sale.faulty:
            assert sum(payment.amount for payment in sale.payments) == sale.body["total"]
            told = sum(payment["captured"] for payment in sale.body["payments"])
            assert told == sum(payment.amount for payment in sale.payments if payment.how == "prepaid")


def test_shape_follows_the_published_facts(two_thousand: list[Sale]) -> None:
    consumers = [sale for sale in two_thousand if sale.channel != "phone" and sale.body["lines"]]
    wholesale = sorted(len(sale.body["lines"]) for sale in two_thousand if sale.channel == "phone")
    single = sum(len(sale.body["lines"]) == 1 for sale in consumers) / len(consumers)
    assert 0.95 < single < 0.99
    assert 10 <= wholesale[len(wholesale) // 2] <= 20
    lines = Counter(line["sku"] for sale in two_thousand for line in sale.body["lines"])
    top_tenth = sum(count for _, count in lines.most_common(100)) / lines.total()
    assert 0.38 < top_tenth < 0.50
    methods = Counter(payment.method for sale in two_thousand for payment in sale.payments)
    assert 0.65 < methods["credit_card"] / methods.total() < 0.78


def test_ids_are_unique_and_stock_lies_in_known_places() -> None:
    source = Generated(300, 3)
    ids = [sale.external_id for sale in sales(300, 3)]
    assert len(set(ids)) == len(ids)
    places = {place.place_id for place in source.places()}
    skus = {product.sku for product in source.products()}
    stock = list(source.stock())
    assert {entry.place_id for entry in stock} == places
    assert {entry.sku for entry in stock} == skus
    assert all(entry.quantity > 0 for entry in stock)
    assert len({(entry.sku, entry.place_id) for entry in stock}) == len(stock)
