"""MSH-10 of what is sent: made of the Subscription and the numbers of its events, so a repetition has the same.

It can be read back, so that who names it in an answer names the events as well. The time of the first event stands in
it because a Subscription made anew under its old id counts from one again.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_WRITTEN: Final = re.compile(r"([A-Za-z0-9.-]{1,64})\.(\d{1,18})(?:-(\d{1,18}))?\.([0-9a-z]{1,12})")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ControlId:
    """The events `first` to `last` of a Subscription, of which the first happened at `at` (milliseconds count)."""

    subscription: str
    first: int
    last: int
    at: datetime

    def __str__(self) -> str:
        """Return it as it stands in MSH-10."""
        numbers = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{self.subscription}.{numbers}.{_base36(milliseconds(self.at))}"


def read_control_id(text: str) -> ControlId | None:
    """Return what a control id of ours says, None for any other."""
    found = _WRITTEN.fullmatch(text)
    if found is None:
        return None
    subscription, first, last, at = found.groups()
    try:
        moment = _EPOCH + timedelta(milliseconds=int(at, 36))
    except OverflowError:
        return None
    return ControlId(subscription, int(first), int(last or first), moment)


def milliseconds(moment: datetime) -> int:
    """Return an aware `moment` as whole milliseconds since 1970."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _base36(number: int) -> str:
    written = ""
    while number:
        number, digit = divmod(number, 36)
        written = _DIGITS[digit] + written
    return written or "0"
