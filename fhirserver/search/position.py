"""Distances on the earth, for `near`.

Spec: https://hl7.org/fhir/R4/location.html#positional
"""

from decimal import Decimal
from math import asin, cos, radians, sin, sqrt
from typing import Final

from fhirserver.search.criterion import Near

# Mean radius of the earth as a sphere, in kilometres (IUGG): good to half a percent.
EARTH_RADIUS: Final = 6371.0088
# Kilometres in each unit that a distance may be given in (UCUM codes).
UNITS: Final = {
    "m": Decimal("0.001"),
    "km": Decimal(1),
    "[mi_us]": Decimal("1.609347"),
    "[mi_i]": Decimal("1.609344"),
}
# What "near" means when the caller does not say.
DEFAULT_KILOMETRES: Final = Decimal(10)


def distance(latitude: Decimal, longitude: Decimal, point: Near) -> float:
    """Return the kilometres between a position in degrees and the point that is asked for."""
    here, there = radians(float(latitude)), radians(float(point.latitude))
    across = radians(float(point.longitude) - float(longitude))
    chord = sin((there - here) / 2) ** 2 + cos(here) * cos(there) * sin(across / 2) ** 2
    return 2 * EARTH_RADIUS * asin(sqrt(min(1.0, chord)))
