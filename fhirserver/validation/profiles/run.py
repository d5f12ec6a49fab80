"""One validation of one resource: what is known about it, and what was found so far."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Literal, Protocol

from fhirserver.definitions import Definitions
from fhirserver.fhirpath.reference import parse_reference
from fhirserver.kernel.errors import Problem
from fhirserver.validation.profiles.place import ElementNames, Place

Json = dict[str, Any]

MAX_PROBLEMS = 1000
"""Problems listed at most; one more then says that there are others."""


class Members(Protocol):
    """The codes of a value set."""

    def contains(self, system: str | None, code: str) -> bool:
        """Whether the code is one of them; no system means any."""


class Terminology(Protocol):
    """What is asked about codes (`fhirserver.terminology.Terminology`)."""

    def members(self, value_set: str) -> Members | None:
        """Return the codes of a value set, None when it is not loaded."""


Check = Callable[[Place, "Run"], None]
"""check(place, run): adds what is wrong to the run."""


class Run:
    """One walk. `root` is the whole resource, `resource` the innermost one being checked."""

    def __init__(
        self,
        root: Json,
        definitions: Definitions,
        *,
        terminology: Terminology,
        names: ElementNames,
        conforms: Callable[[Place, str, "Run"], bool],
        now: datetime | None = None,
    ) -> None:
        """`now` is what FHIRPath's now() gives; without it such constraints cannot be decided.

        `conforms` says whether a value conforms to a profile.
        """
        self.root = root
        self.resource = root
        self.definitions = definitions
        self.terminology = terminology
        self.names = names
        self.now = now
        self._conforms = conforms
        self.is_trial = False
        self.problems: list[Problem] = []
        self.conforming: dict[tuple[str, int], bool] = {}
        self._left_out = 0
        self._seen: set[tuple[str, str, str]] = set()

    def report(
        self,
        severity: Literal["error", "warning", "information"],
        code: str,
        place: Place,
        message: str,
    ) -> None:
        """Add a problem at `place`; the same one is listed once."""
        if self.is_trial:
            # In a trial only the verdict counts, so nobody reads where and why.
            self.problems.append(Problem(severity, code, "", ""))
            return
        location = place.location()
        key = (severity, location, message)
        if key in self._seen:
            return
        if len(self.problems) >= MAX_PROBLEMS:
            self._left_out += 1
            return
        self._seen.add(key)
        self.problems.append(Problem(severity, code, location, message))

    def passes(self, check: Check, place: Place) -> bool:
        """Whether `check` finds no error; what it finds is forgotten."""
        before, trial = self.problems, self.is_trial
        self.problems, self.is_trial = [], True
        try:
            check(place, self)
            return not any(one.severity == "error" for one in self.problems)
        finally:
            self.problems, self.is_trial = before, trial

    def conforms(self, value: Any, profile: str) -> bool | None:
        """Whether a resource conforms to a profile, for FHIRPath's conformsTo()."""
        if not isinstance(value, dict) or not isinstance(value.get("resourceType"), str):
            return None
        type_: str = value["resourceType"]
        return self._conforms(Place(value, type_, step=type_), profile, self)

    def found(self) -> list[Problem]:
        """Return everything found, in the order it was found."""
        if not self._left_out:
            return self.problems
        root = str(self.root.get("resourceType"))
        more = Problem("error", "too-costly", root, f"and {self._left_out} more problems")
        return [*self.problems, more]

    def target(self, reference: str) -> Json | None:
        """Return the resource a reference leads to, as far as it is at hand: contained or in the Bundle."""
        for resource in (self.resource, self.root):
            if reference == "#":
                return resource
            if reference.startswith("#"):
                found = _with_id(resource.get("contained"), reference[1:])
                if found is not None:
                    return found
        return next(self._entries(reference), None)

    def _entries(self, reference: str) -> Iterator[Json]:
        entries = self.root.get("entry")
        if self.root.get("resourceType") != "Bundle" or not isinstance(entries, list):
            return
        target = parse_reference(reference)
        for entry in entries:
            url = entry.get("fullUrl") if isinstance(entry, dict) else None
            resource = entry.get("resource") if isinstance(entry, dict) else None
            if not isinstance(url, str) or not isinstance(resource, dict):
                continue
            relative = target is not None and target.type and target.id
            if url == reference or (relative and url.endswith("/" + reference)):
                yield resource


def _with_id(contained: object, id_: str) -> Json | None:
    if not isinstance(contained, list):
        return None
    return next((one for one in contained if isinstance(one, dict) and one.get("id") == id_), None)
