"""Expands a value set into its codes, as far as the definitions alone allow.

Required bindings must be checked on every write, so their value sets are enumerated when the
definitions are compiled. Four of them name code systems that live elsewhere; they get a
pattern for the shape of a code instead, and the reason stands beside it.

Spec: https://hl7.org/fhir/R4/valueset.html#expansion
"""

from collections.abc import Iterator
from typing import Any

from fhirserver.definitions.source import Json, Source


class NotEnumerableError(Exception):
    """A value set whose codes cannot be listed from the definitions; says why."""


NOT_ENUMERABLE: dict[str, tuple[str, str, str]] = {
    # value set -> (system, pattern for a whole code, why it cannot be listed)
    # Each pattern matches in one way only, so that no text can make matching slow.
    "http://hl7.org/fhir/ValueSet/currencies": (
        "urn:iso:std:iso:4217",
        "[A-Z]{3}",
        "ISO 4217 is maintained by ISO and is not part of the definitions",
    ),
    "http://hl7.org/fhir/ValueSet/mimetypes": (
        "urn:ietf:bcp:13",
        r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+*-]+\s*(;\s*[^\s;=]+=[^;=]+)*|xml|json|ttl",
        "BCP 13 is an open registry; the short names are the ones CapabilityStatement.format has",
    ),
    "http://hl7.org/fhir/ValueSet/ucum-units": (
        "http://unitsofmeasure.org",
        r"[\x21-\x7e]+",
        "UCUM is a grammar, not a list",
    ),
    "http://loinc.org/vs/LL379-9": (
        "http://loinc.org",
        r"LA[0-9]+-[0-9]",
        "a LOINC answer list that is not part of the definitions",
    ),
}


def expand(source: Source, url: str) -> Json:
    """Return the compiled row of one value set.

    `systems` maps system to sorted codes; the ones listed in NOT_ENUMERABLE have `pattern` too.
    Raises NotEnumerableError for any other that cannot be listed.
    """
    if url in NOT_ENUMERABLE:
        system, pattern, _reason = NOT_ENUMERABLE[url]
        return {"systems": {system: []}, "pattern": pattern}
    systems: dict[str, set[str]] = {}
    for system, code in _members(source, url):
        systems.setdefault(system, set()).add(code)
    if not systems:
        raise NotEnumerableError(f"{url} has no codes")
    return {"systems": {system: sorted(codes) for system, codes in sorted(systems.items())}}


def _members(source: Source, url: str) -> Iterator[tuple[str, str]]:
    value_set = source.value_sets.get(url)
    if value_set is None:
        raise NotEnumerableError(f"{url} is not in the package")
    compose = value_set["compose"]
    if compose.get("exclude"):
        raise NotEnumerableError(f"{url} excludes codes")
    for include in compose["include"]:
        yield from _included(source, url, include)


def _included(source: Source, url: str, include: Json) -> Iterator[tuple[str, str]]:
    if "filter" in include:
        raise NotEnumerableError(f"{url} filters a code system")
    imported = include.get("valueSet", [])
    if imported:
        if "system" in include or len(imported) > 1:
            raise NotEnumerableError(f"{url} intersects value sets")
        yield from _members(source, imported[0].split("|")[0])
        return
    system: str = include["system"]
    if "concept" in include:
        for concept in include["concept"]:
            yield system, concept["code"]
        return
    code_system = source.code_systems.get(system)
    if code_system is None or code_system["content"] != "complete":
        raise NotEnumerableError(f"{url} includes {system}, which the package does not hold entire")
    for code in _concepts(code_system.get("concept", [])):
        yield system, code


def _concepts(concepts: list[dict[str, Any]]) -> Iterator[str]:
    for concept in concepts:
        yield concept["code"]
        yield from _concepts(concept.get("concept", []))
