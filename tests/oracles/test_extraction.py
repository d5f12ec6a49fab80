"""Our compiled search expressions find what an independent FHIRPath engine finds."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import fhirpathpy
import pytest
from fhirpathpy.engine.nodes import TypeInfo
from fhirpathpy.models import models

from fhirserver.definitions import SearchParameter, load
from fhirserver.fhirpath import UnsupportedError, compile_expression, compile_path
from fhirserver.kernel.resource import Json
from tests.oracles.resource_samples import HANDMADE, Filler, generated

# "as" on several values was allowed when R4 was written and is an error today:
# https://hl7.org/fhirpath/#as-type-specifier
_AS = re.compile(r"\(([A-Za-z.]+) as ([A-Za-z]+)\)")
# The engine does not know that every resource is a Resource.
_ABSTRACT = re.compile(r"\b(?:Domain)?Resource\.")
# The engine cannot fetch, so resolve() is spelled out as what a reference says of its target.
_RESOLVE = re.compile(r"resolve\(\) is ([A-Za-z]+)")
_OF_TYPE = (
    r"(reference.matches('^(.*/)?\1/[A-Za-z0-9.-]+(/_history/[A-Za-z0-9.-]+)?$') or type = '\1')"
)


@pytest.fixture(autouse=True)
def _datatypes_are_only_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """In search a canonical is no uri. The engine agrees as long as nobody has used is() before."""
    monkeypatch.setattr(TypeInfo, "model", None)


def _for_the_engine(expression: str, type_: str) -> str:
    expression = _ABSTRACT.sub(type_ + ".", expression)
    expression = _AS.sub(r"\1.ofType(\2)", expression).replace(".as(", ".ofType(")
    return _RESOLVE.sub(_OF_TYPE, expression)


@cache
def _engine(expression: str, type_: str) -> Any:
    return fhirpathpy.compile(_for_the_engine(expression, type_), models["r4"])


def _distinct(values: list[Any]) -> set[str]:
    """The values, without order and repetition: a union has neither."""
    return {json.dumps(value, sort_keys=True, default=str) for value in values}


def _parameters(resource_type: str) -> Iterator[tuple[SearchParameter, str]]:
    for parameter in load().search_parameters(resource_type).values():
        if parameter.expression is not None:
            yield parameter, parameter.expression


def _differences(resource: Json) -> Iterator[str]:
    type_ = resource["resourceType"]
    for parameter, expression in _parameters(type_):
        ours = _ours(expression, type_, resource)
        theirs = [_plain(value) for value in _engine(expression, type_)(resource)]
        if _distinct(ours) != _distinct(theirs):
            yield f"{type_}.{parameter.code}: {expression}\n  ours {ours}\n  theirs {theirs}"


def _ours(expression: str, type_: str, resource: Json) -> list[Any]:
    """What is found as the index finds it: by routes, and by the whole engine where these do not lead."""
    try:
        return compile_expression(expression, type_, load()).evaluate(resource)
    except UnsupportedError:
        return compile_path(expression).evaluate(resource)


def _plain(value: Any) -> Any:
    """The engine wraps dates and times; their text is what JSON says."""
    return getattr(value, "asStr", value)


@pytest.mark.parametrize(
    "resource", HANDMADE, ids=[f"{n}-{one['resourceType']}" for n, one in enumerate(HANDMADE)]
)
def test_expressions_agree_with_fhirpathpy(resource: Json) -> None:
    assert list(_differences(resource)) == []


@pytest.mark.parametrize("type_", ["Observation", "Patient", "Task", "Flag", "CareTeam"])
def test_expressions_agree_on_resources_full_of_values(type_: str) -> None:
    for variant in range(11):
        assert list(_differences(Filler(load(), variant).resource(type_))) == []


def test_expressions_of_every_type_agree_on_resources_full_of_values() -> None:
    differences = [line for one in generated(load(), 4) for line in _differences(one)]
    assert differences == []
