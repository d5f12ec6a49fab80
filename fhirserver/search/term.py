"""Terms, and the texts they are made of; see `terms`."""

from functools import lru_cache
from typing import Final, NamedTuple

from fhirserver.search.normalize import REMEMBERED

PREFIX_LENGTH: Final = 16
TEXT_LENGTH: Final = 3
GRAM_LENGTH: Final = 3
# Distinct groups of letters that one resource is indexed under; with more it is always a candidate.
MAX_GRAMS: Final = 200
# Groups that one query text is looked up by: more do not make it more certain.
MAX_LOOKED_UP: Final = 16
MAX_WORDS_LOOKED_UP: Final = 3
# What letters in a row are indexed under, whatever the parameter.
ANY_TEXT: Final = ""
# Searched for while somebody types: these are indexed by their first letters as well, so that what
# is found need not be verified.
PREFIXED: Final = frozenset({"name", "family", "given"})
# A part of a name that stands under one of these is not indexed under `name` again.
NAMED_APART: Final[dict[str, tuple[str, ...]]] = {
    "Patient": ("family", "given"),
    "Practitioner": ("family", "given"),
}
PRESENT: Final = "a"
# Every resource has few of these and device readings carry them by the million: what lies above
# such an address is not indexed, `:below` looks at the candidates.
FLAT_URIS: Final = frozenset({"_profile", "_source"})
# FHIR strings cannot contain it, so a system and a code can never be cut in another place.
CUT: Final = "\x1f"


class Term(NamedTuple):
    """One key. For `reference` terms the text is the target, ``Type/id`` or a URL."""

    param: str
    text: str
    reference: bool = False


class AnyOf(NamedTuple):
    """Hits have one of `terms` (or none of them, where the condition is negated).

    They may instead have all terms of one of `groups`. `exact` False: some hits may be wrong and
    must be verified by `match`; none is missing.
    """

    terms: tuple[Term, ...]
    exact: bool
    groups: tuple[tuple[Term, ...], ...] = ()


def token_text(system: str | None, code: str | None) -> str:
    """Return the one text that a token is looked up by: `system` "" means that there is none."""
    if code is None:
        return f"s{system}"
    if system is None:
        return "c" + code
    return "n" + code if system == "" else f"b{system}{CUT}{code}"


def of_type_text(system: str, code: str, value: str) -> str:
    """Return the text of an identifier with one coding of its type."""
    return f"o{system}{CUT}{code}{CUT}{value}"


def grams_of(normalized: str) -> tuple[str, ...]:
    """Return the distinct letters in a row, each inside one word."""
    return _remembered(normalized) if len(normalized) <= REMEMBERED else _grams(normalized)


def _grams(normalized: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for word in normalized.split(" "):
        for at in range(len(word) - GRAM_LENGTH + 1):
            found[word[at : at + GRAM_LENGTH]] = None
    return tuple(found)


_remembered = lru_cache(maxsize=16_384)(_grams)
