"""Paths: ``PID-5``, ``PID-3.4.2``, ``PID-3[]`` (every repetition), ``PID-3[2]``, ``NTE*-3`` (of every NTE that belongs
here), and within a part ``.``, ``.4``, ``.4.2``.
"""

import re
from dataclasses import dataclass
from typing import Final

from adapters.hl7v2.mapping.scope import Scope
from fhirserver.wire.hl7v2.message import Part

_ABSOLUTE: Final = re.compile(
    r"([A-Z][A-Z0-9]{2})(\*)?-(\d{1,3})(?:\[(\d{0,3})\])?(?:\.(\d{1,3}))?(?:\.(\d{1,3}))?", re.ASCII
)
_RELATIVE: Final = re.compile(r"\.(?:(\d{1,3})(?:\.(\d{1,3}))?)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Path:
    """Where to look. `segment` None: within the current part. `repetition` 0: every one of them."""

    segment: str | None
    field: int
    parts: tuple[int, ...]
    repetition: int | None = None
    every_segment: bool = False

    @property
    def is_list(self) -> bool:
        """Return whether there may be several."""
        return self.every_segment or self.repetition == 0

    def find(self, scope: Scope) -> list[Part]:
        """Return what is there, empty parts left out; one at most unless `is_list`."""
        if self.segment is None:
            roots = [scope.current] if scope.current is not None else []
        elif self.every_segment:
            roots = [one.field(self.field) for one in scope.segments(self.segment)]
        else:
            segment = scope.segment(self.segment)
            roots = [] if segment is None else [segment.field(self.field)]
        if self.repetition == 0:
            # NULL stands for the field, not for one repetition of it.
            roots = [part for root in roots for part in root.repetitions()]
        elif self.repetition is not None:
            roots = [
                part for root in roots for part in root.repetitions()[self.repetition - 1 :][:1]
            ]
        for number in self.parts:
            roots = [root.child(number) for root in roots]
        scope.reading.look(1 + len(roots))
        return [root for root in roots if root]


def read_path(text: str) -> Path:
    """Return the path written in `text`. Raises `ValueError`."""
    if (found := _ABSOLUTE.fullmatch(text)) is not None:
        segment, every, field, repetition, *parts = found.groups()
        number = None if repetition is None else int(repetition or 0)
        return Path(segment, int(field), _numbers(*parts), number, every is not None)
    if (found := _RELATIVE.fullmatch(text)) is not None:
        return Path(None, 0, _numbers(*found.groups()))
    raise ValueError(f"{text!r} is no path")


def _numbers(*texts: str | None) -> tuple[int, ...]:
    return tuple(int(one) for one in texts if one is not None)
