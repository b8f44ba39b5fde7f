"""Positions of cities, regions and countries, offline, from the countries-states-cities database (ODbL 1.0)."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from unicodedata import normalize

from countrystatecity_countries import get_cities_of_state, get_countries, get_states_of_country

from services.inventory.domain.geography import Located, Point, kilometres
from shared.value_object import value_object

_SAME_PLACE_KM = 50.0
"""Cities of one name this close together are one place for the purpose of sourcing."""

_OWN_NAMES = {
    "BE": {"bruxelles": "brussels", "brussel": "brussels", "bruges": "brugge"},
    "CH": {"geneve": "geneva", "genf": "geneva"},
    "CZ": {"praha": "prague", "plzen": "pilsen"},
    "DE": {"munchen": "munich", "muenchen": "munich", "koeln": "koln", "frankfurt": "frankfurtammain"},
    "ES": {"lacoruna": "acoruna", "palmademallorca": "palma"},
    "GR": {"athina": "athens"},
    "NL": {"denhaag": "thehague", "sgravenhage": "thehague"},
    "PL": {"warszawa": "warsaw"},
    "PT": {"lisboa": "lisbon"},
    "RS": {"beograd": "belgrade"},
    "SE": {"goteborg": "gothenburg"},
}
"""Large cities that the data knows under another name than their people write, in the form of `_plain`."""
_UNDECOMPOSED = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th", "ı": "i"})


@value_object
class _Country:
    """A country's index; names are in the form of `_plain`."""

    point: Point | None
    regions: Mapping[str, str]
    """Name or code of a region -> its code."""
    region_points: Mapping[str, Point]
    cities: Mapping[tuple[str, str], Point]
    """(region code, city) -> position."""
    unambiguous: Mapping[str, Point]
    """City -> position, where the country has one of that name only."""
    with_cities: frozenset[str]
    """Codes of the regions whose cities are known."""


class CountryStateCity:
    """The gazetteer. A country is read when it is first asked for (tens of milliseconds) and kept."""

    def locate(self, country: str, region: str | None, city: str | None) -> Located | None:
        """City within its region, else a city whose name is unique in the country, else region, else country.

        Names match without regard to case, accents and punctuation; regions by English or own name or by
        ISO 3166-2 code. A city the data has under its English name only may still be a region under its own
        (Wien, Roma). A region without cities of its own in the data (England) says nothing about a city.
        """
        return _locate(country, region, city)


@lru_cache(maxsize=100_000)
def _locate(country: str, region: str | None, city: str | None) -> Located | None:
    known = _country(country)
    if known is None:
        return None
    code = known.regions.get(_plain(region.removeprefix(f"{country}-"))) if region else None
    if city:
        name = _plain(city)
        name = _OWN_NAMES.get(country, {}).get(name, name)
        within = code if code in known.with_cities else None
        point = known.cities.get((within, name)) if within is not None else known.unambiguous.get(name)
        if point is None:
            point = known.region_points.get(known.regions.get(name, ""))
        if point is not None:
            return Located(point, "city")
    point = known.region_points.get(code or "")
    if point is not None:
        return Located(point, "region")
    return Located(known.point, "country") if known.point is not None else None


@lru_cache(maxsize=250)
def _country(code: str) -> _Country | None:
    country = next((country for country in get_countries() if country.iso2 == code), None)
    if country is None:
        return None
    regions: dict[str, str] = {}
    region_points: dict[str, Point] = {}
    cities: dict[tuple[str, str], Point] = {}
    for state in get_states_of_country(code):
        for name in (state.name, state.native, state.iso3166_2 and state.iso3166_2.removeprefix(f"{code}-")):
            if name:
                regions.setdefault(_plain(name), state.state_code)
        regions[_plain(state.state_code)] = state.state_code
        position = _point(state.latitude, state.longitude)
        if position is not None:
            region_points[state.state_code] = position
        for city in get_cities_of_state(code, state.state_code):
            position = _point(city.latitude, city.longitude)
            if position is not None:
                cities.setdefault((state.state_code, _plain(city.name)), position)
    return _Country(
        point=_point(country.latitude, country.longitude),
        regions=regions,
        region_points=region_points,
        cities=cities,
        unambiguous=_unambiguous(cities.items()),
        with_cities=frozenset(code for code, _ in cities),
    )


def _unambiguous(cities: Iterable[tuple[tuple[str, str], Point]]) -> dict[str, Point]:
    by_name: dict[str, list[Point]] = {}
    for (_, name), point in cities:
        by_name.setdefault(name, []).append(point)
    return {
        name: points[0]
        for name, points in by_name.items()
        if all(kilometres(points[0], point) < _SAME_PLACE_KM for point in points[1:])
    }


def _plain(name: str) -> str:
    return "".join(
        letter for letter in normalize("NFKD", name.casefold()).translate(_UNDECOMPOSED) if letter.isalnum()
    )


def _point(latitude: str | None, longitude: str | None) -> Point | None:
    if not latitude or not longitude:
        return None
    return Point(float(latitude), float(longitude))
