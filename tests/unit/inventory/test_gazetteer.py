"""Addresses as people write them are found."""

import timeit

import pytest

from services.inventory.adapters.gazetteer import CountryStateCity
from services.inventory.domain.geography import Point, kilometres

GAZETTEER = CountryStateCity()
EUROPE = [
    "AT",
    "BE",
    "BG",
    "HR",
    "CY",
    "CZ",
    "DK",
    "EE",
    "FI",
    "FR",
    "DE",
    "GR",
    "HU",
    "IE",
    "IT",
    "LV",
    "LT",
    "LU",
    "MT",
    "NL",
    "PL",
    "PT",
    "RO",
    "SK",
    "SI",
    "ES",
    "SE",
    "GB",
    "CH",
    "NO",
    "IS",
]
STATES = "AC AL AP AM BA CE DF ES GO MA MT MS MG PA PB PR PE PI RJ RN RS RO RR SC SP SE TO".split()  # noqa: SIM905


@pytest.mark.parametrize(
    ("country", "region", "city", "near"),
    [
        ("BR", "SP", "sao paulo", Point(-23.55, -46.63)),
        ("BR", "BR-RJ", "RIO DE JANEIRO", Point(-22.91, -43.20)),
        ("BR", "São Paulo", "Campinas", Point(-22.91, -47.06)),
        (
            "BR",
            "SC",
            "Campinas",
            Point(-27.2, -49.6),
        ),  # Not the one in São Paulo: somewhere in Santa Catarina.
        ("DE", None, "München", Point(48.14, 11.58)),
        ("DE", "Bayern", "Munich", Point(48.14, 11.58)),
        ("AT", None, "Wien", Point(48.21, 16.37)),
        ("PL", None, "Lodz", Point(51.77, 19.46)),
        ("FR", "Île-de-France", "Paris", Point(48.86, 2.35)),
        ("GB", "England", "Manchester", Point(53.48, -2.24)),
        ("US", "CA", "Los Angeles", Point(34.05, -118.24)),
    ],
)
def test_cities(country: str, region: str | None, city: str, near: Point) -> None:
    found = GAZETTEER.locate(country, region, city)
    assert found is not None
    limit = 30 if found.precision == "city" else 250
    assert kilometres(found.point, near) < limit


@pytest.mark.parametrize("country", EUROPE)
def test_european_countries(country: str) -> None:
    found = GAZETTEER.locate(country, None, None)
    assert found is not None and found.precision == "country"


@pytest.mark.parametrize("state", STATES)
def test_brazilian_states(state: str) -> None:
    found = GAZETTEER.locate("BR", state, "a city that does not exist")
    assert found is not None and found.precision == "region"


def test_a_city_name_that_a_country_has_often_says_nothing_without_its_region() -> None:
    found = GAZETTEER.locate("BR", None, "Bom Jesus")
    assert found is not None and found.precision == "country"


def test_what_is_not_known_is_not_guessed() -> None:
    assert GAZETTEER.locate("XX", "SP", "sao paulo") is None


def test_a_known_address_costs_nothing() -> None:
    GAZETTEER.locate("BR", "SP", "sao paulo")
    seconds = (
        min(timeit.repeat(lambda: GAZETTEER.locate("BR", "SP", "sao paulo"), number=1_000, repeat=5)) / 1_000
    )
    assert seconds < 20e-6
