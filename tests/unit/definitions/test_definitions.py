"""Facts of FHIR R4 4.0.1 that the compiled definitions must tell, https://hl7.org/fhir/R4/"""

import pytest

from fhirserver.definitions import Element, load
from fhirserver.definitions.expansion import NOT_ENUMERABLE

definitions = load()


def _element(path: str) -> Element:
    found = definitions.structure(path.split(".", maxsplit=1)[0]).element(path)
    assert found is not None
    return found


def test_the_concrete_resource_types_of_4_0_1() -> None:
    assert definitions.fhir_version == "4.0.1"
    assert len(definitions.resource_types) == 146
    assert list(definitions.resource_types) == sorted(definitions.resource_types)
    assert "SubscriptionStatus" not in definitions.resource_types
    assert not definitions.is_resource_type("DomainResource")
    assert not definitions.is_resource_type(["Patient"])


def test_type_numbers_never_change() -> None:
    """They are stored in databases: a change here is a data migration."""
    numbered = {name: definitions.type_number(name) for name in definitions.resource_types}
    assert list(numbered.values()) == list(range(1, 147))
    known = {"Account": 1, "Device": 35, "Observation": 96, "Patient": 103, "Task": 140}
    assert {name: numbered[name] for name in known} == known
    assert numbered["VisionPrescription"] == 146
    assert all(definitions.type_name(number) == name for name, number in numbered.items())


def test_unknown_names_are_refused() -> None:
    with pytest.raises(KeyError):
        definitions.type_number("Resource")
    with pytest.raises(KeyError):
        definitions.type_name(0)
    with pytest.raises(KeyError):
        definitions.structure("Nothing")
    with pytest.raises(KeyError):
        definitions.search_parameters("DomainResource")
    with pytest.raises(KeyError):
        definitions.compartment("Group")


def test_every_structure_can_be_read() -> None:
    for name in definitions.structure_names:
        structure = definitions.structure(name)
        assert structure.kind == "primitive-type" or structure.elements
        pending = list(structure.elements)
        while pending:
            element = pending.pop()
            pending.extend(element.elements)
            assert element.types or element.content_reference
            assert element.max in (1, None)
            if element.content_reference is not None:
                assert structure.element(element.content_reference) is not None
            for one in element.types:
                assert one.code in definitions.structure_names
                for target in one.targets:
                    assert target in definitions.structure_names


def test_inherited_elements_come_first() -> None:
    names = [one.name for one in definitions.structure("Observation").elements]
    assert names[:9] == [
        *("id", "meta", "implicitRules", "language"),
        *("text", "contained", "extension", "modifierExtension"),
        "identifier",
    ]
    assert [one.name for one in _element("Observation.component").elements][:4] == [
        *("id", "extension", "modifierExtension", "code"),
    ]


def test_an_element_in_detail() -> None:
    status = _element("Observation.status")
    assert (status.min, status.max, status.is_list) == (1, 1, False)
    assert status.is_modifier
    assert status.is_summary
    assert status.binding is not None
    assert status.binding.strength == "required"
    value_set = definitions.value_set(status.binding.value_set)
    assert value_set is not None
    assert value_set.all_codes == {
        *("registered", "preliminary", "final", "amended"),
        *("corrected", "cancelled", "entered-in-error", "unknown"),
    }
    assert _element("Observation.subject").types[0].targets == (
        *("Patient", "Group", "Device", "Location"),
    )
    assert _element("Observation.component").is_list


def test_a_choice_lists_its_json_names() -> None:
    value = _element("Observation.value")
    assert value.is_choice
    assert [name for name, _type in value.json_names()] == [
        *("valueQuantity", "valueCodeableConcept", "valueString", "valueBoolean"),
        *("valueInteger", "valueRange", "valueRatio", "valueSampledData", "valueTime"),
        *("valueDateTime", "valuePeriod"),
    ]


def test_content_references_are_followed() -> None:
    repeated = _element("Observation.component.referenceRange")
    assert repeated.content_reference == "Observation.referenceRange"
    low = _element("Observation.component.referenceRange.low")
    assert low.types[0].profile == "SimpleQuantity"
    assert definitions.structure("Observation").children(repeated)
    assert _element("Questionnaire.item.item.item.linkId").name == "linkId"
    assert definitions.structure("Observation").element("Observation.component.nothing") is None
    assert definitions.structure("Observation").element("Observation.no.thing") is None


@pytest.mark.parametrize(
    "path",
    [
        *("Meta.project", "Meta.account", "Binary.url", "ResearchStudy.studyDesign"),
        *("ResearchStudy.outcomeMeasure", "ObservationDefinition.publisher"),
        *("DeviceDefinition.classification", "EvidenceVariable.characteristic.linkId"),
    ],
)
def test_elements_that_are_not_in_4_0_1(path: str) -> None:
    assert definitions.structure(path.split(".", maxsplit=1)[0]).element(path) is None


def test_elements_that_only_4_0_1_has() -> None:
    assert _element("EvidenceVariable.characteristic.definition").is_choice
    assert "Bot" not in _element("AuditEvent.source.observer").types[0].targets
    assert _element("Bundle.entry.response.outcome").types[0].code == "Resource"


def test_the_id_of_a_resource_is_an_id() -> None:
    assert _element("Patient.id").types[0].code == "id"
    assert _element("Patient.contact.id").types[0].code == "string"
    assert _element("Extension.url").types[0].code == "uri"


def test_invariants_are_kept_as_data() -> None:
    keys = [one.key for one in definitions.structure("Observation").constraints]
    assert keys == ["dom-2", "dom-4", "dom-3", "dom-6", "dom-5", "obs-7", "obs-6"]
    (obs_3,) = _element("Observation.referenceRange").constraints[-1:]
    assert obs_3.severity == "error"
    assert obs_3.expression == "low.exists() or high.exists() or text.exists()"


def test_required_value_sets_have_codes() -> None:
    for name in definitions.structure_names:
        pending = list(definitions.structure(name).elements)
        while pending:
            element = pending.pop()
            pending.extend(element.elements)
            if element.binding is not None and element.binding.strength == "required":
                value_set = definitions.value_set(element.binding.value_set)
                assert value_set is not None, element.path
                assert (value_set.pattern is not None) == (value_set.url in NOT_ENUMERABLE)
                assert value_set.pattern is not None or value_set.all_codes
    assert definitions.value_set("http://example.org/unknown") is None


def test_codes_with_and_without_system() -> None:
    clinical = definitions.value_set("http://hl7.org/fhir/ValueSet/condition-clinical")
    assert clinical is not None
    system = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    assert clinical.has_code("remission")
    assert clinical.has_coding(system, "remission")
    assert not clinical.has_coding("http://example.org", "remission")
    assert not clinical.has_coding(None, "remission")
    assert not clinical.has_coding(system, None)
    currencies = definitions.value_set("http://hl7.org/fhir/ValueSet/currencies")
    assert currencies is not None
    assert currencies.has_code("EUR")
    assert not currencies.has_code("euros")
    assert currencies.has_coding("urn:iso:std:iso:4217", "EUR")


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("application/fhir+json", True),
        ("text/plain; charset=UTF-8", True),
        ("image/*", True),
        ("json", True),
        ("text", False),
        ("text/plain;", False),
        ("text /plain", False),
    ],
)
def test_mime_types(code: str, allowed: bool) -> None:
    value_set = definitions.value_set("http://hl7.org/fhir/ValueSet/mimetypes")
    assert value_set is not None
    assert value_set.has_code(code) is allowed


def test_the_patient_compartment_is_that_of_4_0_1() -> None:
    compartment = definitions.compartment("Patient")
    assert compartment["Observation"] == ("subject", "performer")
    assert compartment["Encounter"] == ("patient",)
    assert "Task" not in compartment
    for name, codes in compartment.items():
        for code in codes:
            assert code in definitions.search_parameters(name), (name, code)
