"""How many deliveries may be under way at once, so that no receiver can hold up another.

Alarms have places of their own, and so have Subscriptions whose endpoint fails: however many of
those there are, the others keep theirs. An endpoint that takes long gives its place back to its
lane while it goes on; only the total bounds those.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final, Literal

from fhirserver.kernel.canonical import TOPIC_DEVICE_ALERT
from subscriptions.core.delivery import Cursor

Lane = Literal["alert", "common", "failing"]

PLACES: Final[Mapping[Lane, int]] = {"alert": 512, "common": 512, "failing": 256}
# Every delivery holds a connection; a process may have 1 024 open files by default.
TOTAL: Final = 900
# Kept free of the other lanes, so that an alarm never waits for a place.
KEPT_FOR_ALERTS: Final = 128
SLOW_AFTER: Final = timedelta(seconds=1)


def lane_of(cursor: Cursor) -> Lane:
    """Return the lane a due Subscription goes by."""
    if cursor.managed:
        return "alert"
    if cursor.failing_since is not None:
        return "failing"
    return "alert" if cursor.topic == TOPIC_DEVICE_ALERT else "common"


def free_places(under_way: Iterable[tuple[Lane, datetime]], now: datetime) -> Mapping[Lane, int]:
    """Return how many more may start in each lane; `under_way` are those that have, and when."""
    taken = dict.fromkeys(PLACES, 0)
    total = 0
    for lane, since in under_way:
        total += 1
        if lane == "failing" or now - since < SLOW_AFTER:
            taken[lane] += 1
    left = max(0, TOTAL - total)
    others = max(0, left - KEPT_FOR_ALERTS)
    return {
        "alert": max(0, min(PLACES["alert"] - taken["alert"], left)),
        "common": max(0, min(PLACES["common"] - taken["common"], others)),
        "failing": max(0, min(PLACES["failing"] - taken["failing"], others)),
    }
