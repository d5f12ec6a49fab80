"""Where a rule stands: at which segment of a message, and at which part of it.

From its own segment a rule sees those that belong to it, then the nearest before it, then the first behind it.

What a message may cost is bounded, and by its length alone: segments are found by an index, and rules look so often only.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from adapters.hl7v2.device.sender import Sender
from adapters.hl7v2.mapping.errors import MappingRefuses
from adapters.hl7v2.mapping.tables import Table
from adapters.hl7v2.report import Report
from fhirserver.wire.hl7v2.acknowledgement import SEGMENT_SEQUENCE, Fault
from fhirserver.wire.hl7v2.message import Message, Part, Segment

# About half a second of one core; a report of five hundred results is within.
MOST_LOOKS: Final = 80_000
_TOO_MUCH: Final = Fault(SEGMENT_SEQUENCE, "there is more in this message than is mapped at once")


@dataclass(frozen=True)
class Occurrence:
    """One resource to be made: its name in the message, and the segments it is made of.

    `start` is the position of its segment, `end` that of the next one of its kind; `own` belong to it.
    """

    name: str
    start: int
    end: int
    own: Sequence[Segment]
    before: frozenset[str]
    floor: int

    @cached_property
    def by_id(self) -> Mapping[str, Sequence[Segment]]:
        """Its own segments by their ids."""
        found: dict[str, list[Segment]] = {}
        for one in self.own:
            found.setdefault(one.id, []).append(one)
        return found


@dataclass
class Reading:
    """A message while it is mapped. `occurrences` are all resources to be made, by the name of their rule."""

    message: Message
    sender: Sender
    tables: Mapping[str, Table]
    report: Report
    occurrences: dict[str, list[Occurrence]] = field(default_factory=dict)
    looks: int = 0

    def look(self, times: int = 1) -> None:
        """Count that a rule looks at something. Raises `MappingRefuses` when there is too much to look at."""
        self.looks += times
        if self.looks > MOST_LOOKS:
            raise MappingRefuses(_TOO_MUCH)

    @cached_property
    def places(self) -> Mapping[str, Sequence[int]]:
        """The positions of the segments with each id, in order."""
        found: dict[str, list[int]] = {}
        for position, one in enumerate(self.message.segments):
            found.setdefault(one.id, []).append(position)
        return found


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a rule stands."""

    reading: Reading
    at: Occurrence
    current: Part | None = None

    def within(self, part: Part) -> "Scope":
        """Return the scope of rules about `part`."""
        return Scope(self.reading, self.at, part)

    def segment(self, id_: str) -> Segment | None:
        """Return the segment `id_` means here."""
        if own := self.at.by_id.get(id_):
            return own[0]
        places = self.reading.places.get(id_, ())
        before = bisect_left(places, self.at.start)
        chosen = places[before - 1] if before else None
        if id_ in self.at.before:
            if chosen is None or chosen < self.at.floor:
                return None
        elif chosen is None:
            chosen = places[0] if places else None
        return None if chosen is None else self.reading.message.segments[chosen]

    def segments(self, id_: str) -> Sequence[Segment]:
        """Return all segments `id_` that belong here."""
        return self.at.by_id.get(id_, ())

    def named(self, name: str) -> str | None:
        """Return the name of the resource of rule `name` that is meant here: the last that began, or the first of all."""
        there = self.reading.occurrences.get(name, ())
        begun = bisect_right(there, self.at.start, key=_start)
        chosen = there[begun - 1] if begun else next(iter(there), None)
        return None if chosen is None else chosen.name

    def named_below(self, name: str) -> list[str]:
        """Return the names of the resources of rule `name` that began within this one."""
        return [one.at.name for one in self.below(name)]

    def below(self, name: str) -> "list[Scope]":
        """Return where the resources of rule `name` stand that began within this one."""
        there = self.reading.occurrences.get(name, ())
        first = bisect_left(there, self.at.start, key=_start)
        last = bisect_left(there, self.at.end, key=_start)
        return [Scope(self.reading, one) for one in there[first:last]]


def _start(one: Occurrence) -> int:
    return one.start
