"""Search requests are understood or refused; nothing is ignored."""

import pytest

from fhirserver.definitions import load
from fhirserver.kernel.errors import BadRequest
from fhirserver.search.condition import (
    Condition,
    DateValue,
    IdValue,
    ReferenceValue,
    StringValue,
    TokenValue,
    UriValue,
)
from fhirserver.search.criterion import AllOf
from fhirserver.search.leaf import MAX_VALUE_LENGTH
from fhirserver.search.period import parse_span
from fhirserver.search.query import (
    MAX_COUNT,
    MAX_VALUES,
    Query,
    SortKey,
    Wanted,
    parse,
    supported_parameters,
)


def _parse(type_: str, *pairs: tuple[str, str]) -> Query:
    return parse(type_, pairs, load())


def _one(type_: str, name: str, text: str) -> Condition:
    return _parse(type_, (name, text)).conditions[0]


def test_a_query_is_data() -> None:
    query = _parse(
        "Observation",
        ("patient", "ann"),
        ("date", "ge2026"),
        ("_sort", "-date,_id"),
        ("_count", "5"),
        ("_cursor", "abc"),
    )
    where = AllOf(
        (
            Condition("patient", "reference", None, (ReferenceValue(("Patient/ann",)),), "terms"),
            Condition("date", "date", None, (DateValue("ge", *parse_span("2026")),), "time"),
        )
    )
    assert query == Query(
        wanted=(Wanted("Observation", where),),
        sort=(SortKey("time", True, "date"), SortKey("id", False, "_id")),
        count=5,
        cursor_key="abc",
        applied=(
            ("patient", "ann"),
            ("date", "ge2026"),
            ("_sort", "-date,_id"),
            ("_count", "5"),
            ("_cursor", "abc"),
        ),
    )


def test_an_empty_request_is_a_query_for_everything() -> None:
    assert _parse("Flag") == Query((Wanted("Flag", AllOf(())),), count=20)


@pytest.mark.parametrize(
    ("type_", "param", "text", "answered_by"),
    [
        ("Flag", "_id", "f", "id"),
        ("Flag", "_lastUpdated", "2026", "last-updated"),
        ("Flag", "date", "2026", "time"),
        ("Task", "modified", "2026", "range"),
        ("Patient", "birthdate", "2026", "terms"),
        ("RiskAssessment", "probability", "1", "range"),
        ("Observation", "value-quantity", "1", "range"),
        ("Flag", "subject", "Patient/a", "terms"),
        ("Flag", "_tag", "x", "terms"),
        ("Flag", "_profile", "x", "terms"),
        ("Patient", "name", "x", "terms"),
        ("Flag", "date:missing", "true", "terms"),
    ],
)
def test_a_condition_says_how_it_is_answered(
    type_: str, param: str, text: str, answered_by: str
) -> None:
    assert _one(type_, param, text).answered_by == answered_by


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("c", TokenValue(None, "c")),
        ("s|c", TokenValue("s", "c")),
        ("|c", TokenValue("", "c")),
        ("s|", TokenValue("s", None)),
        (r"a\|b", TokenValue(None, "a|b")),
        (r"s\|t|a\,b", TokenValue("s|t", "a,b")),
    ],
)
def test_tokens(text: str, value: TokenValue) -> None:
    assert _one("Flag", "identifier", text).values == (value,)


@pytest.mark.parametrize(
    ("param", "text", "targets"),
    [
        ("patient", "ann", ("Patient/ann",)),
        ("patient", "Patient/ann", ("Patient/ann",)),
        ("subject:Group", "g", ("Group/g",)),
        ("subject", "Group/g", ("Group/g",)),
        ("subject", "http://e/Patient/1", ("http://e/Patient/1",)),
        (
            "subject",
            "http://me.example/fhir/Patient/1",
            ("Patient/1", "http://me.example/fhir/Patient/1"),
        ),
        ("subject", "urn:uuid:1", ("urn:uuid:1",)),
    ],
)
def test_references(param: str, text: str, targets: tuple[str, ...]) -> None:
    query = parse("Flag", [(param, text)], load(), base="http://me.example/fhir/")
    assert query.conditions[0].values == (ReferenceValue(targets),)


def test_an_id_alone_may_be_of_any_type_the_parameter_points_at() -> None:
    (value,) = _one("Flag", "subject", "x").values
    assert isinstance(value, ReferenceValue)
    expected = load().search_parameters("Flag")["subject"].target
    assert set(value.targets) == {f"{type_}/x" for type_ in expected}
    assert len(expected) > 1


def test_strings_uris_and_ids() -> None:
    assert _one("Patient", "name", r"Mü\,x").values == (StringValue("Mü,x", "mu,x"),)
    assert _one("Flag", "_profile", "http://e/p|1").values == (UriValue("http://e/p|1"),)
    assert _one("Flag", "_id", "a,b").values == (IdValue("a"), IdValue("b"))


def test_a_plus_sign_that_became_a_blank_is_still_a_time_zone() -> None:
    assert _one("Flag", "date", "2026-05-17T10:00:00 02:00").values == (
        DateValue("eq", *parse_span("2026-05-17T10:00:00+02:00")),
    )


def test_modifiers() -> None:
    assert _one("Patient", "name:exact", "Ann").modifier == "exact"
    assert not _one("Patient", "name:exact", "Ann").negated
    assert _one("Flag", "identifier:not", "active").negated
    assert _one("Flag", "identifier:missing", "true").negated
    assert not _one("Flag", "identifier:missing", "false").negated


@pytest.mark.parametrize(
    ("type_", "name", "text"),
    [
        ("Flag", "identifiers", "active"),
        ("Flag", "Status", "active"),
        ("Flag", "", "x"),
        ("Flag", "identifier:", "active"),
        ("Flag", "date:not", "2026"),
        ("Flag", "_id:missing", "true"),
        ("Flag", "_lastUpdated:missing", "true"),
        ("Flag", "subject:Observation", "x"),
        ("Flag", "date:contains", "2026"),
        ("Patient", "name:not", "ann"),
        ("Flag", "patient:below", "x"),
        ("Patient", "gender:of-type", "s|c|v"),
        ("Flag", "_query", "x"),
        ("Flag", "_format", "json"),
        ("Observation", "code-value-quantity:missing", "true"),
    ],
)
def test_what_is_not_supported_is_named_and_the_rest_is_listed(
    type_: str, name: str, text: str
) -> None:
    with pytest.raises(BadRequest) as refusal:
        _parse(type_, (name, text))
    assert repr(name) in refusal.value.message
    assert "supported" in refusal.value.message


@pytest.mark.parametrize(
    ("type_", "name", "text"),
    [
        ("Flag", "identifier", ""),
        ("Flag", "identifier", "active,"),
        ("Flag", "identifier", "|"),
        ("Flag", "identifier", "a|b|c"),
        ("Flag", "identifier", "\ud800"),
        ("Flag", "identifier", "x" * (MAX_VALUE_LENGTH + 1)),
        ("Flag", "identifier", ",".join(["x"] * (MAX_VALUES + 1))),
        ("Flag", "identifier:missing", "yes"),
        ("Flag", "date", "today"),
        ("Flag", "date", "2026-13"),
        ("Flag", "date", "ge"),
        ("Flag", "date", "xx2026"),
        ("Flag", "date", "2026-05-17T10:00:00+2:00"),
        ("Flag", "_lastUpdated", "1 May"),
        ("Flag", "_id", "a b"),
        ("Flag", "_id", "x" * 65),
        ("Flag", "_id", "a\x00"),
        ("Flag", "subject", "a b"),
        ("Flag", "subject", "Nothing/1"),
        ("Flag", "subject", "Patient/1/_history/2"),
        ("Flag", "subject", "/1"),
        ("Flag", "subject", "Patient/"),
        ("ServiceRequest", "instantiates-canonical", "\u0301"),
        ("Patient", "name", " "),
        ("Patient", "name", "\u0301"),
        ("RiskAssessment", "probability", "1.2.3"),
        ("RiskAssessment", "probability", "NaN"),
        ("RiskAssessment", "probability", "1e999"),
        ("RiskAssessment", "probability", "9" * 41),
        ("RiskAssessment", "probability", "٣"),
        ("Observation", "value-quantity", "5|mg"),
        ("Observation", "value-quantity", "5||"),
        ("Observation", "value-quantity", "|s|c"),
        ("Flag", "_count", "-1"),
        ("Flag", "_count", "many"),
        ("Flag", "_count", ""),
        ("Flag", "_count", "٣"),
        ("Flag", "_count", "1" * 10),
        ("Flag", "_sort", "gender"),
        ("Flag", "_sort", "date,-date"),
        ("Flag", "_sort", "date,"),
        ("Patient", "_sort", "-"),
        ("Observation", "_sort", "code-value-quantity"),
        ("Location", "_sort", "near"),
        ("Flag", "_cursor", ""),
        ("Flag", "_cursor", "x" * 3000),
    ],
)
def test_a_bad_value_is_refused_with_the_parameters_name(type_: str, name: str, text: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        _parse(type_, (name, text))
    assert f"parameter {name}" in refusal.value.message
    assert len(refusal.value.message) < 1000


@pytest.mark.parametrize("name", ["_count", "_sort", "_cursor"])
def test_result_parameters_are_given_once(name: str) -> None:
    with pytest.raises(BadRequest, match=name):
        _parse("Flag", (name, "1"), (name, "1"))


def test_a_page_is_bounded() -> None:
    assert _parse("Flag", ("_count", "0")).count == 0
    assert _parse("Flag", ("_count", "5000")).count == MAX_COUNT


def test_the_number_of_parameters_is_bounded() -> None:
    with pytest.raises(BadRequest):
        _parse("Flag", *[("identifier", "active")] * 101)


def test_the_length_of_a_request_is_bounded() -> None:
    text = ",".join(["x" * 1000] * 99)
    assert len(_parse("Flag", ("identifier", text), ("identifier", text)).conditions) == 2
    with pytest.raises(BadRequest):
        _parse("Flag", *[("identifier", text)] * 3)


def test_the_number_of_protected_dates_is_bounded() -> None:
    days = ",".join(["2000"] * 30)
    assert len(_parse("Patient", ("birthdate", days)).conditions) == 1
    assert len(_parse("Flag", ("date", days), ("date", days)).conditions) == 2
    with pytest.raises(BadRequest, match="birthdate"):
        _parse("Patient", ("birthdate", days), ("birthdate", days))


def test_the_number_of_possible_targets_is_bounded() -> None:
    ids = ",".join(f"x{number}" for number in range(100))
    with pytest.raises(BadRequest, match="parameter target"):
        _parse("Provenance", ("target", ids))


def test_the_most_values_are_accepted() -> None:
    values = ",".join(f"v{number}" for number in range(MAX_VALUES))
    assert len(_one("Flag", "identifier", values).values) == MAX_VALUES


def test_sorting_without_a_date_offers_what_there_is() -> None:
    with pytest.raises(BadRequest, match="_id, _lastUpdated"):
        _parse("Patient", ("_sort", "nane"))
    assert _parse("Patient", ("_sort", "name,-birthdate")).sort == (
        SortKey("text", False, "name"),
        SortKey("text", True, "birthdate"),
    )
    assert _parse("Patient", ("_sort", "-_lastUpdated")).sort == (
        SortKey("last-updated", True, "_lastUpdated"),
    )


def test_an_unknown_resource_type_is_the_callers_mistake() -> None:
    with pytest.raises(KeyError):
        _parse("SubscriptionTopic")


def test_supported_parameters_leave_out_what_parse_refuses() -> None:
    codes = supported_parameters("Observation", load())
    assert {"_id", "code", "date", "value-quantity"} <= set(codes)
    assert not {"_query"} & set(codes)
