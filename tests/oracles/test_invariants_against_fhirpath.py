"""Our predicates against a FHIRPath engine that evaluates the specification's own expressions.

For every invariant that has a predicate, small objects are made from the elements its expression
names, and both must give the same verdict. Where the engine gives no verdict (an empty result)
there is nothing to compare.
"""

import copy
import itertools
import re
from collections.abc import Iterator
from random import Random
from typing import Any

import fhirpathpy
import pytest
from fhirpathpy.models import models

from fhirserver.definitions import Constraint, Element, load
from fhirserver.validation.invariants import ADVICE, ELSEWHERE, HOLDS, unchecked
from tests.oracles.instances import PRIMITIVES, value_of

ENOUGH = 40
AT_MOST = 200
"""Samples for one invariant: ENOUGH, or more until both verdicts have come up."""

UNKNOWN_TO_THE_ENGINE = {
    # key -> why the engine cannot judge it
    "rng-2": "it cannot compare quantities",
    "per-1": "it compares dates of different precision as text; here an end includes all it names",
}


def _places() -> Iterator[tuple[str, Constraint, tuple[Element, ...]]]:
    definitions = load()
    for name in definitions.structure_names:
        structure = definitions.structure(name)
        for constraint in structure.constraints:
            yield name, constraint, structure.elements
        pending = list(structure.elements)
        while pending:
            element = pending.pop()
            pending.extend(element.elements)
            children = structure.children(element)
            if not children and element.types and element.types[0].code not in PRIMITIVES:
                children = definitions.structure(element.types[0].code).elements
            for constraint in element.constraints:
                yield element.path, constraint, children


PLACES = {
    f"{path} {constraint.key}": (path, constraint, children)
    for path, constraint, children in _places()
    if constraint.key in HOLDS and constraint.key not in UNKNOWN_TO_THE_ENGINE
}


@pytest.mark.parametrize("place", PLACES)
def test_the_predicate_says_what_the_expression_says(place: str) -> None:
    path, constraint, children = PLACES[place]
    verdicts: set[bool] = set()
    for number, value in enumerate(_samples(place, constraint.expression, children)):
        if number >= ENOUGH and len(verdicts) == 2:
            break
        expected = _evaluate(path, constraint.expression, value)
        if expected is None:
            continue
        verdicts.add(expected)
        assert HOLDS[constraint.key](value) is expected, value
    assert verdicts == {True, False}, "the samples never make a difference"


def test_every_invariant_is_checked_or_listed() -> None:
    known = {constraint.key for _path, constraint, _children in _places()}
    waiting = {constraint.key for _path, constraint in unchecked()}
    assert set(HOLDS) <= known
    assert known == set(HOLDS) | ELSEWHERE | ADVICE | waiting


def _samples(seed: str, expression: str, children: tuple[Element, ...]) -> Iterator[dict[str, Any]]:
    random = Random(seed)
    words = set(re.findall(r"\w+", re.sub(r"'[^']*'", "", expression)))
    literals = re.findall(r"'([^']*)'", expression)
    named = [one for one in children if one.name in words]
    for _ in range(AT_MOST):
        value: dict[str, Any] = {}
        for element in named:
            if element.min == 0 and random.random() < 0.5:
                continue
            if element.name == "extension":
                value["extension"] = [{"url": "http://example.org/x", "valueCode": "a"}]
                continue
            name, made = _made(element, random, words, literals)
            value[name] = (
                [made, copy.deepcopy(made)][: random.randint(1, 2)] if element.is_list else made
            )
        yield value


def _made(
    element: Element, random: Random, words: set[str], literals: list[str]
) -> tuple[str, Any]:
    if not element.types:
        return element.name, {"id": "x"}
    name, element_type = random.choice(list(element.json_names()))
    if element_type.code == "Resource":
        return name, {"resourceType": "Basic", "id": "a"}
    codes = [*literals, *literals, "other"]
    if element_type.code in {"code", "uri", "string"}:
        return name, random.choice(codes)
    if element_type.code in {"decimal", "integer", "positiveInt", "unsignedInt"}:
        return name, random.choice((-1, 0, 5))
    if element_type.code == "CodeableConcept":
        system, code = random.choice([("x", "y"), *itertools.pairwise(literals)])
        return name, {"coding": [{"system": system, "code": code}]}
    if element.elements:
        inner = [one for one in element.elements if one.name in words]
        chosen = [one for one in inner if random.random() < 0.5] or [element.elements[-1]]
        made = (
            (one, *_made(one, random, words, literals))
            for one in chosen
            if one.name != element.name
        )
        return name, {key: [v] if one.is_list else v for one, key, v in made} or {"id": "x"}
    return name, value_of(element_type, element, random)


def _evaluate(path: str, expression: str, value: dict[str, Any]) -> bool | None:
    runnable = expression.replace(".hasValue()", ".exists()")
    root = copy.deepcopy(value)
    if load().is_resource_type(path):
        root["resourceType"] = path
        query: str | dict[str, str] = runnable
    else:
        query = {"base": path, "expression": runnable}
    result = fhirpathpy.evaluate(root, query, {"resource": copy.deepcopy(root)}, models["r4"])
    return result[0] if len(result) == 1 and isinstance(result[0], bool) else None
