"""Whether one resource answers a query."""

from decimal import Decimal

import pytest

from fhirserver.definitions import load
from fhirserver.kernel.resource import Json
from fhirserver.search.match import matches
from fhirserver.search.query import parse

BP: Json = {
    "resourceType": "Observation",
    "id": "bp",
    "meta": {
        "lastUpdated": "2026-05-17T10:00:00.500Z",
        "tag": [{"system": "urn:t", "code": "x"}],
        "profile": ["http://e.example/bp|2"],
        "source": "urn:cuff",
    },
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
    "subject": {"reference": "Patient/ann"},
    "effectiveDateTime": "2026-05-17T10:00:00+02:00",
    "component": [
        {
            "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
            "valueQuantity": {
                "value": Decimal("120.0"),
                "unit": "mmHg",
                "system": "http://unitsofmeasure.org",
                "code": "mm[Hg]",
            },
        }
    ],
}
ANN: Json = {
    "resourceType": "Patient",
    "id": "ann",
    "name": [{"family": "Müller-Lüdenscheidt", "given": ["Ann", "Marie Luise"]}],
    "birthDate": "1980-05-17",
    "telecom": [{"system": "phone", "value": "+49 731 1"}],
}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("_id", "bp", True),
        ("_id", "x,bp", True),
        ("_id", "x", False),
        ("_lastUpdated", "2026-05-17", True),
        ("_lastUpdated", "gt2026-05-17T10:00:00.500Z", False),
        ("_lastUpdated", "gt2026-05-17T10:00:00.499Z", True),
        ("_lastUpdated", "lt2026-05-17T10:00:00.500Z", False),
        ("_tag", "urn:t|x", True),
        ("_tag", "urn:t|y", False),
        ("_profile", "http://e.example/bp", True),
        ("_profile", "http://e.example/bp|2", True),
        ("_profile", "http://e.example/bp|1", False),
        ("_source", "urn:cuff", True),
        ("_source", "urn:cuf", False),
        ("status", "final", True),
        ("status", "|final", True),
        ("status", "http://hl7.org/fhir/observation-status|final", True),
        ("status", "http://hl7.org/fhir/observation-status|", True),
        ("status", "urn:other|final", False),
        ("status", "FINAL", False),
        ("status:not", "final", False),
        ("status:not", "amended,registered", True),
        ("value-concept:not", "x", True),
        ("code", "85354-9", True),
        ("code", "http://loinc.org|85354-9", True),
        ("code", "|85354-9", False),
        ("code", "8480-6", False),
        ("combo-code", "8480-6", True),
        ("patient", "ann", True),
        ("patient", "Patient/ann", True),
        ("patient", "Patient/bob", False),
        ("subject", "ann", True),
        ("subject:Patient", "ann", True),
        ("subject:Group", "ann", False),
        ("subject", "http://e.example/fhir/Patient/ann", False),
        ("date", "2026-05-17", True),
        ("date", "2026-05-17T08:00:00Z", True),
        ("date", "2026-05-17T10:00:00Z", False),
        ("date", "ge2026-05-17", True),
        ("date", "gt2026-05-17", False),
        ("date", "lt2026-05-17T08:00:01Z", True),
        ("date", "sa2026-05-16,eb2020", True),
        ("date", "ne2026", False),
        ("date", "ap2026-05-16", True),
        ("component-value-quantity", "120", True),
        ("component-value-quantity", "gt119||mm[Hg]", True),
        ("component-value-quantity", "gt119||mmHg", True),
        ("component-value-quantity", "gt119|http://unitsofmeasure.org|mm[Hg]", True),
        ("component-value-quantity", "gt119|http://unitsofmeasure.org|mmHg", False),
        ("component-value-quantity", "gt119|urn:x|mm[Hg]", False),
        ("combo-value-quantity", "lt120", False),
        ("encounter:missing", "true", True),
        ("encounter:missing", "false", False),
        ("subject:missing", "true", False),
    ],
)
def test_a_reading_is_found(name: str, text: str, expected: bool) -> None:
    assert matches(BP, parse("Observation", [(name, text)], load()), load()) is expected


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("name", "mull", True),
        ("name", "ANN", True),
        ("name", "marie  luise", True),
        ("name", "luise", False),
        ("name", "Lüdenscheidt", False),
        ("name:exact", "Ann", True),
        ("name:exact", "ann", False),
        ("name:exact", "An", False),
        ("family", "müller-lüdenscheidt", True),
        ("given", "müller", False),
        ("birthdate", "1980", True),
        ("birthdate", "1980-05-17", True),
        ("birthdate", "lt1980-05-17", False),
        ("birthdate", "le1980-05-17", True),
        ("phone", "+49 731 1", True),
        ("email", "+49 731 1", False),
        ("deceased", "false", True),
    ],
)
def test_a_patient_is_found(name: str, text: str, expected: bool) -> None:
    assert matches(ANN, parse("Patient", [(name, text)], load()), load()) is expected


def test_conditions_must_all_hold() -> None:
    pairs = [("name", "ann"), ("birthdate", "1980")]
    assert matches(ANN, parse("Patient", pairs, load()), load())
    assert not matches(ANN, parse("Patient", [*pairs, ("name", "bob")], load()), load())


def test_another_type_never_matches() -> None:
    assert not matches(ANN, parse("Observation", [], load()), load())
    assert matches(ANN, parse("Patient", [], load()), load())


def test_a_resource_that_was_never_stored_has_no_last_update() -> None:
    assert not matches(ANN, parse("Patient", [("_lastUpdated", "ge2000")], load()), load())


def test_an_open_period_reaches_into_the_future() -> None:
    flag = {"resourceType": "Flag", "period": {"start": "2026-05-17"}}
    for text, expected in (("ge2030", True), ("2026", False), ("gt9999", True), ("lt2026", False)):
        assert matches(flag, parse("Flag", [("date", text)], load()), load()) is expected
