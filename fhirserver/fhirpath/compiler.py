"""The compiler: a syntax tree and the definitions of a type to typed routes.

Types are resolved while compiling: `(Observation.value as Quantity)` becomes the JSON property
`valueQuantity`, `Observation.effective` four routes, one per type it may have. A union keeps only
the parts that start at the type compiled for, so expressions that specification shares between
types can be compiled for each of them.

`resolve()` is supported as `resolve() is X`, which is decided from the reference itself (its type
segment, or `Reference.type`): search never fetches the target, see
https://hl7.org/fhir/R4/search.html#reference.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from fhirserver.definitions.model import Element
from fhirserver.fhirpath.errors import UnsupportedError
from fhirserver.fhirpath.model import Structures
from fhirserver.fhirpath.reference import type_of_reference
from fhirserver.fhirpath.route import Compute, Hop, Keep, Route
from fhirserver.fhirpath.syntax import (
    Binary,
    Call,
    Expression,
    Index,
    Literal,
    Member,
    This,
    TypeTest,
    Variable,
    parse,
)

_BACKBONES = frozenset({"BackboneElement", "Element"})

Values = Callable[[Any], list[Any]]


@dataclass(frozen=True, slots=True)
class Compiled:
    """An expression, ready to run on the JSON of the type it was compiled for."""

    expression: str
    routes: tuple[Route, ...]

    def evaluate(self, value: Any) -> list[Any]:
        """Return the values of all routes; a value reached by two routes is returned twice."""
        return [found for route in self.routes for found in route.values(value)]


def compile_expression(
    expression: str, type_: str, definitions: Structures, *, resource_type: str | None = None
) -> Compiled:
    """Compile `expression` for values of `type_` (a resource type, datatype or element path).

    `resource_type` is the type of `%resource` where `type_` is an element of it (parts of composite
    parameters); there it cannot stand, and raises `UnsupportedError`.
    """
    compiler = _Compiler(definitions, resource_type or type_)
    return Compiled(expression, compiler.routes(parse(expression), type_))


class _Compiler:
    def __init__(self, definitions: Structures, resource_type: str) -> None:
        self._definitions = definitions
        self._resource_type = resource_type

    def routes(self, node: Expression, context: str) -> tuple[Route, ...]:
        """Return the typed routes of `node` from a value of type `context`."""
        found: tuple[Route, ...]
        match node:
            case This():
                found = (Route((), context),)
            case Variable("resource" | "context") if context == self._resource_type:
                found = (Route((), context),)
            case Variable(name):
                raise UnsupportedError(f"%{name} can only stand for the value itself")
            case Member(This(), name) if name[:1].isupper():
                found = (Route((), context),) if self._is_a(context, name) else ()
            case Member(base, name):
                found = self._each(self.routes(base, context), lambda at: self._member(at, name))
            case Index(base, Literal(int(position))):
                found = self._each(self.routes(base, context), lambda at: _indexed(at, position))
            case TypeTest("as", base, type_, _):
                found = self._of_type(self.routes(base, context), type_)
            case Binary("|", left, right):
                found = (*self.routes(left, context), *self.routes(right, context))
            case Call(base, name, arguments) if name in _PATH_FUNCTIONS:
                found = self._call(self.routes(base, context), name, arguments)
            case _:
                found = (Route((Compute(repr(node), self.values(node, context)),), "boolean"),)
        return found

    def _call(
        self, routes: tuple[Route, ...], name: str, arguments: tuple[Expression, ...]
    ) -> tuple[Route, ...]:
        match name, arguments:
            case "as" | "ofType", (Member(This(), type_),):
                return self._of_type(routes, type_)
            case "where", (criterion,):
                return self._where(routes, criterion)
            case "first", ():
                return self._each(routes, lambda at: _indexed(at, 0))
            case "extension", (Literal(str(url)),):
                keep = Keep(f"url={url!r}", lambda value: bool(value.get("url") == url))
                found = self._each(routes, lambda at: self._member(at, "extension"))
                return tuple(_filtered(route, keep) for route in found)
        raise UnsupportedError(f"{name}() with these arguments is not supported")

    def values(self, node: Expression, context: str) -> Values:
        """Return a closure giving the values of `node` on a value of type `context`."""
        match node:
            case Literal(constant) if isinstance(constant, str | bool | int | Decimal):
                return lambda _: [constant]
            case Call(base, name, ()) if name in _TESTS:
                inner, test = self.values(base, context), _TESTS[name]
                return lambda value: test(inner(value))
            case Call(_, name) if name not in _PATH_FUNCTIONS:
                raise UnsupportedError(f"function {name}() is not supported")
            case TypeTest("is", base, type_, _):
                return self._type_test(base, type_, context)
            case Binary("=" | "!=" as sign, left, right):
                return _equality(sign, self.values(left, context), self.values(right, context))
            case Binary("and" | "or" as word, left, right):
                return _logic(word, self.values(left, context), self.values(right, context))
            case This() | Variable() | Member() | TypeTest("as") | Binary("|") | Call():
                pass
            case Index(_, Literal(int())):
                pass
            case _:
                raise UnsupportedError("this part of FHIRPath is not supported here")
        routes = self.routes(node, context)
        return lambda value: [found for route in routes for found in route.values(value)]

    def _type_test(self, base: Expression, type_: str, context: str) -> Values:
        if isinstance(base, Call) and base.name == "resolve" and not base.arguments:
            inner = self.values(base.base, context)
            return lambda value: [type_of_reference(found) == type_ for found in inner(value)]
        routes = self.routes(base, context)
        wanted = self._of_type(routes, type_)
        return lambda value: [route in wanted for route in routes for _ in route.values(value)]

    def _each(
        self, routes: tuple[Route, ...], step: Callable[[Route], tuple[Route, ...]]
    ) -> tuple[Route, ...]:
        return tuple(longer for route in routes for longer in step(route))

    def _member(self, at: Route, name: str) -> tuple[Route, ...]:
        element = self._element(at.type, name)
        is_list = element.is_list
        if element.content_reference is not None:
            return (Route((*at.steps, Hop(name, is_list)), element.content_reference),)
        return tuple(
            Route(
                (*at.steps, Hop(key, is_list)),
                element.path if element_type.code in _BACKBONES else element_type.code,
                element.binding,
            )
            for key, element_type in element.json_names()
        )

    def _element(self, type_: str, name: str) -> Element:
        try:
            structure = self._definitions.structure(type_.partition(".")[0])
        except KeyError:
            raise UnsupportedError(f"{type_} has no elements") from None
        if structure.kind == "primitive-type":
            # In JSON it lies beside the value, under a name of its own.
            raise UnsupportedError(
                f"what a {type_} carries besides its value is not supported here"
            )
        element = structure.element(f"{type_}.{name}")
        if element is None:
            raise UnsupportedError(f"{type_} has no element {name}")
        return element

    def _of_type(self, routes: tuple[Route, ...], type_: str) -> tuple[Route, ...]:
        # The specification writes as(DateTime) for dateTime in a few composites. A datatype is only
        # itself: a canonical is no uri here, which keeps parameters such as source-uri apart.
        wanted = (type_, type_[:1].lower() + type_[1:])
        return tuple(route for route in routes if route.type in wanted)

    def _is_a(self, type_: str, name: str) -> bool:
        at: str | None = type_
        while at is not None:
            if at == name:
                return True
            try:
                at = self._definitions.structure(at).base
            except KeyError:
                return False
        return False

    def _where(self, routes: tuple[Route, ...], criterion: Expression) -> tuple[Route, ...]:
        match criterion:
            case TypeTest("is", Call(This(), "resolve", ()), type_, _):
                text = f"resolve() is {type_}"
                keep = Keep(text, lambda value: type_of_reference(value) == type_, type_)
                return tuple(_filtered(route, keep) for route in routes)
        filtered: list[Route] = []
        for route in routes:
            test = self.values(criterion, route.type)
            keep = Keep(repr(criterion), _is_true(test))
            filtered.append(_filtered(route, keep))
        return tuple(filtered)


_PATH_FUNCTIONS = frozenset({"as", "ofType", "where", "extension", "first"})
_TESTS: dict[str, Values] = {
    "exists": lambda values: [bool(values)],
    "empty": lambda values: [not values],
    "not": lambda values: [not value for value in values],
}


def _is_true(test: Values) -> Callable[[Any], bool]:
    return lambda value: test(value) == [True]


def _filtered(route: Route, keep: Keep) -> Route:
    if not route.steps or not isinstance(route.steps[-1], Hop):
        raise UnsupportedError("only elements can be filtered")
    last = route.steps[-1]
    return replace(route, steps=(*route.steps[:-1], replace(last, keeps=(*last.keeps, keep))))


def _indexed(route: Route, position: int) -> tuple[Route, ...]:
    """Take one value. FHIRPath counts over the whole collection, so nothing before may repeat."""
    hops = [step for step in route.steps if isinstance(step, Hop)]
    if len(hops) != len(route.steps) or not hops or hops[-1].keeps or hops[-1].index is not None:
        raise UnsupportedError("only a plain element can be indexed")
    if any(hop.is_list and hop.index is None for hop in hops[:-1]):
        raise UnsupportedError("an element of a repeating element cannot be indexed")
    return (replace(route, steps=(*hops[:-1], replace(hops[-1], index=position))),)


def _equality(operator: str, left: Values, right: Values) -> Values:
    def run(value: Any) -> list[Any]:
        first, second = left(value), right(value)
        if not first or not second:
            return []
        same = len(first) == len(second) and all(map(_equal, first, second))
        return [same is (operator == "=")]

    return run


def _equal(left: Any, right: Any) -> bool:
    return isinstance(left, bool) is isinstance(right, bool) and bool(left == right)


def _logic(operator: str, left: Values, right: Values) -> Values:
    """Three-valued logic: an empty operand is unknown."""
    decisive = operator == "or"

    def run(value: Any) -> list[Any]:
        sides = (_truth(left(value)), _truth(right(value)))
        if decisive in sides:
            return [decisive]
        return [] if None in sides else [not decisive]

    return run


def _truth(values: list[Any]) -> bool | None:
    """A collection as an operand: empty is unknown, a single value that is not false is true."""
    return None if not values else values != [False]
