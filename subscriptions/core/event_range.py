"""Which events ``$events`` is asked for, and which of them can be had.

Both ends are inclusive. Numbers have no gaps, so whatever is missing below the last number is no
longer kept: that is told, never passed over in silence.

Spec: https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/OperationDefinition-backport-subscription-events.html
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fhirserver.kernel.errors import BadRequest, Gone

_DIGITS = 18


@dataclass(frozen=True, slots=True)
class EventRange:
    """Events from `since` to `until`, both inclusive; None: from the first kept, to the newest."""

    since: int | None
    until: int | None

    def bounds(self, oldest: int | None, last: int) -> tuple[int, int]:
        """Return the first and the last number to tell; the first is the larger for none at all.

        `oldest` is the first number kept, None when none is; `last` is the newest there ever was.
        Raises `Gone` when numbers that are named are no longer kept.
        """
        kept = last + 1 if oldest is None else oldest
        through = last if self.until is None else min(self.until, last)
        if self.since is None:
            if self.until is not None and 1 <= self.until < kept:
                raise _gone(1, kept - 1, last)
            return kept, through
        first = max(self.since, 1)
        if first <= through and first < kept:
            raise _gone(first, kept - 1, last)
        return first, through

    def unbroken(self, numbers: Sequence[int], last: int) -> int:
        """Return the first of `numbers` (ascending, at least one) behind which none is missing.

        Raises `Gone` when the range begins before it.
        """
        begin = numbers[-1]
        for number in reversed(numbers[:-1]):
            if number != begin - 1:
                break
            begin = number
        if self.since is not None and begin > max(self.since, 1):
            raise _gone(max(self.since, 1), begin - 1, last)
        return begin


def event_range(since: str | None, until: str | None) -> EventRange:
    """Return what the two parameters ask for. Raises `BadRequest`."""
    asked = EventRange(_number("eventsSinceNumber", since), _number("eventsUntilNumber", until))
    if asked.since is not None and asked.until is not None and asked.until < asked.since:
        raise BadRequest("eventsUntilNumber is before eventsSinceNumber.")
    return asked


def _number(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise BadRequest(f"The parameter {name} is the number of an event.")
    return int(text)


def _gone(first: int, through: int, last: int) -> Gone:
    return Gone(
        f"Events {first} to {through} are no longer kept. The newest has the number {last}: "
        f"read what stands now, then go on from {through + 1}."
    )
