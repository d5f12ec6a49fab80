"""When to try again, and when to stop trying.

Delays double from half a second to a minute; each is drawn between half and the whole of that, so
that receivers that failed together are not met together again. Text messages and calls are tried
again within seconds, however long a provider is away: an outage of theirs is never the receiver's.
"""

from datetime import datetime, timedelta
from typing import Final

from subscriptions.core.timing import GIVE_UP_AFTER

FIRST_DELAY: Final = timedelta(seconds=0.5)
LONGEST_DELAY: Final = timedelta(seconds=60)
LONGEST_DELAY_TO_A_PERSON: Final = timedelta(seconds=5)
_DOUBLINGS: Final = 16


def next_delay(failures: int, draw: float, longest: timedelta = LONGEST_DELAY) -> timedelta:
    """Return the wait after `failures` (>= 1) failed tries in a row; `draw` is in [0, 1)."""
    doublings = max(0, min(failures - 1, _DOUBLINGS))
    whole = min(FIRST_DELAY * (1 << doublings), longest)
    return whole / 2 + whole / 2 * draw


def gives_up(failing_since: datetime, now: datetime) -> bool:
    """Return whether an endpoint that has failed since then is declared in ``error``."""
    return now - failing_since >= GIVE_UP_AFTER
