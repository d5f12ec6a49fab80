"""How old a sample is, and when it was taken, judged without trusting the device's wall clock. Pure.

A device's monotonic clock and the server's receipt time differ by a constant plus the delay on the way; the smallest
difference seen is the constant, so whatever a message shows above it is its delay. The wall clock only places values
on the calendar, and not even that when it is far off.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

# [P] Above this the wall clock is a fault and times are mapped (HL7 PHD: coincident time stamps).
FAULTY_SKEW: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Timing:
    """When a message was sent, in the server's and in the device's words. `skew` is None without a wall clock."""

    offset_ms: int | None
    delay: timedelta
    skew: timedelta | None
    sent: datetime

    @property
    def is_faulty(self) -> bool:
        """Return whether the device's wall clock is too far off to be believed."""
        return self.skew is not None and abs(self.skew) > FAULTY_SKEW


def believed(received: datetime, wall: datetime) -> Timing:
    """Return the timing of a message whose sender keeps its clock in step with the world's.

    What it says is old is old, and says nothing about the clock; a time that has not come yet is judged as any other
    clock's.
    """
    if wall - received > FAULTY_SKEW:
        return timing(received, 0, None, None, wall)
    delay = max(timedelta(0), received - wall)
    return Timing(None, delay, wall - received if delay <= FAULTY_SKEW else None, wall)


def timing(
    received: datetime,
    received_ms: int,
    mono_ms: int | None,
    known_offset_ms: int | None,
    wall: datetime | None,
) -> Timing:
    """Return the timing of a message.

    `received_ms` is `received` in milliseconds since 1970, `known_offset_ms` the smallest offset seen so far. A message
    without a monotonic time counts as undelayed.
    """
    offset = known_offset_ms
    delay = timedelta(0)
    if mono_ms is not None:
        seen = received_ms - mono_ms
        offset = seen if known_offset_ms is None else min(seen, known_offset_ms)
        delay = timedelta(milliseconds=seen - offset)
    true_sent = received - delay
    skew = None if wall is None else wall - true_sent
    sent = true_sent if wall is None or abs(wall - true_sent) > FAULTY_SKEW else wall
    return Timing(offset, delay, skew, sent)
