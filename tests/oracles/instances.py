"""Makes resources out of the definitions: every element may appear, values fit their types.

The same number always makes the same resource. Invariants are not looked at, so a made resource
may break one; `valid_instance` tries numbers until none is broken.
"""

from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Any

from fhirserver.definitions import Element, ElementType, load
from fhirserver.validation import validate

MAX_DEPTH = 4

PRIMITIVES: dict[str, tuple[object, ...]] = {
    "base64Binary": ("aGVsbG8=", "AAAA"),
    "boolean": (True, False),
    "canonical": ("http://example.org/fhir/ValueSet/a|1.0", "urn:uuid:1"),
    "code": ("final", "vital-signs", "a b"),
    "date": ("2024-02-29", "2026-11", "1974"),
    "dateTime": ("2026-11-21", "2026-11-21T10:00:00Z", "2026-11-21T10:00:00.123+01:00", "2026"),
    "decimal": (Decimal("1.00"), Decimal("-0.5"), 7),
    "id": ("a1", "0196b4b6-1d1c-7e2e-8d4f-1234567890ab"),
    "instant": ("2026-11-21T10:00:00Z", "2026-11-21T10:00:00.123+01:00"),
    "integer": (0, -5, 2147483647),
    "markdown": ("*bold*\n\ntext",),
    "oid": ("urn:oid:1.2.840.10008",),
    "positiveInt": (1, 42),
    "string": ("text", "Grüße, 世界", "two words"),
    "time": ("10:30:00", "23:59:59.5"),
    "unsignedInt": (0, 42),
    "uri": ("http://example.org/a", "urn:oid:1.2.3"),
    "url": ("https://example.org/fhir",),
    "uuid": ("urn:uuid:c757873d-ec9a-4326-a141-556f43239520",),
    "xhtml": ('<div xmlns="http://www.w3.org/1999/xhtml"><p>text</p></div>',),
}

PATTERNED = {
    "http://hl7.org/fhir/ValueSet/currencies": "EUR",
    "http://hl7.org/fhir/ValueSet/mimetypes": "text/plain; charset=UTF-8",
    "http://hl7.org/fhir/ValueSet/ucum-units": "mm[Hg]",
    "http://loinc.org/vs/LL379-9": "LA9658-1",
}

SKIPPED = frozenset({"contained", "extension", "modifierExtension", "implicitRules"})


def instance(resource_type: str, number: int, richness: float = 0.15) -> dict[str, Any]:
    """A resource of `resource_type`; optional elements appear with probability `richness`."""
    random = Random(f"{resource_type}/{number}")
    structure = load().structure(resource_type)
    made = _object(resource_type, structure.elements, random, richness, 0)
    return {"resourceType": resource_type, **made}


def valid_instance(resource_type: str, number: int, richness: float = 0.15) -> dict[str, Any]:
    """The first made resource from `number` on that breaks no invariant."""
    for attempt in range(200):
        made = instance(resource_type, number * 1000 + attempt, richness)
        if not [one for one in validate(made) if one.severity == "error"]:
            return made
    raise AssertionError(f"no valid {resource_type} found")


def value_of(element_type: ElementType, element: Element, random: Random) -> object:
    """One small value for an element."""
    return _value(element_type, element, random, 0.0, MAX_DEPTH - 1)


def _object(
    name: str, elements: tuple[Element, ...], random: Random, richness: float, depth: int
) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for element in elements:
        if element.name in SKIPPED:
            continue
        if element.min == 0 and (depth >= MAX_DEPTH or random.random() > richness):
            continue
        made.update(_property(name, element, random, richness, depth))
    if not made or set(made) == {"id"}:
        for element in elements:
            if element.name not in SKIPPED and element.name != "id":
                made.update(_property(name, element, random, richness, depth))
                break
    return made


def _property(
    name: str, element: Element, random: Random, richness: float, depth: int
) -> dict[str, Any]:
    structure = load().structure(name)
    children = structure.children(element)
    count = random.choice((1, 1, 2)) if element.is_list else 1
    if children:
        key = element.name
        values: list[Any] = [
            _object(name, children, random, richness, depth + 1) for _ in range(count)
        ]
    else:
        names = [one for one in element.json_names() if _kind(one[1].code) != "resource"]
        if not names:
            return {}
        key, element_type = random.choice(names)
        values = [_value(element_type, element, random, richness, depth) for _ in range(count)]
    return {key: values if element.is_list else values[0]}


def _kind(code: str) -> str:
    return load().structure(code).kind


def _value(
    element_type: ElementType,
    element: Element,
    random: Random,
    richness: float,
    depth: int,
) -> Any:
    system, code = _required_code(element, random)
    kind = element_type.code
    if kind in PRIMITIVES:
        if code is not None:
            return code
        if element.path == "Extension.url":
            return "http://example.org/extension"
        return random.choice(PRIMITIVES[kind])
    if kind == "CodeableConcept" and code is not None:
        return {"coding": [{"system": system, "code": code}]}
    if kind == "Reference":
        targets = [one for one in element_type.targets if one != "Resource"]
        return {"reference": f"{random.choice(targets or ['Patient'])}/{random.randint(1, 99)}"}
    made = _object(kind, load().structure(kind).elements, random, richness, depth + 1)
    if element_type.profile == "SimpleQuantity":
        made.pop("comparator", None)
        made.setdefault("value", 1)
    return made


def _required_code(element: Element, random: Random) -> tuple[str | None, str | None]:
    binding = element.binding
    if binding is None or binding.strength != "required":
        return None, None
    value_set = load().value_set(binding.value_set)
    assert value_set is not None
    system = random.choice(sorted(value_set.systems))
    if value_set.pattern is not None:
        return system, PATTERNED[value_set.url]
    return system, random.choice(sorted(value_set.systems[system]))


def walk(
    value: Any, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every value below `value` with the keys and indexes that lead to it."""
    yield path, value
    if isinstance(value, dict):
        for key, child in value.items():
            yield from walk(child, (*path, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from walk(child, (*path, index))
