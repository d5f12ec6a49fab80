"""Every alias is proved from the definitions' expressions."""

from typing import Any

import pytest

from fhirserver.definitions import load
from fhirserver.fhirpath import Hop, compile_expression
from fhirserver.search.aliases import ALIASES, sources


def _routes(type_: str, param: str) -> tuple[set[Any], set[str | None]]:
    """The paths of a parameter, and the types that `resolve() is` restricts their targets to."""
    parameter = load().search_parameters(type_)[param]
    assert parameter.expression is not None
    paths, only = set(), set()
    for route in compile_expression(parameter.expression, type_, load()).routes:
        keeps = [keep for step in route.steps if isinstance(step, Hop) for keep in step.keeps]
        assert all(keep.reference_type for keep in keeps)
        only |= {keep.reference_type for keep in keeps} or {None}
        hops = tuple((step.key, step.index) for step in route.steps if isinstance(step, Hop))
        paths.add((parameter.type, route.type, hops))
    return paths, only


@pytest.mark.parametrize(("type_", "param"), sorted(ALIASES))
def test_an_alias_says_exactly_what_its_sources_say(type_: str, param: str) -> None:
    alias = ALIASES[type_, param]
    paths, only = _routes(type_, param)
    of_sources = [_routes(type_, source) for source in alias.sources]
    assert set().union(*(found for found, _ in of_sources)) == paths
    assert only == {alias.only}
    assert all(restricted == {None} for _, restricted in of_sources)
    assert not any((type_, source) in ALIASES for source in alias.sources)


def test_other_parameters_are_looked_up_as_themselves() -> None:
    assert sources("Observation", "code") == ("code",)
    assert sources("Observation", "patient") == ("subject",)
    assert sources("Observation", "combo-code") == ("code", "component-code")
