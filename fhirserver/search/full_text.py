"""The words of a resource, for `_text` (the narrative) and `_content` (all of its text).

A word is a run of two and more letters and digits that begins with a letter, folded as `normalize`
says. The text of a
resource is every string in it, but for what only machines read: identifiers, codes, references,
dates, encoded data.

Spec: https://hl7.org/fhir/R4/search.html#content
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from html import unescape
from typing import Final, Literal

from fhirserver.kernel.resource import Json
from fhirserver.search.normalize import REMEMBERED, normalize

# Distinct words that one resource is indexed under; with more it is a candidate for every query.
MAX_WORDS: Final = 300
# Words of this length and more are found by the letters of the texts they stand in.
INDEXED_BY_LETTERS: Final = 3
# Device readings and audit events are written by the million and their words are the displays of codes,
# which nobody searches by words: they are not indexed, and a query is answered by looking at candidates.
WORDLESS_TYPES: Final = frozenset({"AuditEvent", "Observation"})

# Letters and digits in a row, two and more.
_RUN: Final = re.compile(r"[^\W_]{2,}")
# A tag or comment; one that is left open reaches to the end.
_TAG: Final = re.compile(r"<[^>]*(?:>|\Z)")

_MACHINE_READ: Final = frozenset(
    {
        "resourceType",
        "id",
        "system",
        "url",
        "reference",
        "profile",
        "source",
        "versionId",
        "lastUpdated",
        "contentType",
        "data",
        "query",
        "hash",
        "div",
        "status",
        "code",
        "use",
        "intent",
        "value",
        "unit",
        "currency",
        "type",
        "gender",
        "birthDate",
        "start",
        "end",
        "date",
        "created",
        "issued",
    }
)


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text, in order."""
    return _remembered(text) if len(text) <= REMEMBERED else _cut(text)


def _cut(text: str) -> tuple[str, ...]:
    normalized = normalize(text)
    if len(normalized) > 1 and normalized.isalpha():
        return (normalized,)
    return tuple(word for word in _RUN.findall(normalized) if word[0].isalpha())


_remembered = lru_cache(maxsize=16_384)(_cut)


def texts(resource: Json, of: Literal["_text", "_content"]) -> list[str]:
    """Return the narrative, or every text of a resource, the narrative included."""
    narrative = resource.get("text")
    div = narrative.get("div") if isinstance(narrative, dict) else None
    found = _strings(resource) if of == "_content" else []
    if isinstance(div, str):
        found.append(unescape(_TAG.sub(" ", div)))
    return found


def has_words(resource: Json, of: Literal["_text", "_content"], wanted: tuple[str, ...]) -> bool:
    """Whether `wanted` stand one after the other in one of the texts."""
    size = len(wanted)
    for text in texts(resource, of):
        found = words(text)
        if any(found[at : at + size] == wanted for at in range(len(found) - size + 1)):
            return True
    return False


def indexed_words(resource: Json, others: Iterable[str]) -> tuple[str, frozenset[str]]:
    """Return the parameter that a resource's words are indexed under, and the words.

    The words of the narrative are among those of the content and have no keys of their own; nor
    have those of `others`, texts that are indexed by their letters. The empty word stands for those
    that are too many.
    """
    of: Literal["_text", "_content"]
    of = "_text" if resource["resourceType"] in WORDLESS_TYPES else "_content"
    found: set[str] = set()
    for text in texts(resource, of):
        found.update(words(text))
        if len(found) > MAX_WORDS:
            return of, frozenset((*sorted(found)[:MAX_WORDS], ""))
    for text in set(others):
        found.difference_update([one for one in words(text) if len(one) >= INDEXED_BY_LETTERS])
    return of, frozenset(found)


def _strings(resource: Json) -> list[str]:
    found: list[str] = []
    pending: list[Json] = [resource]
    while pending:
        for name, value in pending.pop().items():
            kind = type(value)
            if kind is str:
                if name not in _MACHINE_READ:
                    found.append(value)
            elif kind is dict:
                pending.append(value)
            elif kind is list:
                pending += [one if type(one) is dict else {name: one} for one in value]
    return found
