"""One value out of a series of measurements, without the Observation it stands in."""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple


class Measured(NamedTuple):
    """A `value` of MDC `code` measured `at`, in the unit it was measured in."""

    at: datetime
    code: str
    value: Decimal
