"""MSH-10 of what is sent: made of the Subscription and the numbers of its events, so a repetition has the same.

It can be read back, so that who names it in an answer names the events as well. The time of the first event stands in
it because a Subscription made anew under its old id counts from one again; a message that says once more that an alarm
goes on has the time it was made as well, since no receiver acts on the same MSH-10 twice.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_WRITTEN: Final = re.compile(
    r"([A-Za-z0-9.-]{1,64})\.(\d{1,18})(?:-(\d{1,18}))?\.([0-9a-z]{1,12})(?:_([0-9a-z]{1,12}))?"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ControlId:
    """The events `first` to `last` of a Subscription, of which the first happened at `at` (milliseconds count).

    `again`: when they were told once more, None the first time.
    """

    subscription: str
    first: int
    last: int
    at: datetime
    again: datetime | None = None

    def __str__(self) -> str:
        """Return it as it stands in MSH-10."""
        numbers = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        written = f"{self.subscription}.{numbers}.{_base36(milliseconds(self.at))}"
        return written if self.again is None else f"{written}_{_base36(milliseconds(self.again))}"


def read_control_id(text: str) -> ControlId | None:
    """Return what a control id of ours says, None for any other."""
    found = _WRITTEN.fullmatch(text)
    if found is None:
        return None
    subscription, first, last, at, again = found.groups()
    try:
        moments = [_EPOCH + timedelta(milliseconds=int(one or "0", 36)) for one in (at, again)]
    except OverflowError:
        return None
    told_again = None if again is None else moments[1]
    return ControlId(subscription, int(first), int(last or first), moments[0], told_again)


def milliseconds(moment: datetime) -> int:
    """Return an aware `moment` as whole milliseconds since 1970."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _base36(number: int) -> str:
    written = ""
    while number:
        number, digit = divmod(number, 36)
        written = _DIGITS[digit] + written
    return written or "0"
