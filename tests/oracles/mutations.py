"""Damages a valid resource in one place at a time.

Each mutation has a name, so that a disagreement between validators can be explained once for
all the places where it shows.
"""

import copy
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from tests.oracles.instances import walk

Path = tuple[str | int, ...]

BAD_STRINGS = {
    "id": ("a b", "x" * 65, "ä"),
    "birthDate": ("2026-02-30", "2026-13-01", "26-01-01", "2026-1-1"),
    "effectiveDateTime": ("2026-02-30T10:00:00Z", "2026-01-01T10:00:00", "2026-01-01T25:00:00Z"),
    "issued": ("2026-01-01", "2026-01-01T10:00:00"),
    "status": ("no-such-code", "Final", " final"),
    "gender": ("M",),
    "system": ("has a space",),
    "use": ("no-such-code",),
    "start": ("2026-02-30", "2026-01-01T10:00:00", "yesterday"),
    "end": ("2026-02-30", "2026-01-01T10:00:00", "tomorrow"),
    "authoredOn": ("2026-02-30", "today"),
    "intent": ("no-such-code",),
    "priority": ("no-such-code",),
    "contentType": ("no type",),
    "data": ("a", "&&&&"),
    "lastUpdated": ("2026-01-01",),
    "url": ("has a space",),
    "language": (" de",),
}


def mutations(resource: dict[str, Any]) -> Iterator[tuple[str, Path, dict[str, Any]]]:
    """(name of the mutation, place, damaged copy) for every place where it applies."""
    for path, value in list(walk(resource)):
        if not path or path == ("resourceType",):
            continue
        for name, replacement in _replacements(path, value):
            yield name, path, _put(resource, path, replacement)
        if isinstance(path[-1], str):
            yield "removed", path, _removed(resource, path)
        if isinstance(value, dict) and "resourceType" not in value:
            yield "unknown element", path, _put(resource, path, {**value, "noSuch": "x"})
            if "reference" in value:
                wrong = {**value, "reference": "SubstanceProtein/1"}
                yield "reference to a wrong type", path, _put(resource, path, wrong)
                yield "dangling #", path, _put(resource, path, {**value, "reference": "#nobody"})
    yield "unknown element", ("noSuch",), {**resource, "noSuch": "x"}
    yield "two of a choice", (), _second_choice(resource)


def _replacements(path: Path, value: object) -> Iterator[tuple[str, object]]:
    yield "null", None
    if isinstance(value, list):
        yield "empty array", []
        yield "not an array", value[0]
        yield "array in array", [value]
        yield "null in array", [*value, None]
        return
    if isinstance(path[-1], str):
        yield "array", [value]
    if isinstance(value, dict):
        yield "empty object", {}
        yield "string for object", "text"
        yield "only an id", {"id": "x"}
    elif isinstance(value, str):
        yield "number for string", 1
        yield "object for string", {"value": value}
        yield "empty string", ""
        yield "control character", value + "\x01"
        yield "array of an object", [{"value": value}]
        for bad in BAD_STRINGS.get(str(path[-1]), ()):
            yield f"bad {path[-1]}", bad
    elif isinstance(value, bool):
        yield "string for boolean", "true"
        yield "number for boolean", 1
    else:
        yield "string for number", str(value)
        yield "boolean for number", True
        if isinstance(value, int) and path[-1] != "value":
            yield "fraction for integer", Decimal("1.5")
            yield "too large an integer", 2**31
            yield "negative integer", -(2**31) - 1


def _put(resource: dict[str, Any], path: Path, value: object) -> dict[str, Any]:
    changed = copy.deepcopy(resource)
    _parent(changed, path)[path[-1]] = value
    return changed


def _removed(resource: dict[str, Any], path: Path) -> dict[str, Any]:
    changed = copy.deepcopy(resource)
    del _parent(changed, path)[path[-1]]
    return changed


def _parent(resource: Any, path: Path) -> Any:
    for step in path[:-1]:
        resource = resource[step]
    return resource


CHOICES: dict[str, dict[str, Any]] = {
    "Observation": {"valueString": "x", "valueInteger": 1},
    "Patient": {"deceasedBoolean": True, "deceasedDateTime": "2026"},
    "Condition": {"onsetString": "x", "onsetDateTime": "2026"},
    "Procedure": {"performedString": "x", "performedDateTime": "2026"},
    "Group": {"active": [True]},
    "Immunization": {"occurrenceString": "x", "occurrenceDateTime": "2026"},
    "MedicationRequest": {
        "medicationCodeableConcept": {"text": "x"},
        "medicationReference": {"reference": "Medication/1"},
    },
    "ServiceRequest": {"occurrenceDateTime": "2026", "occurrencePeriod": {"start": "2026"}},
    "AllergyIntolerance": {"onsetString": "x", "onsetDateTime": "2026"},
    "Goal": {"startDate": "2026", "startCodeableConcept": {"text": "x"}},
    "Practitioner": {"active": [True]},
}
"""Two of a choice at once, or what else is one too many."""


def _second_choice(resource: dict[str, Any]) -> dict[str, Any]:
    return {**resource, **CHOICES.get(resource["resourceType"], {"id": ["a"]})}
