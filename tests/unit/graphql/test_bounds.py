import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhirserver.definitions import load
from fhirserver.interactions.context import Context
from fhirserver.interactions.graphql import budget
from fhirserver.interactions.operation import perform
from fhirserver.interactions.operations.graphql import GRAPHQL
from fhirserver.kernel.errors import BadRequest, FhirError, TooCostly
from tests.unit.graphql.asking import ADMIN, ask, data, record
from tests.unit.graphql.test_searching import many


@pytest.mark.parametrize(
    "query",
    [
        "",
        "{",
        "{ }",
        "}",
        "{ Patient }",
        "{ PatientList }",
        '{ Patient(id: "a") { colour } }',
        '{ Patient(id: "a", name: "b") { id } }',
        "{ Martian(id: 1) { id } }",
        "mutation { Patient(id: 1) { id } }",
        "subscription { PatientList { id } }",
        "query A { PatientList { id } } query B { PatientList { id } }",
        "fragment f on Patient { id }",
        "{ PatientList { ...f } } fragment f on Patient { id ...f }",
        "{ PatientList { ...missing } }",
        "{ PatientList { id @unknown } }",
        "{ PatientList { id: name { use } id } }",
        "{ __schema { types { name } } }",
        '{ __type(name: "Patient") { name } }',
        "query Q($x: Nothing) { PatientList(name: $x) { id } }",
        '{ PatientList(name: {a: "b"}) { id } }',
        "\x00",
        "{ PatientList { id } } \ud800",
    ],
)
def test_what_is_no_query_is_a_bad_request(query: str) -> None:
    with pytest.raises(BadRequest) as caught:
        ask(query)
    assert all(problem.message for problem in caught.value.problems)


def test_an_unknown_operation_name() -> None:
    with pytest.raises(BadRequest):
        ask("query A { PatientList { id } }", name="B")


def nested(depth: int) -> str:
    inner = "{ id }"
    for _ in range(depth):
        inner = "{ link { other { resource { ... on Patient " + inner + " } } } }"
    return inner


def doubling(times: int) -> str:
    parts = ["{ Patient(id: 1) { ...f0 } }", f"fragment f{times} on Patient {{ id }}"]
    for number in range(times):
        below = f"...f{number + 1}"
        link = f"link {{ other {{ resource {{ {below} }} }} }}"
        parts.append(f"fragment f{number} on Patient {{ a: {link} b: {link} }}")
    return " ".join(parts)


@pytest.mark.parametrize(
    "query",
    [
        "{ PatientList { " + "id " * 2100 + "} }",
        "{ PatientList { " + "id " * 1100 + "} }",
        "{" * 5000,
        "{ a(x: " + "[" * 5000,
        "{ PatientList " + nested(7) + "}",
        "{ PatientList " + nested(100) + "}",
        doubling(9),
        "# " + "x" * 60_000,
    ],
)
def test_queries_beyond_a_bound_are_too_costly(query: str) -> None:
    with pytest.raises(TooCostly):
        ask(query)


def test_too_many_searches() -> None:
    store = record()
    many(store, 110)
    query = "{ PatientList(_count: 150) { ObservationList(_reference: subject) { id } } }"
    with pytest.raises(TooCostly, match="searches"):
        ask(query, store=store)
    assert len(store.searched) <= budget.MAX_SEARCHES


def test_too_many_resources(monkeypatch: pytest.MonkeyPatch) -> None:
    store = record()
    many(store, 30)
    monkeypatch.setattr(budget, "MAX_RESOURCES", 20)
    with pytest.raises(TooCostly, match="resources"):
        ask("{ PatientList { id } }", store=store)


def test_too_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "MAX_BYTES", 500)
    with pytest.raises(TooCostly, match="bytes"):
        ask("{ PatientList { generalPractitioner { resource { id } } } }")


def test_too_many_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "MAX_VALUES", 10)
    with pytest.raises(TooCostly, match="values"):
        ask("{ PatientList { id birthDate name { use given family } } }")


def test_a_role_right_is_asked_once_per_search_and_a_type_name_is_free() -> None:
    assert data("{ __typename PatientList { __typename } }") == {
        "__typename": "Query",
        "PatientList": [{"__typename": "Patient"}, {"__typename": "Patient"}],
    }


TOKENS = st.sampled_from(
    ["{", "}", "(", ")", "PatientList", "Patient", "id", "name", ":", '"ann"', "...", "on", "$x",
     "query", "fragment", "f", "@include", "@flatten", "(if: true)", "_count", "1", "given",
     "ObservationList", "_reference", "subject", "resource", "[", "]", "!", "=", "use", "# x\n"]
)  # fmt: skip


@given(st.lists(TOKENS, max_size=30).map(" ".join) | st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_whatever_is_asked_is_answered_or_refused(query: str) -> None:
    try:
        answer = ask(query)
    except (BadRequest, TooCostly):
        return
    assert "data" in answer


def call(content: bytes = b"", media_type: str = "", **query: str) -> Any:
    store: Any = record()
    observer: Any = None
    context = Context(ADMIN, store, load(), observer, "http://test/fhir")
    pairs = list(query.items())
    own = (content, media_type)
    return asyncio.run(perform(GRAPHQL, context, "", "", pairs, None, GRAPHQL.run, own))


def test_the_forms_of_a_request() -> None:
    query = "query Q($n: [SearchValue!]) { PatientList(name: $n) { id } }"
    variables = {"n": ["ann"]}
    body = json.dumps({"query": query, "variables": variables, "operationName": "Q"}).encode()
    expected = b'{"data":{"PatientList":[{"id":"ann"}]}}'
    answer = call(body, "application/json")
    assert (answer.content, answer.media_type) == (expected, "application/json")
    assert call(query=query, variables=json.dumps(variables)).content == expected
    plain = b"{ PatientList(name: ann) { id } }"
    assert call(plain, "application/graphql").content == expected


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"", "", 400),
        (b"{}", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"{", "application/json", 400),
        (b'{"query": 5}', "application/json", 400),
        (b'{"query": " "}', "application/json", 400),
        (b'{"query": "{PatientList{id}}", "variables": []}', "application/json", 400),
        (b'{"query": "{PatientList{id}}", "operationName": 1}', "application/json", 400),
        (b'{"query": "{PatientList{id}}", "more": 1}', "application/json", 400),
        (b"\xff", "application/graphql", 400),
        (b"{PatientList{id}}", "text/plain", 415),
        (b"{PatientList{id}}", "", 415),
    ],
)
def test_bad_requests(content: bytes, media_type: str, status: int) -> None:
    with pytest.raises(FhirError) as caught:
        call(content, media_type)
    assert caught.value.status == status
