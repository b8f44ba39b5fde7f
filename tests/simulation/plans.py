"""What people will want in a history: orders, payments, stock. Drawn from the seed, before anything happens."""

from dataclasses import dataclass
from random import Random

from deploy.demo.datasets.model import How, Payment
from services.inventory.domain.catalogue import Place, Sku
from shared.contracts.channels import OrderLine, OrderSubmitted, PaymentMade
from shared.contracts.envelope import Address, Contact

MOST_ORDERS = 3
_SKUS = ("MUG", "LAMP", "VASE")
_HOWS: tuple[How, ...] = ("authorize", "authorize", "sale", "later", "prepaid")
_CUSTOMERS = (
    Contact(name="Ada", email="ada@example.com", locale="en"),
    Contact(name="Bo", email="bo@example.com", locale="de"),
    Contact(phone="0800"),
)
_HOMES = (
    Address(country="DE", latitude=52.5, longitude=13.4),
    Address(country="FR"),
    Address(country="US", city="Nowhere"),
)


@dataclass(frozen=True)
class OrderPlan:
    """One order, and what its customer and channel do beside sending it."""

    order: OrderSubmitted
    payments: tuple[Payment, ...]
    by_topic: bool
    copies: int
    conflicting: bool
    faulty: bool
    cancels: str
    """How the customer changes their mind: not (empty), by `topic`, by `http`, or `late`, when it is confirmed."""
    holds: bool

    @property
    def name(self) -> tuple[str, str]:
        """Channel and external id."""
        return self.order.channel, self.order.external_id


@dataclass(frozen=True)
class Catalogue:
    """What is there at the beginning."""

    skus: tuple[Sku, ...]
    places: tuple[Place, ...]
    stock: tuple[tuple[str, str, int], ...]
    """SKU, place and units."""


def catalogue(chance: Random) -> Catalogue:
    """Few units at one to three places, so that orders compete for the last ones."""
    places = tuple(
        Place(f"w{n}", "warehouse", f"W{n}", {"country": "DE", "latitude": 50.0 + n, "longitude": 9.0})
        for n in range(chance.randint(1, 3))
    )
    stock = tuple(
        (sku, place.place_id, units)
        for sku in _SKUS
        for place in places
        if (units := chance.choice((0, 1, 2, 3, 5)))
    )
    return Catalogue(tuple(Sku(sku, weight_g=100) for sku in _SKUS), places, stock)


def order(chance: Random, number: int) -> OrderPlan:
    """An order like many, with everything that can be odd about one."""
    lines = []
    for line in range(chance.choice((1, 1, 2, 3))):
        quantity, price = chance.choice((1, 1, 2, 3)), chance.choice((333, 1000, 1999))
        sku = chance.choice(_SKUS) if chance.random() < 0.98 else "UNKNOWN"
        lines.append(
            OrderLine(line_id=f"{line}", sku=sku, quantity=quantity, unit_price=price, total=quantity * price)
        )
    shipping = chance.choice((0, 0, 499, 500))
    total = sum(line.total for line in lines) + shipping
    payments = _payments(chance, number, total)
    made = tuple(
        PaymentMade(
            payment_id=payment.payment_id,
            method="voucher",
            authorized=payment.amount,
            captured=payment.amount if chance.random() < 0.5 else 0,
        )
        for payment in payments
        if payment.how == "prepaid"
    )
    faulty = chance.random() < 0.02
    submitted = OrderSubmitted(
        channel="shop",
        external_id=f"o{number}",
        contact=chance.choice(_CUSTOMERS),
        address=chance.choice(_HOMES),
        lines=tuple(lines),
        shipping=shipping,
        total=total + faulty,
        currency="EUR",
        payments=made,
    )
    return OrderPlan(
        submitted,
        payments,
        by_topic=chance.random() < 0.5,
        copies=2 if chance.random() < 0.2 else 1,
        conflicting=chance.random() < 0.05,
        faulty=faulty,
        cancels=chance.choice(("topic", "http", "late")) if chance.random() < 0.45 else "",
        holds=chance.random() < 0.1,
    )


def conflicting(order: OrderSubmitted) -> OrderSubmitted:
    """Another order under the same name."""
    return order.model_copy(update={"shipping": order.shipping + 1, "total": order.total + 1})


def _payments(chance: Random, number: int, total: int) -> tuple[Payment, ...]:
    roll = chance.random()
    if roll < 0.62:
        amounts = [total]
    elif roll < 0.8:
        first = chance.randrange(total + 1)
        amounts = [first, total - first]
    elif roll < 0.88:
        amounts = [total + chance.choice((1, 700))]
    elif roll < 0.94:
        amounts = [max(0, total - chance.choice((1, 500)))]
    elif roll < 0.97:
        amounts = [total, total]
    else:
        amounts = []
    # An order that was paid above its total before it came would be refused.
    hows = _HOWS if sum(amounts) <= total else _HOWS[:-1]
    return tuple(
        Payment(f"o{number}p{index}", "card", amount, chance.choice(hows))
        for index, amount in enumerate(amounts)
    )
