from decimal import Decimal

import pytest

from fhirserver.kernel.errors import NotFound, Unavailable
from tests.unit.graphql.asking import DEVICE, NURSE, ask, data, observation, patient, record


def test_a_resource_by_id() -> None:
    query = '{ Patient(id: "ann") { id resourceType name { family given } birthDate active } }'
    assert data(query) == {
        "Patient": {
            "id": "ann",
            "resourceType": "Patient",
            "name": [{"family": "Ann", "given": ["A", "B"]}, {"family": None, "given": ["ann"]}],
            "birthDate": "1961-04-02",
            "active": None,
        }
    }


def test_on_one_resource() -> None:
    assert data("{ id name(use: official) { family } }", "Patient", "ann") == {
        "id": "ann",
        "name": [{"family": "Ann"}],
    }


def test_digits_are_kept() -> None:
    value = data("{ valueQuantity { value unit } }", "Observation", "o1")["valueQuantity"]
    assert value["value"].as_tuple() == Decimal("121.50").as_tuple()


def test_extensions_of_primitives() -> None:
    assert data("{ _birthDate { extension { url } } }", "Patient", "ann") == {
        "_birthDate": {"extension": [{"url": "http://x"}]}
    }


def test_parts_of_lists() -> None:
    query = """{
        official: name(use: "official") { family }
        last: name(_offset: 1) { use }
        one: name(_count: 1) { use }
        long: name(fhirpath: "given.count() > 1") { use }
        none: name(use: old) { use }
        first: name @first { use }
    }"""
    assert data(query, "Patient", "ann") == {
        "official": [{"family": "Ann"}],
        "last": [{"use": "nickname"}],
        "one": [{"use": "official"}],
        "long": [{"use": "official"}],
        "none": [],
        "first": [{"use": "official"}],
    }


@pytest.mark.parametrize("path", ["given.count(", "resolve(1)", "name.foo("])
def test_a_bad_fhirpath_is_an_error_of_its_field(path: str) -> None:
    answer = ask(f'{{ id name(fhirpath: "{path}") {{ use }} }}', "Patient", "ann")
    assert answer["data"] == {"id": "ann", "name": None}
    assert answer["errors"][0]["path"] == ["name"]
    outcome = answer["errors"][0]["extensions"]["resource"]
    assert outcome["resourceType"] == "OperationOutcome"


def test_references_are_followed() -> None:
    query = """{ subject { reference resource { id ... on Patient { name { family } } } } }"""
    assert data(query, "Observation", "o0")["subject"] == {
        "reference": "Patient/ann",
        "resource": {"id": "ann", "name": [{"family": "Ann"}, {"family": None}]},
    }


def test_references_of_another_type_or_to_nothing() -> None:
    query = "{ subject { resource(type: Group) { id } } }"
    assert data(query, "Observation", "o0") == {"subject": {"resource": None}}
    store = record()
    store.add(observation("lost", "nobody"))
    query = "{ subject { resource(optional: true) { id } } }"
    assert data(query, "Observation", "lost", store=store) == {"subject": {"resource": None}}
    answer = ask("{ subject { resource { id } } }", "Observation", "lost", store=store)
    assert answer["data"] == {"subject": {"resource": None}}
    assert answer["errors"][0]["message"] == "Patient/nobody is not known."
    assert answer["errors"][0]["path"] == ["subject", "resource"]


def test_contained_absolute_and_versioned_references() -> None:
    store = record()
    contained = [{"resourceType": "Practitioner", "id": "in", "name": [{"text": "Inside"}]}]
    references = ["#in", "#", "http://test/fhir/Practitioner/nina", "Practitioner/nina/_history/1"]
    practitioners = [{"reference": one} for one in references]
    store.add(patient("zoe", contained=contained, generalPractitioner=practitioners))
    query = "{ contained { id } generalPractitioner { resource { id resourceType } } }"
    assert data(query, "Patient", "zoe", store=store) == {
        "contained": [{"id": "in"}],
        "generalPractitioner": [
            {"resource": {"id": "in", "resourceType": "Practitioner"}},
            {"resource": {"id": "zoe", "resourceType": "Patient"}},
            {"resource": {"id": "nina", "resourceType": "Practitioner"}},
            {"resource": {"id": "nina", "resourceType": "Practitioner"}},
        ],
    }


def test_other_servers_are_not_asked() -> None:
    store = record()
    elsewhere = [{"reference": "http://elsewhere.org/Patient/ann"}, {"reference": "urn:uuid:1"}]
    store.add(patient("zoe", generalPractitioner=[*elsewhere, {"display": "somebody"}]))
    query = "{ generalPractitioner { resource(optional: true) { id } } }"
    found = data(query, "Patient", "zoe", store=store)
    assert found == {"generalPractitioner": [{"resource": None}] * 3}


def test_references_of_one_level_are_read_together() -> None:
    store = record()
    for number in range(20):
        store.add({"resourceType": "Practitioner", "id": f"p{number}"})
        store.add(
            patient(f"x{number}", generalPractitioner=[{"reference": f"Practitioner/p{number}"}])
        )
    query = "{ PatientList(_count: 100) { generalPractitioner { resource { id } } } }"
    found = data(query, store=store)["PatientList"]
    assert len(found) == 22
    assert found[-1] == {"generalPractitioner": [{"resource": {"id": "p19"}}]}
    assert len(store.searched) == 2


def test_variables_fragments_aliases_and_directives() -> None:
    query = """
        query Two($who: ID!, $more: Boolean!, $use: FilterValue) {
            one: Patient(id: $who) { ...names gender @include(if: $more) id @skip(if: $more) }
        }
        query Other { Patient(id: "joe") { id } }
        fragment names on Patient { name(use: $use) { given } }
    """
    variables = {"who": "ann", "more": False, "use": "nickname"}
    expected = {"one": {"name": [{"given": ["ann"]}], "id": "ann"}}
    assert data(query, variables=variables, name="Two") == expected
    assert data(query, name="Other") == {"Patient": {"id": "joe"}}


def test_instance_queries_with_variables() -> None:
    query = "query Q($use: FilterValue!) { name(use: $use) { family } }"
    assert data(query, "Patient", "ann", variables={"use": "official"}) == {
        "name": [{"family": "Ann"}]
    }


def test_a_missing_variable_is_an_error() -> None:
    answer = ask("query Q($use: FilterValue!) { name(use: $use) { family } }", "Patient", "ann")
    assert answer["data"] is None
    assert "$use" in answer["errors"][0]["message"]


def test_flatten_and_singleton() -> None:
    query = "{ name @flatten { given family @singleton } id }"
    assert data(query, "Patient", "ann") == {
        "given": ["A", "B", "ann"],
        "family": "Ann",
        "id": "ann",
    }
    store = record()
    store.add(patient("two", name=[{"family": "A"}, {"family": "B"}]))
    with pytest.raises(Exception, match="several values of 'family'"):
        ask("{ name @flatten { family @singleton } }", "Patient", "two", store=store)


def test_flatten_across_references_and_fragments() -> None:
    query = """{ PatientList @flatten {
        generalPractitioner @flatten { resource @flatten { ... on Practitioner { id } } }
        ...who
    } } fragment who on Patient { gender name @flatten { family } }"""
    assert data(query) == {"id": ["nina", "nina"], "gender": [], "family": ["Ann", "Joe"]}


def test_absent_and_invisible_are_the_same() -> None:
    for id_ in ("joe", "nobody"):
        with pytest.raises(NotFound, match=f"Patient/{id_} is not known"):
            ask("{ id }", "Patient", id_, access=NURSE)
        answer = ask(f'{{ Patient(id: "{id_}") {{ id }} }}', access=NURSE)
        assert answer["data"] == {"Patient": None}
        assert answer["errors"][0]["message"] == f"Patient/{id_} is not known."


def test_a_limited_caller_sees_only_their_own() -> None:
    query = """{
        PatientList { id }
        ObservationList { id }
        PatientConnection { count edges { resource { id } } }
    }"""
    assert data(query, access=NURSE) == {
        "PatientList": [{"id": "ann"}],
        "ObservationList": [{"id": "o0"}, {"id": "o1"}, {"id": "o2"}],
        "PatientConnection": {"count": 1, "edges": [{"resource": {"id": "ann"}}]},
    }


def test_a_limited_caller_follows_no_reference_to_others() -> None:
    store = record()
    linked = {
        "link": [
            {"other": {"reference": f"Patient/{id_}"}, "type": "seealso"}
            for id_ in ("joe", "nobody")
        ]
    }
    store.add(patient("ann", **linked))
    query = "{ link { other { resource(optional: true) { id } } } }"
    nothing = [{"other": {"resource": None}}] * 2
    assert data(query, "Patient", "ann", store=store, access=NURSE) == {"link": nothing}
    answer = ask(
        "{ link { other { resource { id } } } }", "Patient", "ann", store=store, access=NURSE
    )
    messages = sorted(error["message"] for error in answer["errors"])
    assert messages == ["Patient/joe is not known.", "Patient/nobody is not known."]


def test_a_role_without_any_right() -> None:
    answer = ask("{ PatientList { id } }", access=DEVICE)
    assert answer["data"] == {"PatientList": None}
    assert answer["errors"][0]["extensions"]["resource"]["issue"][0]["code"] == "forbidden"


@pytest.mark.parametrize("fault", [Unavailable("away"), KeyError("x")])
def test_our_own_faults_are_no_part_of_an_answer(fault: Exception) -> None:
    store = record()
    store.broken = fault
    with pytest.raises(type(fault)):
        ask('{ Patient(id: "ann") { id } }', store=store)
