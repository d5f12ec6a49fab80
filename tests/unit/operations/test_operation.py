"""The frame of operations: what may be handed over, and what is refused."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from fhirserver.interactions.operation import (
    INSTANCE,
    SYSTEM,
    TYPE,
    Answer,
    Call,
    Operation,
    call_of,
)
from fhirserver.interactions.operation_parameters import Input
from fhirserver.interactions.operations import OPERATIONS
from fhirserver.interactions.parameters import parameters
from fhirserver.kernel.errors import BadRequest
from fhirserver.kernel.resource import Json
from fhirserver.rest.operation_routes import operation_routes


async def nothing(_context: Any, _call: Call) -> Answer:
    return Answer(status=204)


OPERATION = Operation(
    "try",
    TYPE,
    None,
    affects_state=False,
    run=nothing,
    inputs=(
        Input("url", "uri", least=1),
        Input("flag", "boolean"),
        Input("count", "positiveInt"),
        Input("amount", "decimal"),
        Input("code", "code", most=None),
        Input("coding", "Coding"),
        Input("who", "string"),
        Input("resource", "Patient", whole_body=True),
        Input("match", "part", most=None, parts=(Input("name", least=1), Input("x", "integer"))),
    ),
)


def asked(*pairs: tuple[str, str], body: Json | None = None) -> Call:
    return call_of(OPERATION, "Patient", "", [("url", "http://x"), *pairs], body)


def test_a_query_gives_typed_values() -> None:
    given = asked(
        ("flag", "true"), ("count", "3"), ("amount", "1.50"), ("code", "a"), ("code", "b")
    ).parameters

    assert given.text("url") == "http://x"
    assert given.flag("flag") is True
    assert given.number("count") == 3
    assert str(given.decimal("amount")) == "1.50"
    assert given.texts("code") == ("a", "b")
    assert "coding" not in given
    assert given.flag("nothing", default=True) is True


def test_a_body_gives_the_same_and_more() -> None:
    body = parameters(
        ("flag", "valueBoolean", False),
        ("count", "valueInteger", 3),
        ("amount", "valueDecimal", Decimal("2.0")),
        ("code", "valueString", "a"),
        ("coding", "valueCoding", {"code": "x"}),
        ("who", "valueReference", {"reference": "Patient/ann"}),
        ("resource", "resource", {"resourceType": "Patient"}),
        ("match", "part", [{"name": "name", "valueString": "n"}, {"name": "x", "valueInteger": 4}]),
    )

    given = asked(body=body).parameters

    assert given.structure("coding") == {"code": "x"}
    assert given.text("who") == "Patient/ann"
    assert given.resource("resource") == {"resourceType": "Patient"}
    assert [(one.text("name"), one.number("x")) for one in given.parts("match")] == [("n", 4)]


def test_the_one_resource_can_be_the_body() -> None:
    call = asked(body={"resourceType": "Patient", "id": "ann"})

    assert call.parameters.resource("resource") == {"resourceType": "Patient", "id": "ann"}


@pytest.mark.parametrize(
    "pairs",
    [
        [("unknown", "x")],
        [("url", "http://y")],
        [("flag", "yes")],
        [("count", "0")],
        [("count", "9" * 30)],
        [("count", "²")],
        [("amount", "1e9")],
        [("amount", ".")],
        [("amount", "NaN")],
        [("code", "")],
        [("coding", "x")],
    ],
    ids=str,
)
def test_a_query_that_says_anything_else_is_refused(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(BadRequest):
        asked(*pairs)


@pytest.mark.parametrize(
    "body",
    [
        {"resourceType": "Group"},
        {},
        {"resourceType": ["Parameters"]},
        {"resourceType": "Parameters", "parameter": {}},
        {"resourceType": "Parameters", "parameter": ["x"]},
        {"resourceType": "Parameters", "parameter": [{"name": ["flag"]}]},
        {"resourceType": "Parameters", "parameter": [{"name": "flag"}]},
        parameters(("unknown", "valueString", "x")),
        parameters(("flag", "valueString", "true")),
        parameters(("flag", "valueBoolean", 1)),
        parameters(("count", "valueInteger", True)),
        parameters(("count", "valueInteger", 2**31)),
        parameters(("code", "valueCode", "")),
        parameters(("coding", "valueCodeableConcept", {})),
        parameters(("coding", "valueCoding", "x")),
        parameters(("who", "valueReference", {})),
        parameters(("resource", "resource", {"resourceType": "Group"})),
        parameters(("match", "valueString", "x")),
        parameters(("match", "part", [])),
        parameters(("match", "part", [{"name": "y", "valueString": "x"}])),
        {
            "resourceType": "Parameters",
            "parameter": [{"name": "flag", "valueBoolean": True, "valueString": "x"}],
        },
    ],
    ids=lambda body: str(body)[:70],
)
def test_a_body_that_says_anything_else_is_refused(body: Json) -> None:
    with pytest.raises(BadRequest):
        asked(body=body)


def test_what_is_needed_must_be_there() -> None:
    with pytest.raises(BadRequest, match="url is needed"):
        call_of(OPERATION, "Patient", "", [], None)


def test_search_parameters_are_left_to_operations_that_take_them() -> None:
    taking = replace(OPERATION, takes_search=True)

    call = call_of(taking, "Patient", "", [("url", "u"), ("name:exact", "x")], None)

    assert ("name:exact", "x") in call.pairs


def test_what_changes_something_is_not_for_get() -> None:
    methods = {
        affects: {
            one.method for one in operation_routes([replace(OPERATION, affects_state=affects)])
        }
        for affects in (True, False)
    }

    assert methods == {True: {"POST"}, False: {"GET", "POST"}}


def test_routes_have_the_shape_of_their_level() -> None:
    everywhere = replace(OPERATION, levels=SYSTEM | TYPE | INSTANCE, delete=nothing)

    routes = {(one.method, one.shape) for one in operation_routes([everywhere])}

    assert routes == {
        (method, shape)
        for method in ("GET", "POST", "DELETE")
        for shape in ("$try", "{type}/$try", "{type}/{id}/$try")
    }


def test_a_name_is_given_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        operation_routes([OPERATION, OPERATION])


def test_every_operation_of_the_server_is_listed_in_order() -> None:
    codes = [one.code for one in OPERATIONS]

    assert codes == sorted(codes)
    assert len(operation_routes(OPERATIONS)) >= len(codes)
