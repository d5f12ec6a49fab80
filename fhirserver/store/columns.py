"""Columns of many rows on their way into one statement, as few and plain texts: the driver has next to nothing to convert.

An array travels as its literal, bytes of all rows as one run of which each row cuts its own.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple


class Run(NamedTuple):
    """The bytes of all rows, and as array literals where each begins (from 1) and how long it is."""

    content: bytes
    starts: str
    sizes: str


def run_of(pieces: Sequence[bytes]) -> Run:
    """Return `pieces` one behind the other."""
    sizes = [len(one) for one in pieces]
    return Run(b"".join(pieces), array(accumulate(sizes[:-1], initial=1)), array(sizes))


def array(values: Iterable[Any]) -> str:
    """Return an array literal of values that need no quotes: numbers and row ids."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def texts(values: Iterable[Any]) -> str:
    """Return an array literal of values without quotes or backslashes in them: ids, times, other array literals."""
    return "{" + ",".join(["NULL" if value is None else f'"{value}"' for value in values]) + "}"
