"""From the codes of one system to those of another, as concept maps say.

Spec: https://hl7.org/fhir/R4/conceptmap.html, https://hl7.org/fhir/R4/conceptmap-operation-translate.html
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from fhirserver.kernel.resource import Json
from fhirserver.terminology.judgement import Coding

NO_MATCH: Final = frozenset({"unmatched", "disjoint"})

_REVERSED: Final = {
    # The equivalence as seen from the target; the others read the same from both sides.
    "wider": "narrower",
    "narrower": "wider",
    "subsumes": "specializes",
    "specializes": "subsumes",
}


@dataclass(frozen=True, slots=True)
class Match:
    """One translation. `products` are further attributes it comes with (rows of the concept map)."""

    equivalence: str
    coding: Coding
    source: str
    products: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """What shall be translated: `coding`, into `target_system` if one is named, or against the arrows.

    `dependencies` maps the URI of a further attribute to the codes it has.
    """

    coding: Coding
    target_system: str | None
    reverse: bool
    dependencies: dict[str, frozenset[str]]


def translate(concept_map: Json, wish: Wish) -> list[Match]:
    """Return what `concept_map` translates the coding to, in the order of the map."""
    url = str(concept_map.get("url", ""))
    found: list[Match] = []
    for group in concept_map.get("group", ()):
        matches = _backwards(group, wish, url) if wish.reverse else _forwards(group, wish, url)
        found.extend(matches)
    return found


def other_maps(concept_map: Json, wish: Wish) -> list[str]:
    """Return the maps to ask next, for groups whose codes do not list this one."""
    if wish.reverse:
        return []
    return [
        group["unmapped"]["url"]
        for group in concept_map.get("group", ())
        if _fits(wish.coding.system, group.get("source"))
        and group.get("unmapped", {}).get("mode") == "other-map"
        and "url" in group["unmapped"]
        and not _elements(group, wish.coding.code)
    ]


def _forwards(group: Json, wish: Wish, url: str) -> Iterator[Match]:
    target = group.get("target")
    if not _fits(wish.coding.system, group.get("source")) or not _fits(wish.target_system, target):
        return
    elements = _elements(group, wish.coding.code)
    for element in elements:
        for row in element.get("target", ()):
            if _depends(row, wish):
                coding = Coding(row.get("code", ""), target, None, row.get("display"))
                equivalence = row.get("equivalence", "equivalent")
                yield Match(equivalence, coding, url, tuple(row.get("product", ())))
    if elements:
        return
    unmapped = group.get("unmapped", {})
    if unmapped.get("mode") == "provided":
        yield Match("equal", Coding(wish.coding.code, target), url)
    elif unmapped.get("mode") == "fixed":
        coding = Coding(unmapped.get("code", ""), target, None, unmapped.get("display"))
        yield Match("inexact", coding, url)


def _backwards(group: Json, wish: Wish, url: str) -> Iterator[Match]:
    source = group.get("source")
    if not _fits(wish.coding.system, group.get("target")) or not _fits(wish.target_system, source):
        return
    for element in group.get("element", ()):
        for row in element.get("target", ()):
            if row.get("code") == wish.coding.code and _depends(row, wish):
                coding = Coding(element.get("code", ""), source, None, element.get("display"))
                equivalence = row.get("equivalence", "equivalent")
                yield Match(_REVERSED.get(equivalence, equivalence), coding, url)


def _elements(group: Json, code: str) -> list[Json]:
    return [element for element in group.get("element", ()) if element.get("code") == code]


def _fits(wanted: str | None, stated: str | None) -> bool:
    return wanted is None or stated is None or wanted == stated


def _depends(row: Json, wish: Wish) -> bool:
    """Whether every attribute the translation depends on has the value it names."""
    return all(
        one.get("value") in wish.dependencies.get(one.get("property", ""), frozenset())
        for one in row.get("dependsOn", ())
    )
