"""Equality terms: what a resource is found by in the blind index, and what a query looks for.

A term is plain text that the store hashes; equal terms are hits. `Term.reference` says that the
text is the target of a reference, hashed apart from the parameter so that chains can follow it. The
texts start with a letter for their form, so that no two forms can be mistaken for each other:

    token      b system code (both), c code (any system), n code (no system), s system (any code)
    string     1..16 first letters of the normalized text (p), the text as written (e)
    uri        u text; a canonical with a version is also found without it
    reference  the target itself
    date       d unit, for protected dates only
    any        a: the parameter has a value (`:missing`)

Spec: https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from fhirserver.fhirpath.reference import parse_reference
from fhirserver.search.aliases import ALIASES, sources
from fhirserver.search.comparison import date_comparison
from fhirserver.search.condition import (
    Condition,
    DateValue,
    ReferenceValue,
    StringValue,
    TokenValue,
    UriValue,
    Value,
)
from fhirserver.search.entry import (
    DateEntry,
    Entry,
    ReferenceEntry,
    StringEntry,
    TokenEntry,
    UriEntry,
)
from fhirserver.search.normalize import normalize
from fhirserver.search.protected import PROTECTED, index_units, query_units

PREFIX_LENGTH: Final = 16
PRESENT: Final = "a"
# FHIR strings cannot contain it, so a system and a code can never be cut in another place.
_CUT: Final = "\x1f"


class Term(NamedTuple):
    """One key. For `reference` terms the text is the target, ``Type/id`` or a URL."""

    param: str
    text: str
    reference: bool = False


class AnyOf(NamedTuple):
    """Hits have at least one of `terms` (or none of them, where the condition is negated).

    `exact` False: some hits may be wrong and must be verified by `match`; none is missing.
    """

    terms: tuple[Term, ...]
    exact: bool


def index_terms(type_: str, entry: Entry) -> tuple[Term, ...]:
    """Return the terms under which `entry` is found, with the one that says it is present.

    A parameter that is an alias adds none of its own; only its presence is said where that of its
    sources says too much (`patient`, when `subject` is a group).
    """
    param = entry.param
    present = Term(param, PRESENT)
    alias = ALIASES.get((type_, param))
    if alias is not None:
        return (present,) if alias.only is not None else ()
    match entry:
        case ReferenceEntry(target=target, version=version):
            if version is None:
                return (present, Term(param, target, True))
            return (present, Term(param, target, True), Term(param, _unversioned(target), True))
        case TokenEntry():
            return (present, *(Term(param, text) for text in _token_texts(entry)))
        case StringEntry(value=value):
            normalized = normalize(value)
            ends = range(1, min(PREFIX_LENGTH, len(normalized)) + 1)
            prefixes = (Term(param, "p" + normalized[:end]) for end in ends)
            return (present, *prefixes, Term(param, "e" + value))
        case UriEntry(value=value):
            url = _unversioned(value)
            versioned = () if url == value else (Term(param, "u" + value),)
            return (present, Term(param, "u" + url), *versioned)
        case DateEntry(lo=lo, hi=hi) if (type_, param) in PROTECTED:
            return (present, *(Term(param, "d" + unit) for unit in index_units(lo, hi)))
        case _:
            return (present,)


def resource_terms(type_: str, entries: Sequence[Entry]) -> frozenset[Term]:
    """Return every term of a resource, each once."""
    return frozenset(term for entry in entries for term in index_terms(type_, entry))


def query_terms(type_: str, condition: Condition) -> AnyOf:
    """Return the terms that answer `condition`, which must be answered by "terms".

    No terms means no hits. A negated condition is always exact.
    """
    alias = ALIASES.get((type_, condition.param))
    if condition.missing is not None:
        plain = alias is None or alias.only is not None
        params = (condition.param,) if plain else sources(type_, condition.param)
        return AnyOf(tuple(Term(param, PRESENT) for param in params), True)
    terms: dict[Term, None] = {}
    exact = True
    for value in condition.values:
        if alias is not None and alias.only is not None:
            texts, sure = _restricted(value, alias.only)
        else:
            texts, sure = _texts(value, as_written=condition.modifier == "exact")
        exact = exact and sure
        for param in sources(type_, condition.param):
            for text in texts:
                terms[Term(param, text, condition.type == "reference")] = None
    return AnyOf(tuple(terms), exact)


def _token_texts(entry: TokenEntry) -> Iterator[str]:
    system, code = entry.system, entry.code
    if code is not None:
        yield "c" + code
        if system is None or entry.implied:
            yield "n" + code
    if system is not None:
        yield "s" + system
        if code is not None:
            yield f"b{system}{_CUT}{code}"


def _texts(value: Value, *, as_written: bool) -> tuple[tuple[str, ...], bool]:
    """Return the term texts of one value, and whether every hit is right."""
    match value:
        case TokenValue(system=system, code=code):
            return (_token_text(system, code),), True
        case ReferenceValue(targets=targets):
            return targets, True
        case StringValue(text=text) if as_written:
            return ("e" + text,), True
        case StringValue(normalized=normalized):
            return ("p" + normalized[:PREFIX_LENGTH],), len(normalized) <= PREFIX_LENGTH
        case UriValue(text=text):
            return ("u" + text,), True
        case DateValue():
            units, exact = query_units(date_comparison(value))
            return tuple("d" + unit for unit in units), exact
        case _:
            raise TypeError("a number is not answered by terms")


def _restricted(value: Value, only: str) -> tuple[tuple[str, ...], bool]:
    """Return the targets that can be of type `only`.

    A URL that names no type may be one, because `Reference.type` may say so: that is verified.
    """
    if not isinstance(value, ReferenceValue):
        raise TypeError("only references are restricted to a type")
    types = {text: _type_of(text) for text in value.targets}
    texts = tuple(text for text, type_ in types.items() if type_ in (only, None))
    return texts, None not in types.values()


def _type_of(text: str) -> str | None:
    target = parse_reference(text)
    return None if target is None else target.type


def _unversioned(url: str) -> str:
    return url.partition("|")[0]


def _token_text(system: str | None, code: str | None) -> str:
    if code is None:
        return f"s{system}"
    if system is None:
        return "c" + code
    return "n" + code if system == "" else f"b{system}{_CUT}{code}"
