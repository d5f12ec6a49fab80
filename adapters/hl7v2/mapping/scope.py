"""Where a rule stands: at which segment of a message, and at which part of it.

From its own segment a rule sees those that belong to it, then the nearest before it, then the first behind it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adapters.hl7v2.device.sender import Sender
from adapters.hl7v2.mapping.tables import Table
from adapters.hl7v2.report import Report
from fhirserver.wire.hl7v2.message import Message, Part, Segment


@dataclass(frozen=True, slots=True)
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


@dataclass(slots=True)
class Reading:
    """A message while it is mapped. `occurrences` are all resources to be made, by the name of their rule."""

    message: Message
    sender: Sender
    tables: Mapping[str, Table]
    report: Report
    occurrences: dict[str, list[Occurrence]] = field(default_factory=dict)


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
        for one in self.at.own:
            if one.id == id_:
                return one
        segments = self.reading.message.segments
        floor = self.at.floor if id_ in self.at.before else 0
        for position in range(self.at.start - 1, floor - 1, -1):
            if segments[position].id == id_:
                return segments[position]
        if id_ in self.at.before:
            return None
        return next((one for one in segments[self.at.start :] if one.id == id_), None)

    def segments(self, id_: str) -> list[Segment]:
        """Return all segments `id_` that belong here."""
        return [one for one in self.at.own if one.id == id_]

    def named(self, name: str) -> str | None:
        """Return the name of the resource of rule `name` that is meant here: the last that began, or the first of all."""
        there = self.reading.occurrences.get(name, ())
        begun = [one for one in there if one.start <= self.at.start]
        chosen = begun[-1] if begun else next(iter(there), None)
        return None if chosen is None else chosen.name

    def named_below(self, name: str) -> list[str]:
        """Return the names of the resources of rule `name` that began within this one."""
        return [one.at.name for one in self.below(name)]

    def below(self, name: str) -> "list[Scope]":
        """Return where the resources of rule `name` stand that began within this one."""
        there = self.reading.occurrences.get(name, ())
        return [
            Scope(self.reading, one) for one in there if self.at.start <= one.start < self.at.end
        ]
