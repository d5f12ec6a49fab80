"""Composite parameters: values that belong together because one element holds them.

`Observation.component-code-value-quantity` means the code and the value of the same component. The
parameter's expression finds the elements, each component's expression the values in one of them.

Spec: https://hl7.org/fhir/R4/search.html#combining
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from fhirserver.definitions.model import SearchComponent, SearchParameter
from fhirserver.fhirpath import (
    EvaluationError,
    Path,
    Route,
    UnsupportedError,
    compile_expression,
    compile_path,
)
from fhirserver.kernel.resource import Json
from fhirserver.search.emit import Emitter
from fhirserver.search.emitters import EmitterOf, Emitters, SearchDefinitions, is_readable
from fhirserver.search.entry import Entry

# The specification gives the code where the target belongs, and the other way round.
_SWAPPED: Final = frozenset({("DocumentReference", "relationship")})

Values = Callable[[Any, Json], list[Entry]]


def components(type_: str, parameter: SearchParameter) -> tuple[SearchComponent, ...]:
    """Return the components of a composite, as they are meant."""
    found = parameter.components
    if (type_, parameter.code) not in _SWAPPED:
        return found
    first, second = found
    return (
        SearchComponent(first.code, first.type, second.expression, first.url),
        SearchComponent(second.code, second.type, first.expression, second.url),
    )


def composite_values(
    resource: Json, param: str, definitions: SearchDefinitions
) -> Iterator[tuple[list[Entry], ...]]:
    """Go through the elements of a composite parameter: for each the entries of every component."""
    plan = _plan(resource["resourceType"], param, definitions)
    for elements, values in plan.elements:
        for element in elements(resource):
            yield tuple(one(element, resource) for one in values)


def is_single(type_: str, parameter: SearchParameter, definitions: SearchDefinitions) -> bool:
    """Whether the element is the resource itself and each component one value of it.

    Then a resource that meets each component's own parameter meets them together, and that is what
    the composite means. A CodeableConcept is one value: all of its codings mean the same.
    """
    if parameter.expression != type_:
        return False
    known = definitions.indexed_parameters(type_)
    for component in components(type_, parameter):
        own = known.get(component.code)
        if own is None or own.expression is None:
            return False
        try:
            here = compile_expression(component.expression, type_, definitions).routes
            there = compile_expression(own.expression, type_, definitions).routes
        except UnsupportedError:
            return False
        if any(getattr(step, "is_list", True) for route in there for step in route.steps):
            return False
        if _read(here) != _read(there):
            return False
    return True


def _read(routes: tuple[Route, ...]) -> frozenset[tuple[object, ...]]:
    # Sampled data is a quantity with limits, which the composite's expression leaves out.
    return frozenset(route.steps for route in routes if route.type != "SampledData")


@dataclass(frozen=True, slots=True)
class _Composite:
    """Where the elements are, by type, and how each component reads its entries off one."""

    elements: tuple[tuple[Callable[[Json], list[Any]], tuple[Values, ...]], ...]


class _Plans(dict[tuple[str, str], _Composite]):
    """The plans of one set of definitions, by type and parameter."""

    def __init__(self, _definitions: SearchDefinitions) -> None:
        super().__init__()


def _plan(type_: str, param: str, definitions: SearchDefinitions) -> _Composite:
    plans = definitions.derived(_Plans)
    found = plans.get((type_, param))
    if found is None:
        parameter = definitions.indexed_parameters(type_)[param]
        found = plans[type_, param] = _compile(type_, parameter, definitions)
    return found


def _compile(type_: str, parameter: SearchParameter, definitions: SearchDefinitions) -> _Composite:
    routes = compile_expression(str(parameter.expression), type_, definitions).routes
    make = Emitters(definitions, texts=True)
    return _Composite(
        tuple(
            (
                route.values,
                tuple(
                    _component(one, route.type, type_, make, definitions)
                    for one in components(type_, parameter)
                ),
            )
            for route in routes
        )
    )


def _component(
    component: SearchComponent,
    element_type: str,
    type_: str,
    make: Emitters,
    definitions: SearchDefinitions,
) -> Values:
    try:
        compiled = compile_expression(
            component.expression, element_type, definitions, resource_type=type_
        )
    except UnsupportedError:
        return _by_engine(
            compile_path(component.expression),
            element_type,
            make.by_type(component.type, component.code),
            definitions,
        )
    return _by_routes(
        tuple(
            (route, make(component.type, route.type, route.binding, [(component.code, None)]))
            for route in compiled.routes
            if is_readable(component.type, route.type)
        )
    )


def _by_routes(routes: tuple[tuple[Route, Emitter], ...]) -> Values:
    def read(element: Any, _: Json) -> list[Entry]:
        entries: list[Entry] = []
        for route, emitter in routes:
            for value in route.values(element):
                emitter(value, entries.append)
        return entries

    return read


def _by_engine(
    path: Path, element_type: str, emitter_of: EmitterOf, definitions: SearchDefinitions
) -> Values:
    def read(element: Any, resource: Json) -> list[Entry]:
        entries: list[Entry] = []
        try:
            found = path.typed(element, type=element_type, root=resource, definitions=definitions)
        except EvaluationError:
            return entries
        for value, type_ in found:
            emitter = emitter_of(type_)
            if emitter is not None:
                emitter(value, entries.append)
        return entries

    return read
