"""How filters of a Subscription are written, taken apart: ``Type?name:modifier=value&...``.

The guide shows ``Encounter?patient=Patient/123``, and speaks of ``[parameter]=[value]`` and
``[Type].[parameter]=[value]``; all three are read.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/StructureDefinition-backport-filter-criteria.html
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import unquote_plus


class BadText(ValueError):
    """A text that is no filter; the message says why."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One condition as written: `type` None where it names none, `value` decoded."""

    type: str | None
    name: str
    modifier: str
    value: str
    text: str

    @property
    def written_name(self) -> str:
        """The name with its modifier, as a search takes it."""
        return f"{self.name}:{self.modifier}" if self.modifier else self.name

    @property
    def alone(self) -> str:
        """The condition with its type, to be read again on its own."""
        return f"{self.type}?{self.text}"

    def about(self, type_: str) -> "Piece":
        """Return the same condition on resources of `type_`."""
        return replace(self, type=type_)


def piece_of(text: str) -> Piece:
    """Return the one condition of a `Piece.alone`. Raises `BadText`."""
    type_, _, rest = text.partition("?")
    return _piece(type_, rest)


def pieces(text: str) -> Iterator[Piece]:
    """Go through the conditions of one filter. Raises `BadText`."""
    type_, mark, rest = text.partition("?")
    named = type_ if mark and type_ else None
    for part in (rest if mark else text).split("&"):
        yield _piece(named, part)


def _piece(type_: str | None, part: str) -> Piece:
    written, mark, raw = part.partition("=")
    if not mark or not raw or not written:
        raise BadText(f"{part[:80]!r} is not parameter=value")
    name, _, modifier = unquote_plus(written).partition(":")
    prefix, dot, bare = name.partition(".")
    if dot and prefix[:1].isupper():
        if type_ is not None and prefix != type_:
            raise BadText(f"{part[:80]!r} names {prefix} in a filter on {type_}")
        name, type_ = bare, prefix
        part = part[part.index(".") + 1 :]
    return Piece(type_, name, modifier, unquote_plus(raw), part)
