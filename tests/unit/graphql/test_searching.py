from typing import Any

import pytest

from tests.unit.graphql.asking import ask, data, observation, patient, record


def test_a_list_by_search_parameters() -> None:
    assert data('{ PatientList(name: "ann") { id } }') == {"PatientList": [{"id": "ann"}]}
    assert data("{ PatientList(active: true) { id } }") == {"PatientList": [{"id": "joe"}]}
    query = '{ ObservationList(value_quantity: "gt121", subject: "Patient/ann") { id } }'
    assert data(query) == {"ObservationList": [{"id": "o1"}, {"id": "o2"}]}


def test_a_list_of_values_means_all_of_them() -> None:
    query = '{ ObservationList(value_quantity: ["gt120", "lt122"]) { id } }'
    assert data(query) == {"ObservationList": [{"id": "o0"}, {"id": "o1"}]}


def test_count_sort_and_filter() -> None:
    store = record()
    query = '{ ObservationList(_count: 2, _sort: "-_id", _filter: "status eq final") { id } }'
    assert len(data(query, store=store)["ObservationList"]) == 2
    assert store.searched[0].sort[0].descending
    assert store.searched[0].count == 2


def test_what_points_back() -> None:
    query = "{ id ObservationList(_reference: subject) { id subject { reference } } }"
    found = data(query, "Patient", "ann")
    assert [one["id"] for one in found["ObservationList"]] == ["o0", "o1", "o2"]
    query = "{ PatientList { id ObservationList(_reference: patient, _count: 1) { id } } }"
    assert data(query) == {
        "PatientList": [
            {"id": "ann", "ObservationList": [{"id": "o0"}]},
            {"id": "joe", "ObservationList": [{"id": "p0"}]},
        ]
    }


def test_a_connection_pages() -> None:
    query = """query Q($cursor: String) {
        ObservationConnection(subject: "Patient/ann", _count: 2, _cursor: $cursor) {
            count offset pagesize first previous next last edges { mode score resource { id } }
        }
    }"""
    first = data(query)["ObservationConnection"]
    assert first == {
        "count": 3,
        "offset": None,
        "pagesize": 2,
        "first": None,
        "previous": None,
        "next": "2",
        "last": None,
        "edges": [
            {"mode": "match", "score": None, "resource": {"id": "o0"}},
            {"mode": "match", "score": None, "resource": {"id": "o1"}},
        ],
    }


def test_a_total_is_counted_only_when_asked_for() -> None:
    store = record()
    data("{ PatientConnection { next } }", store=store)
    assert store.searched[0].total != "accurate"
    data("{ PatientConnection { count } }", store=store)
    assert store.searched[1].total == "accurate"


def test_nested_connections() -> None:
    query = "{ ObservationConnection(_reference: subject) { count } }"
    assert data(query, "Patient", "ann") == {"ObservationConnection": {"count": 3}}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ('{ PatientList(birthdate: "soon") { id } }', "birthdate"),
        ("{ PatientList(_count: 0) { id } }", "_count"),
        ("{ PatientList(_count: 201) { id } }", "_count"),
        ('{ PatientList(_sort: "colour") { id } }', "_sort"),
        ('{ Patient(id: "ann") { ObservationList(_reference: status) { id } } }', "reference"),
        ('{ Patient(id: "ann") { ObservationList(_reference: "x") { id } } }', "reference"),
        ('{ Patient(id: "ann") { name(_offset: -1) { use } } }', "negative"),
    ],
)
def test_bad_arguments_are_errors_of_their_field(query: str, message: str) -> None:
    answer = ask(query)
    (error,) = answer["errors"]
    assert message in error["message"]
    assert error["extensions"]["resource"]["issue"][0]["code"] in ("invalid", "value")


def test_one_bad_field_leaves_the_others() -> None:
    answer = ask('{ good: PatientList { id } bad: PatientList(birthdate: "soon") { id } }')
    assert answer["data"]["bad"] is None
    assert len(answer["data"]["good"]) == 2


def many(store: Any, number: int) -> None:
    for index in range(number):
        store.add(patient(f"m{index}"))
        store.add(observation(f"mo{index}", f"m{index}"))
