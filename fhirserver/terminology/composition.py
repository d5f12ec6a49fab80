"""Computes the members of a value set from its `compose`.

An include is the codes of its system (listed, filtered, or all) that are also in every value set it
names; the value set is the union of its includes without its excludes. Value sets may name each
other to any depth, but not in a circle.

Spec: https://hl7.org/fhir/R4/valueset.html#compositions
"""

from collections.abc import Callable, Iterable
from typing import Final, Protocol

from fhirserver.kernel.errors import NotFound, TooCostly, Unprocessable
from fhirserver.kernel.resource import Json
from fhirserver.terminology import ucum
from fhirserver.terminology.code_system import CodeSystem, Concept
from fhirserver.terminology.filters import select
from fhirserver.terminology.members import Member, Members, Rule

MAX_MEMBERS: Final = 100_000  # codes of one value set
MAX_LOOKED_AT: Final = 500_000  # codes considered on the way, so that many small steps end too
MAX_ROWS: Final = 5_000  # includes and excludes of one value set


class Source(Protocol):
    """Where the named code systems and value sets come from. Both raise `NotFound`."""

    def require_code_system(self, url: str, version: str | None) -> CodeSystem:
        """Return the loaded code system."""

    def nested(self, canonical: str, path: tuple[str, ...]) -> Members:
        """Return the members of a value set met on the way `path` (canonicals, outermost first)."""


def members_of(value_set: Json, source: Source, path: tuple[str, ...] = ()) -> Members:
    """Return the members of the ValueSet resource `value_set`.

    Raises `NotFound` naming a canonical that is not loaded (unless the resource brings a complete
    expansion of its own), `Unprocessable` (circle, unknown filter, neither compose nor expansion)
    and `TooCostly`.
    """
    compose = value_set.get("compose")
    if compose is None:
        stored = _stored(value_set)
        if stored is None:
            message = "The value set has neither compose nor expansion."
            raise Unprocessable(message, expression="ValueSet.compose")
        return stored
    try:
        return _Composition(source, path).members(compose)
    except NotFound:
        stored = _stored(value_set)
        if stored is None:
            raise
        return stored


def _stored(value_set: Json) -> Members | None:
    """Return the expansion the resource brings along, None unless it is there in full."""
    expansion = value_set.get("expansion")
    if expansion is None:
        return None
    found: list[Member] = []
    waiting = list(reversed(expansion.get("contains", [])))
    while waiting:
        row = waiting.pop()
        if "code" in row and "system" in row:
            member = Member(
                row["system"],
                row["code"],
                row.get("display"),
                row.get("version"),
                row.get("inactive", False),
                row.get("abstract", False),
                tuple(row.get("designation", ())),
            )
            found.append(member)
        waiting.extend(reversed(row.get("contains", [])))
    if len(found) < expansion.get("total", 0):
        return None
    return Members(found)


class _Composition:
    """One value set being put together."""

    def __init__(self, source: Source, path: tuple[str, ...]) -> None:
        self._source = source
        self._path = path
        self._looked_at = 0
        self._used: dict[str, None] = {}
        self._folded: set[str] = set()

    def members(self, compose: Json) -> Members:
        includes, excludes = compose.get("include", []), compose.get("exclude", [])
        if len(includes) + len(excludes) > MAX_ROWS:
            message = f"A value set may have {MAX_ROWS} includes and excludes."
            raise TooCostly(message)
        listed: dict[tuple[str, str], Member] = {}
        rules: list[Rule] = []
        for row in includes:
            part = self._row(row)
            for one in part.known():
                listed.setdefault((one.system, one.code), one)
            rules.extend(part.rules)
            self._bound(listed)
        for row in excludes:
            part = self._row(row)
            listed = {
                key: one for key, one in listed.items() if not part.contains(one.system, one.code)
            }
            rules = [Rule(rule.system, _but(rule, part)) for rule in rules]
        if compose.get("inactive") is False:
            listed = {key: one for key, one in listed.items() if not one.inactive}
        return Members(listed.values(), rules, used=self._used, folded=frozenset(self._folded))

    def _row(self, row: Json) -> Members:
        parts = [self._source.nested(url, self._path) for url in row.get("valueSet", ())]
        for part in parts:
            self._used.update(dict.fromkeys(part.used))
        if "system" in row:
            parts.insert(0, self._of_system(row))
        if not parts:
            message = "An include names neither a system nor a value set."
            raise Unprocessable(message, expression="ValueSet.compose.include")
        result = parts[0]
        for part in parts[1:]:
            result = _both(result, part)
            self._count(len(result))
        return result

    def _of_system(self, row: Json) -> Members:
        system: str = row["system"]
        version: str | None = row.get("version")
        if "concept" in row:
            return self._written_out(system, version, row["concept"])
        if system == ucum.SYSTEM:
            self._used[system] = None
            return Members((), [Rule(system, _units(row.get("filter", ())))])
        loaded = self._source.require_code_system(system, version)
        self._note(loaded)
        codes: Iterable[str] = loaded.concepts
        for number, one in enumerate(row.get("filter", ())):
            if number >= MAX_ROWS:
                raise TooCostly(f"An include may have {MAX_ROWS} filters.")
            chosen = select(loaded, one)
            self._count(len(loaded.concepts))
            codes = [code for code in codes if code in chosen]
        self._count(len(loaded.concepts))
        return Members(_member(loaded, loaded.concepts[code]) for code in codes)

    def _written_out(self, system: str, version: str | None, rows: list[Json]) -> Members:
        self._count(len(rows))
        try:
            loaded = self._source.require_code_system(system, version)
        except NotFound:
            # The codes stand there; only what their system would add about them is missing.
            self._used[system] = None
            return Members(_bare(system, version, row) for row in rows)
        self._note(loaded)
        return Members(_described(loaded, version, row) for row in rows)

    def _note(self, system: CodeSystem) -> None:
        self._used[f"{system.url}|{system.version}" if system.version else system.url] = None
        if not system.case_sensitive:
            self._folded.add(system.url)

    def _count(self, looked_at: int) -> None:
        self._looked_at += looked_at
        if self._looked_at > MAX_LOOKED_AT:
            raise TooCostly("The value set takes too long to put together.")

    @staticmethod
    def _bound(listed: dict[tuple[str, str], Member]) -> None:
        if len(listed) > MAX_MEMBERS:
            raise TooCostly(f"The value set has more than {MAX_MEMBERS} codes.")


def _both(first: Members, second: Members) -> Members:
    """Return what is in both."""
    listed = [one for one in first.known() if second.contains(one.system, one.code)]
    listed += [
        one
        for one in second.known()
        if any(rule.system == one.system and rule.accepts(one.code) for rule in first.rules)
    ]
    rules = [
        Rule(rule.system, _and(rule, other))
        for rule in first.rules
        for other in second.rules
        if rule.system == other.system
    ]
    return Members(listed, rules)


def _and(one: Rule, other: Rule) -> Callable[[str], bool]:
    return lambda code: one.accepts(code) and other.accepts(code)


def _but(rule: Rule, excluded: Members) -> Callable[[str], bool]:
    return lambda code: rule.accepts(code) and not excluded.contains(rule.system, code)


def _units(filters: Iterable[Json]) -> Callable[[str], bool]:
    """Return the test for the units of a filter on UCUM, which knows one: `canonical`."""
    wanted: list[str | None] = []
    for row in filters:
        if (row.get("property"), row.get("op")) != ("canonical", "="):
            message = "UCUM has one filter: canonical, with the operator =."
            raise Unprocessable(message, expression="ValueSet.compose.include.filter")
        wanted.append(ucum.canonical_code(str(row.get("value"))))
    if not wanted:
        return ucum.is_valid
    return lambda code: (
        (found := ucum.canonical_code(code)) is not None and all(found == one for one in wanted)
    )


def _member(system: CodeSystem, concept: Concept) -> Member:
    return Member(
        system.url,
        concept.code,
        concept.display,
        system.version,
        concept.inactive,
        concept.abstract,
        concept.designations,
    )


def _described(system: CodeSystem, version: str | None, row: Json) -> Member:
    concept = system.find(row["code"])
    if concept is None:
        return _bare(system.url, version, row)
    known = _member(system, concept)
    return Member(
        known.system,
        row["code"],
        row.get("display", known.display),
        known.version,
        known.inactive,
        known.abstract,
        (*row.get("designation", ()), *known.designations),
    )


def _bare(system: str, version: str | None, row: Json) -> Member:
    designations = tuple(row.get("designation", ()))
    return Member(system, row["code"], row.get("display"), version, designations=designations)
