"""Where things are, as far as it is known, and how far apart."""

from math import asin, cos, radians, sin, sqrt
from typing import Literal, NamedTuple

from shared.value_object import value_object

_EARTH_RADIUS_KM = 6371.0088  # Mean radius, IUGG 1980.


class Point(NamedTuple):
    """A position in degrees (WGS 84)."""

    latitude: float
    longitude: float


Precision = Literal["coordinates", "city", "region", "country"]


@value_object
class Located:
    """A position and what it was known from."""

    point: Point
    precision: Precision


def kilometres(a: Point, b: Point) -> float:
    """Great-circle distance by the haversine formula; right within 0.6 %, since the earth is not quite a ball."""
    south, north = radians(a.latitude), radians(b.latitude)
    east = radians(b.longitude - a.longitude)
    chord = sin((north - south) / 2) ** 2 + cos(south) * cos(north) * sin(east / 2) ** 2
    return 2 * _EARTH_RADIUS_KM * asin(min(1.0, sqrt(chord)))
