"""Nothing that an expression says makes it run for long, or run out of memory or stack."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhirserver.fhirpath import (
    Environment,
    FhirPathError,
    Limits,
    TooExpensiveError,
    UnsupportedError,
    compile_path,
)
from fhirserver.fhirpath.functions.strings import MAX_PATTERN
from fhirserver.fhirpath.syntax import MAX_LENGTH
from tests.unit.fhirpath.samples import OBSERVATION, PATIENT

LIST = "(1|2|3|4|5|6|7|8|9|10)"
ENVIRONMENT = Environment(limits=Limits(steps=50_000, items=5_000, text=100_000))


@pytest.mark.parametrize(
    "expression",
    [
        # text that doubles
        (
            f"{LIST}.combine({LIST}).aggregate($total & $total, 'aaaaaaaa')"
            ".length() > 0 and ('a' & 'b').exists()"
        ),
        "'aaaaaaaaaaaaaaaaaaaa'.replace('', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx')"
        + ".replace('', 'yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy')" * 3,
        "'aaaaaaaaaaaaaaaaaaaa'"
        + ".replaceMatches('.', 'yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy')" * 5,
        # collections that double
        f"{LIST}.select({LIST}.select({LIST}.select({LIST}.select({LIST}.select({LIST})))))",
        f"{LIST}.aggregate($total.combine($total).combine($total).combine($total), {LIST})",
        f"{LIST}.repeat($this + 1)",
        "1.repeat($this + 1)",
        # much work for nothing
        (
            f"{LIST}.where({LIST}.where({LIST}.where({LIST}.where({LIST}.where(false).exists())"
            ".exists()).exists()).exists())"
        ),
        f"{LIST}.all({LIST}.all({LIST}.all({LIST}.all({LIST}.all({LIST}.all(true))))))",
        "descendants().select(%resource.descendants()).select(%resource.descendants())",
    ],
)
def test_too_expensive(expression: str) -> None:
    with pytest.raises(TooExpensiveError):
        compile_path(expression).evaluate(PATIENT, environment=ENVIRONMENT)


@pytest.mark.parametrize(
    "expression",
    [
        "('" + "a" * 5000 + "!').matches('^(a+)+$') = false",
        "('" + "a" * 5000 + "!').matches('^(a|aa)+$') = false",
        "('" + "a" * 5000 + "!').replaceMatches('(a*)*b', '') != ''",
        "9.power(1000).empty()",
        "999999999999999999.0.power(1000).empty()",
        "1000.exp().empty()",
        "(0.00000001).power(1000).exists()",
        "'9999999999999999999999999999999999999999999999'.toInteger().empty()",
    ],
)
def test_bait_costs_nothing(expression: str) -> None:
    assert compile_path(expression).evaluate(PATIENT, environment=ENVIRONMENT) == [True]


@pytest.mark.parametrize(
    "expression",
    [
        "a" * (MAX_LENGTH + 1),
        "(" * 1000 + "1" + ")" * 1000,
        "1" + "+1" * 1000,
        "a" + ".a" * 1000,
        "-" * 1000 + "1",
        "a" + "[0]" * 1000,
        "not(" * 100 + ")" * 100,
        "a is b" + " is b" * 500,
    ],
)
def test_too_large_to_compile(expression: str) -> None:
    with pytest.raises(UnsupportedError):
        compile_path(expression)


def test_too_large_a_regular_expression() -> None:
    with pytest.raises(FhirPathError):
        compile_path("'a'.matches('" + "a" * (MAX_PATTERN + 1) + "')").evaluate(PATIENT)
    with pytest.raises(FhirPathError):
        compile_path("'a'.matches('((((a{1,900}){1,900}){1,900}){1,900})')").evaluate(PATIENT)


def test_a_value_nested_too_deeply() -> None:
    value: dict[str, Any] = {"url": "x"}
    for _ in range(5000):
        value = {"url": "x", "extension": [value]}
    for expression in ("extension.distinct()", "descendants().count()", "extension ~ extension"):
        with suppress(TooExpensiveError):
            compile_path(expression).evaluate(value, type="Extension")


WORDS = st.sampled_from(
    [
        *("name", "given", "value", "component", "code", "active", "birthDate", "Patient", "url"),
        *("extension", "1", "2.5", "'a'", "@2020-01", "@T10:00", "4 'mg'", "2 days", "{}", "true"),
        *(".", "(", ")", "[", "]", ",", "+", "-", "*", "/", "|", "=", "~", "<", ">=", "&", "and"),
        *("or", "implies", "is", "as", "in", "contains", "div", "mod", "$this", "$index", "$total"),
        *("%resource", "where(", "select(", "exists()", "first()", "count()", "toString()"),
        *("descendants()", "children()", "ofType(", "iif(", "repeat(", "aggregate(", "matches("),
        *("replace(", "not()", "resolve()", "type()", "distinct()", "round(", "toQuantity()"),
    ]
)


@settings(max_examples=400, suppress_health_check=list(HealthCheck))
@given(st.lists(WORDS, max_size=14).map(" ".join))
def test_any_words_give_values_or_a_clear_error(text: str) -> None:
    with suppress(FhirPathError):
        path = compile_path(text)
        for resource in (PATIENT, OBSERVATION):
            for value in path.evaluate(resource, environment=ENVIRONMENT):
                json.dumps(value, default=str)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.decimals(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "given", "value", "extension", "url", "contained", "id"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(
    st.dictionaries(
        st.sampled_from(["name", "_birthDate", "birthDate", "telecom", "contained", "extension"]),
        JSON,
        max_size=5,
    )
)
def test_any_json_gives_values_or_a_clear_error(resource: dict[str, Any]) -> None:
    for expression in (
        "name.given & birthDate",
        "birthDate < today() or telecom.rank > 1",
        "descendants().distinct().count() + contained.id.count()",
        "extension('a').value + 1",
        "name ~ telecom",
        "birthDate.extension.value.toString()",
        "contained.resolve() | extension.value.resolve()",
    ):
        with suppress(FhirPathError):
            compile_path(expression).evaluate({"resourceType": "Patient", **resource})
