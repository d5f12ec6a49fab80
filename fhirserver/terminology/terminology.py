"""What is loaded: code systems, value sets and concept maps of R4, of packages and of the tenant.

Everything is answered from memory. Resources that come with the definitions (packages, the tenant's
own) go before R4's. A canonical may name a version (`url|version`); then that very version counts.

Spec: https://hl7.org/fhir/R4/terminologies.html, https://hl7.org/fhir/R4/valueset.html#implicit
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, Protocol

from fhirserver.definitions.loader import Definitions
from fhirserver.kernel.errors import NotFound, TooCostly, Unprocessable
from fhirserver.kernel.resource import Json
from fhirserver.terminology.base import Kind, base_canonical, base_urls
from fhirserver.terminology.code_system import CodeSystem, Relation
from fhirserver.terminology.composition import members_of
from fhirserver.terminology.members import Members, Rule

MAX_NESTED: Final = 20  # value sets in one another
IMPLICIT: Final = (
    "?fhir_vs"  # behind the URL of a code system: a value set nobody has to write down
)
_BELOW: Final = IMPLICIT + "=isa/"


class Patterned(Protocol):
    """A compiled value set that may be a pattern instead of a list."""

    @property
    def systems(self) -> Any:
        """Codes by system."""

    @property
    def pattern(self) -> str | None:
        """The pattern of whole codes in the one system."""


class Canonicals(Protocol):
    """The part of `fhirserver.definitions.Definitions` that terminology needs."""

    def canonical(self, kind: str, url: str, version: str | None = None) -> Json | None:
        """Return the resource of a package or of the tenant."""

    def canonicals(self, kind: str) -> Iterable[Json]:
        """Return all of them."""

    def value_set(self, url: str) -> Patterned | None:
        """Return R4's compiled value set of a required binding."""


def not_loaded(kind: str, canonical: str) -> NotFound:
    """Return the one answer to whatever needs a canonical that is not loaded."""
    return NotFound(f"The {kind} {canonical} is not loaded.")


class Terminology:
    """Questions about codes. Immutable towards the outside; answers are remembered."""

    def __init__(self, definitions: Canonicals) -> None:
        """`definitions` are those of the tenant whose terminology this is."""
        self._definitions = definitions
        self._systems: dict[str, CodeSystem | None] = {}
        self._members: dict[str, Members] = {}

    def members(self, value_set: str) -> Members | None:
        """Return the members of a value set (canonical), None when it is not loaded.

        It is not loaded either when a code system or value set it builds on is not. Raises
        `Unprocessable` or `TooCostly` for one that cannot be put together.
        """
        try:
            return self.nested(value_set, ())
        except NotFound:
            return None

    def require_members(self, value_set: str) -> Members:
        """Return the members of a value set. Raises `NotFound` naming what is not loaded."""
        return self.nested(value_set, ())

    def missing(self, value_set: str) -> str:
        """Return the sentence that says what `members` did not find for this value set."""
        try:
            self.nested(value_set, ())
        except NotFound as error:
            return error.message
        return not_loaded("ValueSet", value_set).message

    def members_of(self, value_set: Json) -> Members:
        """Return the members of a ValueSet resource that a caller sent."""
        own = str(value_set.get("url", ""))
        return members_of(value_set, self, (own,) if own else ())

    def code_system(self, canonical: str) -> CodeSystem | None:
        """Return the code system, None when its content is not loaded."""
        if canonical not in self._systems:
            resource = self.resource("CodeSystem", canonical)
            if resource is None or resource.get("content") in ("not-present", "supplement"):
                # Not remembered: any caller may ask for any name.
                return None
            supplements = list(self._supplements(resource))
            self._systems[canonical] = CodeSystem(resource, supplements)
        return self._systems[canonical]

    def require_code_system(self, url: str, version: str | None = None) -> CodeSystem:
        """Return the code system, in that version if one is named. Raises `NotFound`."""
        canonical = f"{url}|{version}" if version else url
        found = self.code_system(canonical)
        if found is None:
            raise not_loaded("CodeSystem", canonical)
        return found

    def descendants(self, system: str, code: str) -> frozenset[str] | None:
        """Return `code` and all codes below it, None for a system or code that is not loaded."""
        found = self.code_system(system)
        return (found.descendants(code) or None) if found is not None else None

    def ancestors(self, system: str, code: str) -> frozenset[str] | None:
        """Return `code` and all codes above it, None for a system or code that is not loaded."""
        found = self.code_system(system)
        return (found.ancestors(code) or None) if found is not None else None

    def subsumes(self, system: str, first: str, second: str) -> Relation | None:
        """Return how `first` stands to `second`, None for what is not loaded."""
        found = self.code_system(system)
        return found.subsumes(first, second) if found is not None else None

    def display(self, system: str, code: str) -> str | None:
        """Return what the system calls the code, None when that is not loaded."""
        found = self.code_system(system)
        concept = found.find(code) if found is not None else None
        return concept.display if concept is not None else None

    def resource(self, kind: Kind, canonical: str) -> Json | None:
        """Return the loaded resource of a canonical (`url` or `url|version`), None without one."""
        url, _, version = canonical.partition("|")
        found = self._definitions.canonical(kind, url, version or None)
        if found is None:
            found = base_canonical(kind, url)
            if found is not None and version not in ("", found.get("version")):
                return None
        return found

    def concept_maps(self) -> Iterator[Json]:
        """Return every loaded concept map, the tenant's and packages' first."""
        seen = set()
        for resource in self._definitions.canonicals("ConceptMap"):
            seen.add(resource.get("url"))
            yield resource
        for url in base_urls("ConceptMap"):
            resource_of_r4 = base_canonical("ConceptMap", url)
            if url not in seen and resource_of_r4 is not None:
                yield resource_of_r4

    def nested(self, canonical: str, path: tuple[str, ...]) -> Members:
        """Return the members of a value set named by those in `path`. See `require_members`."""
        found = self._members.get(canonical)
        if found is not None:
            return found
        if canonical.partition("|")[0] in path:
            message = f"The value set {canonical} includes itself, by way of others."
            raise Unprocessable(message, expression="ValueSet.compose")
        if len(path) >= MAX_NESTED:
            raise TooCostly(f"More than {MAX_NESTED} value sets include one another.")
        found = self._compute(canonical, (*path, canonical.partition("|")[0]))
        if IMPLICIT not in canonical:
            # Of implicit ones there are as many as anybody makes up, so they are not remembered.
            self._members[canonical] = found
        return found

    def _compute(self, canonical: str, path: tuple[str, ...]) -> Members:
        try:
            resource = self.resource("ValueSet", canonical) or self._implicit(canonical)
            if resource is None:
                raise not_loaded("ValueSet", canonical)
            return members_of(resource, self, path)
        except NotFound:
            # A few of R4's required bindings name open registries, which have a shape and no list.
            patterned = self._definitions.value_set(path[-1])
            if patterned is None or patterned.pattern is None:
                raise
            (system,) = patterned.systems
            accepts = re.compile(patterned.pattern).fullmatch
            return Members((), [Rule(system, lambda code: accepts(code) is not None)])

    def _implicit(self, canonical: str) -> Json | None:
        """Return the value set that a code system defines merely by being there."""
        url, mark, _ = canonical.partition(IMPLICIT)
        if mark:
            include: Json = {"system": url}
            if canonical.startswith(url + _BELOW):
                value = canonical[len(url + _BELOW) :]
                include["filter"] = [{"property": "concept", "op": "is-a", "value": value}]
            elif canonical != url + IMPLICIT:
                return None
            return {"compose": {"include": [include]}}
        for resource in self._definitions.canonicals("CodeSystem"):
            if resource.get("valueSet") in (canonical, canonical.partition("|")[0]):
                return {"compose": {"include": [{"system": resource["url"]}]}}
        return None

    def _supplements(self, resource: Json) -> Iterator[Json]:
        url, version = resource.get("url"), resource.get("version")
        for other in self._definitions.canonicals("CodeSystem"):
            if other.get("content") == "supplement" and other.get("supplements") in (
                url,
                f"{url}|{version}",
            ):
                yield other


def terminology_of(definitions: Definitions) -> Terminology:
    """Return the terminology of `definitions`; the same object for the same definitions."""
    return definitions.derived(Terminology)
