"""Refusals of callers nobody knows: each is told, but a flood of them is told as one with its count.

Otherwise whoever has no access at all could fill the log. Of a flood the count so far is told each time it is ten times
what it was, and the rest when the window is over and somebody else is refused.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

WINDOW: Final = timedelta(seconds=10)
# So many of one address in a window are told one by one.
SINGLY: Final = 20
_TIMES: Final = 10
_ADDRESSES: Final = 10_000


@dataclass(slots=True)
class _Heard:
    since: datetime
    count: int = 0
    told: int = 0
    next: int = SINGLY * _TIMES


class Strangers:
    """Counts refusals by address and status."""

    def __init__(self) -> None:
        """Know nobody."""
        self._heard: dict[tuple[str, int], _Heard] = {}
        self._swept: datetime | None = None

    def heard(self, address: str, status: int, now: datetime) -> list[tuple[str, int, int]]:
        """Return what is to be told now: address, status, and how many were told of by nobody; 0 is this one."""
        told = self._sweep(now)
        key = (address, status)
        known = self._heard.get(key)
        if known is None:
            if len(self._heard) >= _ADDRESSES:
                return told
            known = self._heard[key] = _Heard(now)
        known.count += 1
        if known.count <= SINGLY:
            known.told = known.count
            told.append((address, status, 0))
        elif known.count == known.next:
            told.append((address, status, known.count - known.told))
            known.told, known.next = known.count, known.count * _TIMES
        return told

    def _sweep(self, now: datetime) -> list[tuple[str, int, int]]:
        if self._swept is not None and now - self._swept < WINDOW / 10:
            return []
        self._swept = now
        over = {key: one for key, one in self._heard.items() if now - one.since >= WINDOW}
        for key in over:
            del self._heard[key]
        return [
            (address, status, one.count - one.told)
            for (address, status), one in over.items()
            if one.count > one.told
        ]
