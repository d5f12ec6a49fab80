"""One notification for many Subscriptions: built and written once, then filled in for each.

Subscriptions of one owner on one topic get Bundles that differ in three places only: which
Subscription it is, its event numbers, and the id of the status entry. Those places are marked with
values that occur nowhere else; the finished text is cut at them, and put together anew for each.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self
from uuid import UUID

_FIRST_NUMBER: Final = 10**18
_SPREAD: Final = 10**17


@dataclass(frozen=True, slots=True)
class Marks:
    """What stands where a Subscription, an entry id and `count` event numbers will stand."""

    subscription: str
    entry_id: UUID
    numbers: tuple[int, ...]


def marks(draw: UUID, count: int) -> Marks:
    """Return marks made of `draw`, a random UUID used for nothing else.

    The numbers have as many digits each, so that none is the beginning of another.
    """
    first = _FIRST_NUMBER + draw.int % _SPREAD
    return Marks(f"mark-{draw.hex}", draw, tuple(range(first, first + count)))


@dataclass(frozen=True, slots=True)
class Template:
    """A text cut at its marks: between two pieces stands the value that `_values` has at that place."""

    _pieces: Sequence[str]
    _values: Sequence[int]

    @classmethod
    def cut(cls, text: str, at: Marks) -> Self:
        """Return `text` as something to be filled in."""
        values = [at.subscription, str(at.entry_id), *map(str, at.numbers)]
        places = {value: place for place, value in enumerate(values)}
        parts = re.split("(" + "|".join(map(re.escape, values)) + ")", text)
        return cls(parts[::2], [places[mark] for mark in parts[1::2]])

    def fill(self, subscription: str, entry_id: str, numbers: Sequence[int]) -> str:
        """Return the text with the marks replaced; `numbers` are as many as there are marks."""
        values = [subscription, entry_id, *map(str, numbers)]
        parts = [""] * (2 * len(self._values) + 1)
        parts[::2] = self._pieces
        parts[1::2] = [values[place] for place in self._values]
        return "".join(parts)
