"""Writes ER7, strictly: standard delimiters, CR after every segment, everything escaped, nothing empty at the end.

Values are text (escaped here), `NULL`, None for absent, or made of parts by `components`, `subcomponents`, `repeated`.
Spec: HL7 v2.6, 2.6 (message construction rules).
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fhirserver.wire.hl7v2.delimiters import HEADERS, STANDARD
from fhirserver.wire.hl7v2.escape import escape
from fhirserver.wire.hl7v2.message import NULL_TEXT


class Null(enum.Enum):
    """What NULL is written by."""

    NULL = NULL_TEXT


NULL: Final = Null.NULL
Leaf = str | Null | None


@dataclass(frozen=True, slots=True)
class Subcomponents:
    """The subcomponents of one component."""

    parts: tuple[Leaf, ...]


@dataclass(frozen=True, slots=True)
class Components:
    """The components of one repetition."""

    parts: tuple[Leaf | Subcomponents, ...]


@dataclass(frozen=True, slots=True)
class Repeated:
    """The repetitions of one field."""

    parts: tuple[Leaf | Components, ...]


Value = Leaf | Components | Repeated


def subcomponents(*parts: Leaf) -> Subcomponents:
    """Return a component of several parts."""
    return Subcomponents(parts)


def components(*parts: Leaf | Subcomponents) -> Components:
    """Return a field of several parts."""
    return Components(parts)


def repeated(*parts: Leaf | Components) -> Repeated:
    """Return a field that repeats."""
    return Repeated(parts)


def segment(id_: str, fields: Mapping[int, Value]) -> str:
    """Return one segment without its CR; of a header (MSH, FHS, BHS) fields 1 and 2 are written by themselves."""
    texts = {number: _text(value) for number, value in fields.items()}
    last = max((number for number, text in texts.items() if text), default=0)
    if id_ in HEADERS:
        rest = [texts.get(number, "") for number in range(3, last + 1)]
        return STANDARD.field.join([id_, STANDARD.encoding, *rest])
    return STANDARD.field.join([id_, *(texts.get(number, "") for number in range(1, last + 1))])


def text_of(segments: Sequence[str]) -> str:
    """Return the message of these segments."""
    return "".join(f"{one}\r" for one in segments)


def _text(value: Value | Subcomponents) -> str:
    match value:
        case None:
            return ""
        case str():
            return escape(value, STANDARD)
        case Null():
            return value.value
        case Subcomponents(parts):
            return STANDARD.subcomponent.join(map(_text, parts)).rstrip(STANDARD.subcomponent)
        case Components(parts):
            return STANDARD.component.join(map(_text, parts)).rstrip(STANDARD.component)
        case Repeated(parts):
            return STANDARD.repetition.join(map(_text, parts)).rstrip(STANDARD.repetition)
