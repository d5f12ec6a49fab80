"""How texts are compared: without case, accents and differences of white space.

This is the only place that says so; index and query both use it.

Spec: https://hl7.org/fhir/R4/search.html#string
"""

import unicodedata
from functools import lru_cache
from typing import Any, Final

HUMAN_NAME_PARTS: Final = ("text", "family", "given", "prefix", "suffix")
ADDRESS_PARTS: Final = ("text", "line", "city", "district", "state", "postalCode", "country")


# Longer texts are not remembered: they are seldom met twice, and would fill the memory.
REMEMBERED: Final = 128


def normalize(text: str) -> str:
    """Return `text` folded for comparison; may be empty (white space only, marks only).

    Compatibility forms are decomposed, combining marks dropped, case folded ("STRASSE" equals
    "Straße"), runs of white space become one space, outer ones nothing.
    """
    return _remembered(text) if len(text) <= REMEMBERED else _fold(text)


def _fold(text: str) -> str:
    if text.isascii():
        return " ".join(text.lower().split())
    bare = _without_marks(unicodedata.normalize("NFKD", text))
    # Folding can bring back a letter that decomposes, so the marks are dropped once more.
    folded = _without_marks(unicodedata.normalize("NFKD", bare.casefold()))
    return " ".join(folded.split())


_remembered = lru_cache(maxsize=16_384)(_fold)


def _without_marks(text: str) -> str:
    return "".join(letter for letter in text if not unicodedata.combining(letter))


def parts_of(value: Any, names: tuple[str, ...]) -> list[str]:
    """Return the texts of a HumanName or Address, one per part: `names` says which."""
    found: list[str] = []
    for name in names:
        part = value.get(name)
        if isinstance(part, str):
            found.append(part)
        elif isinstance(part, list):
            found.extend(text for text in part if isinstance(text, str))
    return found
