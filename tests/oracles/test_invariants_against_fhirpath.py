"""Three answers to every invariant: our predicate, our engine, and another engine (fhirpathpy).

For every invariant of the definitions small objects are made from the elements its expression
names. The predicate, where there is one, must say exactly what our engine says; our engine must say
what fhirpathpy says, but for the differences explained in DIFFERENT.
"""

import copy
import itertools
import re
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Any

import fhirpathpy
import pytest
from fhirpathpy.engine.nodes import ResourceNode
from fhirpathpy.models import models

from fhirserver.definitions import Constraint, Element, load
from fhirserver.fhirpath import compile_path
from fhirserver.validation.constraints import (
    BEST_PRACTICE,
    ELSEWHERE,
    by_engine,
    constraints_below,
    expression_of,
    is_wide,
)
from fhirserver.validation.invariants import HOLDS
from tests.oracles.instances import value_of

ENOUGH = 40
AT_MOST = 200
"""Samples for one invariant: ENOUGH, or more until both verdicts have come up."""

DIFFERENT = {
    # key -> why fhirpathpy says something else, or nothing
    "rng-2": "it cannot compare quantities",
    "per-1": "it compares dates of different precision as text; here an end includes all it names",
    "mdd-1": "as per-1",
    "inv-1 Task": "as per-1",
    "eld-16": "RE2 and its translation of the pattern to Python differ on escapes",
}


ONE_SIDED = {
    # key -> why it always holds
    "cid-0": "ChargeItemDefinition has no element `name`",
}


def _places() -> Iterator[tuple[str, str, Constraint, tuple[Element, ...]]]:
    """(path, type of the value there, constraint, elements of the value)."""
    definitions = load()
    for name in definitions.structure_names:
        structure = definitions.structure(name)
        for path, constraint in constraints_below(structure):
            element = structure.element(path)
            if element is None:
                yield path, name, constraint, structure.elements
                continue
            children = structure.children(element)
            if children:
                yield path, path, constraint, children
                continue
            for one in element.types:
                elements = definitions.structure(one.code).elements
                yield path, one.code, constraint, elements


def _name(path: str, type_: str, key: str) -> str:
    return f"{path} {key}" if type_ == path else f"{path} as {type_} {key}"


PLACES = {
    _name(path, type_, constraint.key): (path, type_, constraint, children)
    for path, type_, constraint, children in _places()
    if constraint.key not in ELSEWHERE
    and constraint.key not in BEST_PRACTICE
    and not is_wide(constraint)
}


def _by_hand(constraint: Constraint, type_: str) -> Any:
    return HOLDS.get(f"{constraint.key} {type_}") or HOLDS.get(constraint.key)


@pytest.mark.parametrize("place", PLACES)
def test_all_say_the_same(place: str) -> None:
    path, type_, constraint, children = PLACES[place]
    by_hand = _by_hand(constraint, type_)
    engine = by_engine(constraint, type_)
    verdicts: set[bool] = set()
    for number, value in enumerate(_samples(place, constraint.expression, children)):
        if number >= ENOUGH and len(verdicts) == 2:
            break
        verdict = engine(value)
        verdicts.add(verdict)
        if by_hand is not None:
            assert by_hand(value) is verdict, value
        if not {constraint.key, f"{constraint.key} {type_}"} & set(DIFFERENT):
            _compare_engines(path, type_, expression_of(constraint), value)
    if by_hand is not None and constraint.key not in ONE_SIDED:
        assert verdicts == {True, False}, "the samples never make a difference"


def _compare_engines(path: str, type_: str, expression: str, value: Any) -> None:
    ours = compile_path(expression).holds(value, type=type_)
    theirs = _evaluate(path, expression, value)
    if theirs is not None or ours is None:
        assert ours is theirs, value


def test_every_invariant_is_checked() -> None:
    definitions = load()
    for name in definitions.structure_names:
        for _path, constraint in constraints_below(definitions.structure(name)):
            compile_path(expression_of(constraint))
    known = {constraint.key for _path, _type, constraint, _children in _places()}
    assert {key.partition(" ")[0] for key in HOLDS} <= known
    assert known >= ELSEWHERE | BEST_PRACTICE


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
    codes = [*literals, *literals, "other", "Other_1"]
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


@cache
def _engine(expression: str) -> Any:
    runnable = expression.replace(".hasValue()", ".exists()")
    runnable = re.sub(r"matchesFull\('(.*)'\)$", r"matches('^(\1)$')", runnable)
    return fhirpathpy.compile(runnable, models["r4"])


def _evaluate(path: str, expression: str, value: Any) -> bool | None:
    root = copy.deepcopy(value)
    if load().is_resource_type(path):
        root["resourceType"] = path
        focus = root
    else:
        focus = ResourceNode.create_node(root, path)  # type: ignore[no-untyped-call]
    result = _engine(expression)(focus, {"resource": copy.deepcopy(root)})
    return result[0] if len(result) == 1 and isinstance(result[0], bool) else None
