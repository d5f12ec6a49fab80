"""One notification for many Subscriptions: built and written once, then filled in for each.

Subscriptions of one owner on one topic get Bundles that differ in three places only: which
Subscription it is, its event numbers, and the id of the status entry. Those places are marked with
values that occur nowhere else, and the marks replaced in the finished text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

_FIRST_NUMBER = 10**18
_SPREAD = 10**17


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


def fill(text: str, at: Marks, subscription: str, entry_id: UUID, numbers: Sequence[int]) -> str:
    """Return `text` with the marks replaced; `numbers` are as many as there are marks."""
    filled = text.replace(at.subscription, subscription).replace(str(at.entry_id), str(entry_id))
    for mark, number in zip(at.numbers, numbers, strict=True):
        filled = filled.replace(str(mark), str(number))
    return filled
