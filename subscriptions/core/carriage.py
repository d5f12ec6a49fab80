"""Which telephone company carries a message next, when several can.

One message may take several tries. A company that said no, or was never heard of again, is followed
by another; one that others have just failed with goes last. Pure: who is failing is an argument.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

Fate = Literal["open", "taken", "refused", "failed", "unheard"]


@dataclass(frozen=True, slots=True)
class Try:
    """One company that was asked to carry a message, and what became of it.

    ``open``: nobody knows whether it took it. ``taken``: it did, and may still report. ``refused``:
    the person cannot be reached at all. ``failed``: it did not take it. ``unheard``: it took it, and
    reported failure or nothing in time.
    """

    company: str
    fate: Fate


def is_over(tries: Sequence[Try]) -> bool:
    """Return whether nothing more is to be sent: somebody has it, or nobody can reach the person."""
    return any(one.fate in ("taken", "refused") for one in tries)


def next_company(
    companies: Sequence[str], tries: Sequence[Try], resting: Collection[str] = ()
) -> str | None:
    """Return which of `companies` (preferred first) is asked now.

    None when each of them took it and was unheard, so that another copy by the same way would tell
    nothing. `resting` are those that have just failed with other messages.
    """
    unheard = {one.company for one in tries if one.fate == "unheard"}
    asked = [one.company for one in tries]
    left = [name for name in companies if name not in unheard]
    return min(
        left,
        key=lambda name: (asked.count(name), name in resting, companies.index(name)),
        default=None,
    )
