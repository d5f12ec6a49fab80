"""What is left of many measurements of one quantity: how many, the least, the most, the mean."""

from decimal import Decimal
from typing import NamedTuple


class Figures(NamedTuple):
    """Of `number` (at least one) values in the unit they were measured in."""

    number: int
    least: Decimal
    most: Decimal
    mean: Decimal
