"""The whole language in memory: chains, `_has`, `_filter`, composites, words, positions, lists."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest

from fhirserver.definitions import load
from fhirserver.kernel.errors import BadRequest
from fhirserver.kernel.resource import Json
from fhirserver.search.criterion import AllOf, Composite
from fhirserver.search.entry import ReferenceEntry
from fhirserver.search.extract import entries_of
from fhirserver.search.match import matches, require_self_contained
from fhirserver.search.query import parse
from fhirserver.terminology import terminology_of

UCUM = "http://unitsofmeasure.org"
LOINC = "http://loinc.org"


def _pressure(value: str, unit: str) -> Json:
    return {"value": Decimal(value), "unit": unit, "system": UCUM, "code": unit}


def _code(code: str, **more: Any) -> Json:
    return {"coding": [{"system": LOINC, "code": code}], **more}


ANN: Json = {
    "resourceType": "Patient",
    "id": "ann",
    "text": {"status": "generated", "div": "<div>Needs a <b>home</b> machine &amp; a cuff</div>"},
    "identifier": [
        {
            "system": "urn:mrn",
            "value": "7",
            "type": {"coding": [{"system": "urn:types", "code": "MR"}], "text": "Medical record"},
        }
    ],
    "name": [{"family": "Müller-Lüdenscheidt", "given": ["Ann"]}],
    "gender": "female",
    "birthDate": "1980-05-17",
    "managingOrganization": {"reference": "Organization/ward"},
    "generalPractitioner": [{"identifier": {"system": "urn:gp", "value": "g1"}}],
}
WARD: Json = {
    "resourceType": "Organization",
    "id": "ward",
    "name": "Ward 3",
    "partOf": {"reference": "Organization/clinic"},
}
CLINIC: Json = {"resourceType": "Organization", "id": "clinic", "name": "Clinic"}
BP: Json = {
    "resourceType": "Observation",
    "id": "bp",
    "meta": {"profile": ["http://e.example/fhir/StructureDefinition/bp|1"]},
    "status": "final",
    "code": _code("85354-9", text="Blood pressure"),
    "subject": {"reference": "Patient/ann"},
    "performer": [{"reference": "Organization/ward"}],
    "effectivePeriod": {"start": "2026-05-17T10:00:00Z", "end": "2026-05-17T10:05:00Z"},
    "component": [
        {"code": _code("8480-6"), "valueQuantity": _pressure("120", "mm[Hg]")},
        {"code": _code("8462-4"), "valueQuantity": _pressure("80", "mm[Hg]")},
    ],
}
GLUCOSE: Json = {
    "resourceType": "Observation",
    "id": "glucose",
    "status": "final",
    "code": _code("2339-0"),
    "subject": {"reference": "Patient/ann"},
    "valueQuantity": _pressure("0.9", "g/L"),
    "contained": [{"resourceType": "Patient", "id": "p", "name": [{"family": "Inner"}]}],
}
HOME: Json = {
    "resourceType": "Location",
    "id": "home",
    "position": {"latitude": Decimal("48.40"), "longitude": Decimal("9.99")},
}
ALL = (ANN, WARD, CLINIC, BP, GLUCOSE, HOME)


class Everything:
    """Resolves among `ALL`."""

    def target(self, reference: str) -> Json | None:
        found = {f"{one['resourceType']}/{one['id']}": one for one in ALL}
        return found.get(reference)

    def referrers(self, type_: str, param: str, reference: str) -> Iterable[Json]:
        for one in ALL:
            entries = entries_of(one, load())
            wanted = [e for e in entries if isinstance(e, ReferenceEntry) and e.param == param]
            if one["resourceType"] == type_ and reference in [e.target for e in wanted]:
                yield one

    def list_items(self, id_: str) -> Iterable[str]:
        return ["Patient/ann"] if id_ == "ours" else []


def _hit(resource: Json, name: str, text: str) -> bool:
    terminology = terminology_of(load())
    query = parse(resource["resourceType"], [(name, text)], load(), terminology=terminology)
    return matches(resource, query, load(), Everything())


@pytest.mark.parametrize(
    ("resource", "name", "text", "expected"),
    [
        (BP, "subject.name", "mull", True),
        (BP, "subject:Patient.name", "mull", True),
        (BP, "subject:Group.identifier", "x", False),
        (BP, "patient.organization.name", "ward", True),
        (BP, "patient.organization.partof.name", "clinic", True),
        (BP, "patient.organization.partof.name", "ward", False),
        (BP, "patient.gender:not", "male", True),
        (BP, "patient._has:Observation:patient:code", "2339-0", True),
        (ANN, "_has:Observation:patient:code", "2339-0", True),
        (ANN, "_has:Observation:patient:code", "1-1", False),
        (ANN, "_has:Observation:subject:performer.name", "ward", True),
        (WARD, "_has:Patient:organization:_has:Observation:patient:code", "85354-9", True),
        (CLINIC, "_has:Organization:partof:_has:Patient:organization:gender", "female", True),
        (CLINIC, "_has:Organization:partof:_has:Patient:organization:gender", "male", False),
        (ANN, "organization:below", "clinic", True),
        (ANN, "organization:below", "Organization/ward", True),
        (ANN, "organization:below", "other", False),
        (ANN, "organization:above", "ward", True),
        (ANN, "organization:above", "clinic", False),
        (ANN, "general-practitioner:identifier", "urn:gp|g1", True),
        (ANN, "general-practitioner:identifier", "g2", False),
        (ANN, "general-practitioner:missing", "false", True),
        (ANN, "identifier:of-type", "urn:types|MR|7", True),
        (ANN, "identifier:of-type", "urn:types|MR|8", False),
        (ANN, "identifier:text", "medical rec", True),
        (ANN, "identifier:text", "record", False),
        (BP, "code:text", "BLOOD", True),
        (BP, "code:text", "pressure", False),
        (ANN, "name:contains", "üdensch", True),
        (ANN, "name:contains", "udenx", False),
        (ANN, "name:contains", "u", True),
        (ANN, "gender:in", "http://hl7.org/fhir/ValueSet/administrative-gender", True),
        (ANN, "gender:not-in", "http://hl7.org/fhir/ValueSet/administrative-gender", False),
        (BP, "_profile:below", "http://e.example/fhir", True),
        (BP, "_profile:below", "http://e.example/fhir/", True),
        (BP, "_profile:below", "http://e.example/fh", False),
        (BP, "_profile:above", "http://e.example/fhir/StructureDefinition/bp/x", True),
        (ANN, "_text", "home machine", True),
        (ANN, "_text", '"home machine"', True),
        (ANN, "_text", '"machine home"', False),
        (ANN, "_text", "HOME and (boat or cuff)", True),
        (ANN, "_text", "not boat", True),
        (ANN, "_text", "ann", False),
        (ANN, "_content", "ann", True),
        (BP, "_content", "pressure", True),
        (ANN, "_list", "ours", True),
        (ANN, "_list", "theirs", False),
        (HOME, "near", "48.4|9.99", True),
        (HOME, "near", "48.5|9.99", False),
        (HOME, "near", "48.5|9.99|12|km", True),
        (HOME, "near", "48.5|9.99|11|km", False),
        (HOME, "near", "48.5|9.99|7|[mi_us]", True),
        (HOME, "near", "48.5|9.99|11200|m", True),
        (BP, "component-code-value-quantity", f"{LOINC}|8480-6$gt100", True),
        (BP, "component-code-value-quantity", f"{LOINC}|8480-6$lt100", False),
        (BP, "component-code-value-quantity", f"8462-4$lt100|{UCUM}|mm[Hg]", True),
        (BP, "component-code-value-quantity", f"8480-6$gt15|{UCUM}|kPa", True),
        (BP, "combo-code-value-quantity", "8462-4$80", True),
        (BP, "combo-code-value-quantity", "8462-4$120", False),
        (GLUCOSE, "code-value-quantity", f"2339-0$0.9|{UCUM}|g/L", True),
        (GLUCOSE, "value-quantity", f"900|{UCUM}|mg/L", True),
        (GLUCOSE, "value-quantity", f"gt1|{UCUM}|mg/L", True),
        (GLUCOSE, "value-quantity", f"0.9|{UCUM}|mg/L", False),
        (GLUCOSE, "value-quantity", f"0.9|{UCUM}|g", False),
        (GLUCOSE, "value-quantity", "90||mg/dL", True),
        (ANN, "_id:not", "bob", True),
        (ANN, "_id:not", "ann", False),
    ],
)
def test_a_search_finds(resource: Json, name: str, text: str, expected: bool) -> None:
    assert _hit(resource, name, text) is expected


@pytest.mark.parametrize(
    ("resource", "text", "expected"),
    [
        (ANN, 'name co "lüden"', True),
        (ANN, 'name sw "lüden"', False),
        (ANN, 'family ew "SCHEIDT"', True),
        (ANN, 'given eq "ann" and birthdate ge 1980', True),
        (ANN, 'given eq "an"', False),
        (ANN, 'given ne "ann"', False),
        (ANN, 'name ne "ann"', True),
        (ANN, "gender eq male or gender eq female", True),
        (ANN, "not (gender eq male)", True),
        (ANN, "not(gender eq female)", False),
        (ANN, "gender eq male and gender eq female or gender eq female", True),
        (ANN, "gender eq female or gender eq male and gender eq other", True),
        (ANN, "(gender eq female or gender eq male) and gender eq other", False),
        (ANN, "birthdate pr true", True),
        (ANN, "death-date pr true", False),
        (ANN, "death-date pr false", True),
        (ANN, "birthdate sa 1979", True),
        (ANN, "birthdate eb 1979", False),
        (ANN, "birthdate ap 1980-05", True),
        (ANN, "organization re Organization/ward", True),
        (ANN, "organization eq ward", True),
        (ANN, "organization ne ward", False),
        (ANN, "id eq ann", True),
        (ANN, "_id ne ann", False),
        (ANN, "_has:Observation:patient:code eq 2339-0", True),
        (ANN, "gender in http://hl7.org/fhir/ValueSet/administrative-gender", True),
        (ANN, "gender ni http://hl7.org/fhir/ValueSet/administrative-gender", False),
        (ANN, "_text co cuff", True),
        (ANN, "_list eq ours", True),
        (BP, "subject.name co mull", True),
        (BP, "subject:Patient.name co mull", True),
        (BP, "patient.organization.name eq clinic", False),
        (BP, 'patient[gender eq female].name co "ull"', True),
        (BP, 'patient[gender eq male].name co "ull"', False),
        (BP, "date po 2026-05-17T10:03:00Z", True),
        (BP, "date po 2026-05-18", False),
        (BP, "component-value-quantity gt 100", True),
        (BP, f"code eq {LOINC}|85354-9", True),
        (BP, f'code eq "{LOINC}|85354-9"', True),
        (BP, "combo-code-value-quantity eq 8462-4$80", True),
        (BP, "_profile sw http://e.example", True),
        (BP, "_profile co other", False),
    ],
)
def test_a_filter_finds(resource: Json, text: str, expected: bool) -> None:
    assert _hit(resource, "_filter", text) is expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name eq",
        "name xx ann",
        "name eq ann bob",
        "(name eq ann",
        "name eq ann)",
        'name eq "ann',
        "name eq ann and",
        "not name",
        "nothing eq ann",
        "gender gt male",
        "birthdate co 1980",
        "birthdate pr perhaps",
        "birthdate ge soon",
        'name eq " "',
        "gender.name eq ann",
        "organization[name eq x] eq y",
        "name:exact eq ann",
        "(" * 40 + "gender eq male" + ")" * 40,
        "not (" * 40 + "gender eq male" + ")" * 40,
        "gender eq male or " * 1000 + "gender eq male",
        ".".join(["link"] * 20) + ".name eq x",
        "gender in http://e.example/not-loaded",
    ],
)
def test_a_filter_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        _hit(ANN, "_filter", text)


def test_contained_resources_are_searched_when_asked_for() -> None:
    for mode, expected in (("true", True), ("both", True), ("false", False)):
        query = parse("Patient", [("family", "inner"), ("_contained", mode)], load())
        assert any(matches(GLUCOSE, query, load()) for _ in range(1)) is expected
    query = parse("Patient", [("family", "inn"), ("_contained", "both")], load())
    assert query.shape.contained == "both"
    assert not matches(ANN, query, load())


def test_only_what_a_resource_says_itself_can_be_a_subscription() -> None:
    require_self_contained(parse("Observation", [("code", "x"), ("patient", "ann")], load()))
    for name in ("patient.name", "_list", "_has:Observation:focus:code"):
        type_ = "Observation"
        with pytest.raises(BadRequest):
            require_self_contained(parse(type_, [(name, "x")], load()))


def test_other_resources_are_needed_for_a_chain() -> None:
    with pytest.raises(BadRequest):
        matches(BP, parse("Observation", [("patient.name", "x")], load()), load())


@pytest.mark.parametrize(
    ("param", "text", "exact"),
    [
        ("code-value-quantity", "x$1", True),
        ("code-value-concept", "x$y", True),
        ("code-value-string", "x$y", False),
        ("component-code-value-quantity", "x$1", False),
        ("combo-code-value-quantity", "x$1", False),
    ],
)
def test_only_single_elements_need_no_second_look(param: str, text: str, exact: bool) -> None:
    where = parse("Observation", [(param, text)], load()).where
    assert isinstance(where, AllOf)
    (composite,) = where.parts
    assert isinstance(composite, Composite)
    assert composite.exact is exact
