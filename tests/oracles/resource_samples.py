"""Resources to compare engines on: some written by hand, and one full of values for every type."""

from collections.abc import Iterator
from typing import Any

from fhirserver.definitions import Definitions, Element
from fhirserver.kernel.resource import Json

_PRIMITIVES: dict[str, list[Any]] = {
    "base64Binary": ["AAAA"],
    "boolean": [True, False],
    "canonical": ["http://example.org/a|1", "http://example.org/b"],
    "code": ["active", "phone"],
    "date": ["2026-05-17", "2026"],
    "dateTime": ["2026-05-17T10:00:00+02:00", "2026-05"],
    "decimal": [5, 7],
    "id": ["one", "two"],
    "instant": ["2026-05-17T10:00:00.123Z", "2026-05-18T10:00:00Z"],
    "integer": [3, 4],
    "markdown": ["*some*", "text"],
    "oid": ["urn:oid:1.2.3"],
    "positiveInt": [1, 2],
    "string": ["Ann", "Straße"],
    "time": ["10:00:00"],
    "unsignedInt": [0, 1],
    "uri": ["http://example.org/u", "urn:x:y"],
    "url": ["http://example.org/l"],
    "uuid": ["urn:uuid:0190a5a0-0000-7000-8000-000000000000"],
    "xhtml": ["<div xmlns='http://www.w3.org/1999/xhtml'>x</div>"],
}
_REFERENCES = [
    {"reference": "Patient/ann"},
    {"reference": "Practitioner/bob/_history/2"},
    {"reference": "http://elsewhere.example/fhir/Location/l1"},
    {"reference": "RelatedPerson/cy"},
    {"reference": "urn:uuid:0190a5a0-0000-7000-8000-000000000000", "type": "Patient"},
    {"reference": "#contained"},
    {"identifier": {"system": "urn:x", "value": "7"}},
]
_SKIPPED = frozenset({"extension", "modifierExtension", "contained", "text", "implicitRules"})
_DEPTH = 5


class Filler:
    """Makes a resource of a type with every element present, twice where it may repeat.

    `variant` picks the type of each choice and the values, so that a few variants reach them all.
    """

    def __init__(self, definitions: Definitions, variant: int) -> None:
        self._definitions = definitions
        self._variant = variant
        self._made = variant

    def resource(self, type_: str) -> Json:
        return {"resourceType": type_, **self._elements(type_, type_, 0)}

    def _elements(self, structure: str, path: str, depth: int) -> Json:
        found = self._definitions.structure(structure)
        if path == structure:
            elements = found.elements
        else:
            element = found.element(path)
            assert element is not None
            elements = found.children(element)
        made: Json = {}
        for element in elements:
            if element.name in _SKIPPED:
                continue
            names = list(element.json_names())
            if not names:
                target = element.content_reference
                assert target is not None
                if depth < _DEPTH:
                    made[element.name] = [self._elements(structure, target, depth + 2)]
                continue
            name, type_ = names[(self._variant + len(element.name)) % len(names)]
            values = [self._value(structure, element, type_.code, depth) for _ in range(2)]
            values = [value for value in values if value is not None]
            if values:
                made[name] = values if element.is_list else values[0]
        return made

    def _value(self, structure: str, element: Element, type_: str, depth: int) -> Any:
        self._made += 1
        if type_ in _PRIMITIVES:
            values = _PRIMITIVES[type_]
            return values[self._made % len(values)]
        if depth >= _DEPTH:
            return None
        if type_ == "Reference":
            return _REFERENCES[self._made % len(_REFERENCES)]
        if type_ in ("BackboneElement", "Element"):
            return self._elements(structure, element.path, depth + 1)
        if type_ == "Resource":
            return {"resourceType": "Composition", "id": f"c{self._made}"}
        if type_ == "ContactPoint":
            system = ("phone", "email", "sms")[self._made % 3]
            return {"system": system, "value": f"{self._made}"}
        if type_ == "RelatedArtifact":
            kinds = ("composed-of", "depends-on", "derived-from", "predecessor", "successor")
            return {"type": kinds[self._made % 5], "resource": f"http://example.org/{self._made}"}
        return self._elements(type_, type_, depth + 2) or None


def generated(definitions: Definitions, variants: int) -> Iterator[Json]:
    """Yield every type `variants` times."""
    for type_ in definitions.resource_types:
        for variant in range(variants):
            yield Filler(definitions, variant).resource(type_)


def _quantity(value: int, code: str = "mm[Hg]") -> Json:
    return {"value": value, "unit": code, "system": "http://unitsofmeasure.org", "code": code}


def _concept(*codes: str, system: str = "http://loinc.org") -> Json:
    return {"coding": [{"system": system, "code": code} for code in codes], "text": codes[0]}


ANN = {"reference": "Patient/ann"}
PERIOD = {"start": "2026-05-17T08:00:00Z", "end": "2026-05-17T12:00:00Z"}

HANDMADE: list[Json] = [
    {
        "resourceType": "Patient",
        "id": "ann",
        "meta": {"tag": [{"system": "urn:t", "code": "a"}], "profile": ["http://example.org/p|1"]},
        "active": True,
        "name": [{"family": "Müller", "given": ["Ann", "Marie"]}, {"text": "Nan"}],
        "telecom": [{"system": "phone", "value": "+1"}, {"system": "email", "value": "a@b"}],
        "gender": "female",
        "birthDate": "1980-05",
        "deceasedDateTime": "2026-05-17",
        "address": [{"line": ["1 Main St", "Apt 2"], "city": "Ulm", "postalCode": "89073"}],
        "generalPractitioner": [{"reference": "Practitioner/bob"}],
        "link": [{"other": {"reference": "RelatedPerson/cy"}, "type": "seealso"}],
    },
    {"resourceType": "Patient", "id": "bob", "deceasedBoolean": False, "gender": "male"},
    {"resourceType": "Patient", "id": "cy", "deceasedBoolean": True},
    {"resourceType": "Patient", "id": "dee"},
    {
        "resourceType": "Observation",
        "id": "bp",
        "status": "final",
        "category": [_concept("vital-signs", system="urn:c")],
        "code": _concept("85354-9"),
        "subject": ANN,
        "encounter": {"reference": "Encounter/e"},
        "effectiveDateTime": "2026-05-17T10:00:00+02:00",
        "device": {"reference": "Device/cuff"},
        "component": [
            {"code": _concept("8480-6"), "valueQuantity": _quantity(120)},
            {"code": _concept("8462-4"), "valueQuantity": _quantity(80)},
            {"code": _concept("8867-4"), "dataAbsentReason": _concept("error", system="urn:d")},
            {"code": _concept("x"), "valueCodeableConcept": _concept("y")},
        ],
    },
    {
        "resourceType": "Observation",
        "status": "final",
        "code": _concept("a", "b"),
        "subject": {"reference": "Device/d"},
        "effectivePeriod": PERIOD,
        "valueQuantity": {**_quantity(7), "comparator": "<"},
        "focus": [ANN],
    },
    {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "only text"},
        "effectiveTiming": {"event": ["2026-05-17", "2026-05-19"]},
        "valueCodeableConcept": {"text": "a text", "coding": [{"code": "z"}]},
    },
    {
        "resourceType": "Observation",
        "status": "final",
        "code": _concept("s"),
        "valueString": "Tired",
        "performer": [ANN, {"reference": "Practitioner/bob"}],
    },
    {
        "resourceType": "Encounter",
        "status": "in-progress",
        "class": {"code": "HH"},
        "subject": {"reference": "http://elsewhere.example/fhir/Patient/ann"},
        "participant": [
            {"individual": {"reference": "Practitioner/bob"}, "type": [_concept("ATND")]},
            {"individual": {"reference": "RelatedPerson/cy"}},
        ],
        "period": {"start": "2026-05"},
        "length": _quantity(4, "h"),
        "location": [{"location": {"reference": "Location/home"}, "period": PERIOD}],
    },
    {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "for": ANN,
        "focus": {"reference": "Flag/f"},
        "owner": {"reference": "CareTeam/t"},
        "authoredOn": "2026-05-17T10:00:00Z",
        "lastModified": "2026-05-17T10:00:01Z",
        "executionPeriod": PERIOD,
        "partOf": [{"reference": "Task/parent"}],
        "groupIdentifier": {"system": "urn:g", "value": "1"},
    },
    {
        "resourceType": "Flag",
        "status": "active",
        "code": _concept("69485", system="urn:iso:std:iso:11073:10101"),
        "subject": ANN,
        "period": {"start": "2026-05-17T10:00:00Z"},
        "author": {"reference": "Device/fhirserver"},
    },
    {
        "resourceType": "CareTeam",
        "status": "active",
        "subject": {"reference": "Group/g"},
        "category": [_concept("LA27976-2")],
        "participant": [{"member": {"reference": "RelatedPerson/cy"}}, {"member": ANN}],
        "period": {"end": "2027"},
    },
    {
        "resourceType": "Appointment",
        "status": "booked",
        "start": "2026-05-17T10:00:00Z",
        "participant": [
            {"actor": ANN, "status": "accepted"},
            {"actor": {"reference": "Location/home"}, "status": "accepted"},
            {"actor": {"reference": "Practitioner/bob"}, "status": "tentative"},
        ],
    },
    {
        "resourceType": "Condition",
        "subject": ANN,
        "code": _concept("N18.6", system="urn:icd"),
        "onsetAge": _quantity(40, "a"),
        "abatementString": "last year",
        "stage": [{"summary": _concept("5")}],
    },
    {
        "resourceType": "Condition",
        "subject": ANN,
        "onsetRange": {"low": _quantity(30, "a"), "high": _quantity(40, "a")},
        "abatementPeriod": PERIOD,
    },
    {
        "resourceType": "Goal",
        "subject": ANN,
        "startDate": "2026-05-17",
        "target": [{"dueDate": "2026-06-01"}, {"dueDuration": _quantity(2, "wk")}],
    },
    {
        "resourceType": "MedicationRequest",
        "status": "active",
        "medicationCodeableConcept": _concept("11253"),
        "subject": ANN,
        "dosageInstruction": [{"timing": {"event": ["2026-05-17", "2026-05-18"]}}],
    },
    {
        "resourceType": "MedicationRequest",
        "status": "active",
        "medicationReference": {"reference": "Medication/epo"},
        "subject": ANN,
    },
    {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "subject": ANN,
        "instantiatesCanonical": ["http://example.org/PlanDefinition/p|1.0"],
        "occurrenceTiming": {"repeat": {"boundsPeriod": PERIOD}},
    },
    {
        "resourceType": "Communication",
        "status": "completed",
        "subject": ANN,
        "recipient": [{"reference": "RelatedPerson/cy"}],
        "medium": [_concept("SMSWRIT")],
        "sent": "2026-05-17T10:00:02.5Z",
    },
    {
        "resourceType": "Provenance",
        "target": [ANN, {"reference": "Observation/bp/_history/1"}],
        "recorded": "2026-05-17T10:00:00Z",
        "occurredDateTime": "2026-05-17",
        "agent": [{"who": {"reference": "Practitioner/bob"}}],
        "entity": [{"role": "source", "what": {"reference": "DocumentReference/d"}}],
    },
    {
        "resourceType": "Bundle",
        "type": "document",
        "timestamp": "2026-05-17T10:00:00Z",
        "entry": [
            {"resource": {"resourceType": "Composition", "id": "first"}},
            {"resource": {"resourceType": "Patient", "id": "second"}},
        ],
    },
    {
        "resourceType": "PlanDefinition",
        "status": "active",
        "relatedArtifact": [
            {"type": "depends-on", "resource": "http://example.org/Library/a"},
            {"type": "composed-of", "resource": "http://example.org/Library/b|2"},
        ],
        "useContext": [
            {"code": {"code": "age"}, "valueRange": {"low": _quantity(18, "a")}},
            {"code": {"code": "focus"}, "valueCodeableConcept": _concept("N18")},
            {"code": {"code": "q"}, "valueQuantity": _quantity(3, "a")},
        ],
    },
    {
        "resourceType": "Person",
        "link": [{"target": ANN}, {"target": {"reference": "RelatedPerson/cy"}}],
        "name": [{"family": "Ångström"}],
        "telecom": [{"system": "phone", "value": "+2"}],
        "birthDate": "1980-05-17",
    },
    {
        "resourceType": "Group",
        "type": "person",
        "actual": True,
        "characteristic": [
            {"code": _concept("g"), "valueBoolean": False, "exclude": False},
            {"code": _concept("h"), "valueCodeableConcept": _concept("i"), "exclude": True},
        ],
        "member": [{"entity": ANN}],
    },
    {
        "resourceType": "RiskAssessment",
        "status": "final",
        "subject": ANN,
        "prediction": [
            {"probabilityDecimal": 1},
            {"probabilityRange": {"low": _quantity(1, "%"), "high": _quantity(2, "%")}},
        ],
    },
]
