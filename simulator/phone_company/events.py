"""The phone company's log: a numbered list of what happened, for the story and for tests."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

KEPT = 5_000


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened."""

    number: int
    at: datetime
    kind: str
    detail: dict[str, Any]


class EventLog:
    """The last events, numbered from 1 without gaps."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._events: deque[Event] = deque(maxlen=KEPT)
        self._number = 0

    def add(self, kind: str, **detail: Any) -> None:
        """Note that `kind` happened now."""
        self._number += 1
        self._events.append(Event(self._number, self._clock(), kind, detail))

    def after(self, number: int) -> list[Event]:
        """Return every kept event with a higher number, oldest first."""
        return [event for event in self._events if event.number > number]
