"""A message as its sender wrote it: segments, fields, repetitions, components, subcomponents.

Only segments and fields are taken apart at once; the rest is when it is asked for, so that a message of hundreds of
segments costs what is read of it. Absent is None and NULL (``""``, an order to delete) is the empty text: the two are
never the same. What is asked for deeper than it was sent is its first part, and the other way round.

Spec: HL7 v2.6, 2.5 and 2.6; http://www.hl7.eu/HL7v2x/v26/std26/ch02.html
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from fhirserver.wire.hl7v2.delimiters import HEADERS, STANDARD, Delimiters, NotHl7, delimiters_of
from fhirserver.wire.hl7v2.escape import unescape

NULL_TEXT: Final = '""'
# More is no message that anybody means, and would hold up the others.
MOST_SEGMENTS: Final = 20_000
_SEGMENT: Final = re.compile(r"[A-Z][A-Z0-9]{2}")
_LEAF: Final = 3


class Part:
    """A field (level 0), one repetition of it (1), a component (2) or a subcomponent (3), as sent."""

    __slots__ = ("_message", "level", "raw")

    def __init__(self, raw: str, level: int, message: "Message") -> None:
        """`raw` is the text between its separators, escapes and all."""
        self.raw = raw
        self.level = level
        self._message = message

    def __bool__(self) -> bool:
        """Return whether anything was sent, be it NULL."""
        return bool(self.raw)

    @property
    def is_null(self) -> bool:
        """Return whether the sender said ``""``: what is known of it shall be deleted."""
        return self.raw == NULL_TEXT

    @property
    def is_standard(self) -> bool:
        """Return whether its text means the same in every message: standard delimiters and nothing escaped."""
        delimiters = self._message.delimiters
        return delimiters is STANDARD and delimiters.escape not in self.raw

    def repetitions(self) -> list["Part"]:
        """Return the repetitions of a field that hold anything; whatever is no field repeats once."""
        if not self.raw:
            return []
        if self.level > 0:
            return [self]
        separator = self._message.delimiters.repetition
        return [Part(one, 1, self._message) for one in self.raw.split(separator) if one]

    def child(self, number: int) -> "Part":
        """Return part `number`, counted from 1: components of a field's first repetition, subcomponents of a component."""
        part = self
        if part.level == 0:
            part = Part(self.raw.split(self._message.delimiters.repetition, 1)[0], 1, self._message)
        if part.level == _LEAF:
            return part if number == 1 else Part("", _LEAF, self._message)
        delimiters = self._message.delimiters
        separator = delimiters.component if part.level == 1 else delimiters.subcomponent
        parts = part.raw.split(separator)
        raw = parts[number - 1] if 1 <= number <= len(parts) else ""
        return Part(raw, part.level + 1, self._message)

    def children(self) -> int:
        """Return how many parts there are below; 0 where nothing was sent."""
        if not self.raw or self.level == _LEAF:
            return 0
        delimiters = self._message.delimiters
        separator = delimiters.subcomponent if self.level == 2 else delimiters.component
        return self.raw.count(separator) + 1

    def text(self, component: int = 1, subcomponent: int = 1) -> str | None:
        """Return the plain text of a leaf; None when absent, empty for NULL."""
        raw, delimiters = self.raw, self._message.delimiters
        if self.level == 0 and delimiters.repetition in raw:
            raw = raw.split(delimiters.repetition, 1)[0]
        if self.level < 2:
            raw = _part(raw, delimiters.component, component)
            component = subcomponent
        if self.level < _LEAF:
            raw = _part(raw, delimiters.subcomponent, component)
        elif component > 1:
            return None
        if not raw or raw == NULL_TEXT:
            return "" if raw else None
        return unescape(raw, delimiters, self._message.codec)

    def whole(self) -> str | None:
        """Return everything sent as one plain text, separators and all; None when absent, empty for NULL."""
        if not self.raw:
            return None
        if self.is_null:
            return ""
        return unescape(self.raw, self._message.delimiters, self._message.codec)


class Segment:
    """One line of a message. Fields count from 1; MSH-1 is the field separator itself."""

    __slots__ = ("_fields", "_message", "id", "position")

    def __init__(self, id_: str, fields: list[str], position: int, message: "Message") -> None:
        """`fields` begins with the segment's id; `position` counts the segments of this id from 1."""
        self.id = id_
        self._fields = fields
        self._message = message
        self.position = position

    @property
    def count(self) -> int:
        """The number of the last field that was sent."""
        return len(self._fields) - 1

    def raw(self, field: int) -> str:
        """Return a field as sent, empty when absent."""
        return self._fields[field] if 1 <= field < len(self._fields) else ""

    def raws(self, fields: Sequence[int]) -> tuple[str, ...]:
        """Return several fields as sent."""
        known, count = self._fields, len(self._fields)
        return tuple([known[one] if one < count else "" for one in fields])

    @property
    def is_standard(self) -> bool:
        """Return whether its message has standard delimiters."""
        return self._message.delimiters is STANDARD

    @property
    def written_with(self) -> tuple[Delimiters, str]:
        """Return the delimiters and the Python codec of its message."""
        return self._message.delimiters, self._message.codec

    def field(self, field: int) -> Part:
        """Return a field."""
        return Part(self.raw(field), 0, self._message)

    def text(self, field: int, component: int = 1, subcomponent: int = 1) -> str | None:
        """Return the plain text of a leaf of the field's first repetition; None when absent, empty for NULL."""
        fields = self._fields
        raw = fields[field] if field < len(fields) else ""
        return Part(raw, 0, self._message).text(component, subcomponent) if raw else None


class Message:
    """A message that could be read. `codec` is the Python codec of its character set."""

    __slots__ = ("codec", "delimiters", "segments")

    def __init__(self, delimiters: Delimiters, codec: str) -> None:
        """Have no segments yet; `read` adds them."""
        self.delimiters = delimiters
        self.codec = codec
        self.segments: Sequence[Segment] = ()

    @property
    def header(self) -> Segment:
        """The MSH (or FHS, BHS)."""
        return self.segments[0]

    def first(self, id_: str) -> Segment | None:
        """Return the first segment with this id, None without."""
        return next(self.all(id_), None)

    def all(self, id_: str) -> Iterator[Segment]:
        """Yield the segments with this id, in order."""
        return (one for one in self.segments if one.id == id_)


def _part(raw: str, separator: str, number: int) -> str:
    if separator not in raw:
        return raw if number == 1 else ""
    parts = raw.split(separator)
    return parts[number - 1] if number <= len(parts) else ""


def read(text: str, codec: str = "utf-8") -> Message:
    """Return the message written in `text`; segments end with CR, or with LF where there is no CR. Raises `NotHl7`."""
    return read_lines(lines_of(text), codec)


def read_lines(lines: Sequence[str], codec: str = "utf-8") -> Message:
    """Return the message of these `lines`, as `lines_of` returns them. Raises `NotHl7`."""
    if not lines:
        raise NotHl7("the message is empty")
    if len(lines) > MOST_SEGMENTS:
        raise NotHl7(f"a message has {MOST_SEGMENTS} segments at most")
    message = Message(delimiters_of(lines[0]), codec)
    separator = message.delimiters.field
    counts: dict[str, int] = {}
    segments = []
    for number, line in enumerate(lines):
        id_ = line[:3]
        if not _is_segment(id_) or line[3:4] not in ("", separator):
            raise NotHl7("a line is no segment")
        if number and id_ == "MSH":
            raise NotHl7("there are two messages in one")
        fields = line.split(separator)
        if id_ in HEADERS:
            fields.insert(1, separator)
        counts[id_] = counts.get(id_, 0) + 1
        segments.append(Segment(id_, fields, counts[id_], message))
    message.segments = segments
    return message


@lru_cache(maxsize=1024)
def _is_segment(id_: str) -> bool:
    return _SEGMENT.fullmatch(id_) is not None


def lines_of(text: str) -> list[str]:
    """Return the lines of `text` that hold anything."""
    text = text.lstrip("\ufeff \t\r\n").replace("\r\n", "\r")
    if "\n" not in text:
        return [line for line in text.split("\r") if line and not line.isspace()]
    found = text.split("\r" if "\r" in text.rstrip("\r\n \t") else "\n")
    return [line for line in (one.strip("\r\n") for one in found) if line and not line.isspace()]
