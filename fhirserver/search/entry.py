"""Entries: what one resource can be found by, one value of one search parameter each.

Spec: https://hl7.org/fhir/R4/search.html#ptypes
"""

from decimal import Decimal

import msgspec


class TokenEntry(msgspec.Struct, frozen=True, gc=False):
    """A code.

    `system` is None where the value has none. `implied` marks the system of a plain `code` element:
    it is known from the element's binding and not written in the resource, so the entry also
    answers ``|code``.
    """

    param: str
    system: str | None
    code: str | None
    implied: bool = False


class ReferenceEntry(msgspec.Struct, frozen=True, gc=False):
    """A pointer.

    `target` is ``Type/id``, an absolute URL or a URN without version, or a canonical URL (with
    ``|version`` when the resource names one: then `version` is set). `type` and `id` are what the
    target names, None where it names none.
    """

    param: str
    target: str
    type: str | None = None
    id: str | None = None
    version: str | None = None


class StringEntry(msgspec.Struct, frozen=True, gc=False):
    """A text, as written in the resource."""

    param: str
    value: str


class UriEntry(msgspec.Struct, frozen=True, gc=False):
    """A URI, as written; a canonical with ``|version`` is also found without it."""

    param: str
    value: str


class DateEntry(msgspec.Struct, frozen=True, gc=False):
    """A span of time [lo, hi) in microseconds since 1970-01-01T00:00:00Z.

    An open end is `period.BEGINNING` or `period.END`.
    """

    param: str
    lo: int
    hi: int


class NumberEntry(msgspec.Struct, frozen=True, gc=False):
    """A number, or a range [lo, hi] with both ends in it; an open end is infinite."""

    param: str
    lo: Decimal
    hi: Decimal


class QuantityEntry(msgspec.Struct, frozen=True, gc=False):
    """A quantity [lo, hi] with both ends in it (equal for a plain value.

    An open end, such as the lower one of "< 5", is infinite), in the unit written: `system` and
    `code`, and `unit` as displayed.
    """

    param: str
    lo: Decimal
    hi: Decimal
    system: str | None
    code: str | None
    unit: str | None


class PresentEntry(msgspec.Struct, frozen=True, gc=False):
    """A value that nothing can be compared with, such as a concept in words only."""

    param: str


class TextEntry(msgspec.Struct, frozen=True, gc=False):
    """What is written beside a code, for people: `text` or `display` (``:text``)."""

    param: str
    value: str


class OfTypeEntry(msgspec.Struct, frozen=True, gc=False):
    """An identifier's value with one coding of its type (``:of-type``)."""

    param: str
    system: str
    code: str
    value: str


class LogicalEntry(msgspec.Struct, frozen=True, gc=False):
    """A reference by identifier (``:identifier``)."""

    param: str
    system: str | None
    value: str | None


class PositionEntry(msgspec.Struct, frozen=True, gc=False):
    """A point in degrees (WGS84)."""

    param: str
    latitude: Decimal
    longitude: Decimal


class WordEntry(msgspec.Struct, frozen=True, gc=False):
    """One word of `_text` or `_content`; an empty one says that there are too many to index."""

    param: str
    word: str


Entry = (
    TokenEntry
    | ReferenceEntry
    | StringEntry
    | UriEntry
    | DateEntry
    | NumberEntry
    | QuantityEntry
    | PresentEntry
    | TextEntry
    | OfTypeEntry
    | LogicalEntry
    | PositionEntry
    | WordEntry
)
