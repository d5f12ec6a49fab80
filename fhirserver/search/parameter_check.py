"""Whether a SearchParameter that is about to be stored can be searched by here.

Spec: https://hl7.org/fhir/R4/searchparameter.html
"""

from collections.abc import Iterator
from typing import Any, Final

from fhirserver.definitions.custom_parameter import expression_for
from fhirserver.fhirpath import (
    FhirPathError,
    Route,
    UnsupportedError,
    check_path,
    compile_expression,
    compile_path,
)
from fhirserver.kernel.errors import Problem
from fhirserver.kernel.resource import Json
from fhirserver.search.emitters import SearchDefinitions, has_meaning, is_readable
from fhirserver.search.query import RESULT_PARAMETERS

MAX_CODE_LENGTH: Final = 64
MAX_EXPRESSION_LENGTH: Final = 4000

_KINDS: Final = (
    "number", "date", "string", "token", "reference", "composite", "quantity", "uri",
)  # fmt: skip
_ABSTRACT: Final = frozenset({"Resource", "DomainResource"})
_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
_RESERVED: Final = frozenset({*RESULT_PARAMETERS, "_has", "_filter", "_type", "_list", "_query"})


def check_parameter(resource: Json, definitions: SearchDefinitions) -> list[Problem]:
    """Return everything that keeps the SearchParameter from being used; none when it can be.

    `resource` is structurally valid. A retired one, or one without an expression, is only stored
    and has no problems. Composite components must name parameters that are known for the type.
    """
    if resource.get("status") == "retired" or not isinstance(resource.get("expression"), str):
        return []
    return list(_problems(resource, definitions))


def _problems(resource: Json, definitions: SearchDefinitions) -> Iterator[Problem]:
    yield from _code_problems(str(resource.get("code", "")))
    kind, expression = resource.get("type"), resource["expression"]
    if kind not in _KINDS:
        yield _problem("type", f"a search parameter of type {kind} cannot be used here")
        return
    if len(expression) > MAX_EXPRESSION_LENGTH:
        yield _problem("expression", f"longer than {MAX_EXPRESSION_LENGTH} characters")
        return
    for base in resource.get("base", ()):
        if base not in _ABSTRACT and base not in definitions.resource_types:
            yield _problem("base", f"{base} is no resource type")
            continue
        known = definitions.indexed_parameters(base) if base not in _ABSTRACT else {}
        same = known.get(str(resource.get("code")))
        if same is not None and same.url != resource.get("url"):
            yield _problem("code", f"{base} already has a search parameter of this code")
        own = expression_for(expression, base)
        if kind == "composite":
            yield from _composite_problems(resource, base, own, definitions)
        else:
            yield from _expression_problems(kind, base, own, definitions)


def _code_problems(code: str) -> Iterator[Problem]:
    if not 0 < len(code) <= MAX_CODE_LENGTH or not set(code) <= _LETTERS or not code[:1].isalpha():
        yield _problem(
            "code",
            f"expected a letter and up to {MAX_CODE_LENGTH - 1} letters, digits, - or _",
        )
    if code in _RESERVED:
        yield _problem("code", f"{code} has a meaning of its own in searches")


def _expression_problems(
    kind: Any, base: str, expression: str, definitions: SearchDefinitions
) -> Iterator[Problem]:
    try:
        routes = _routes(expression, base, definitions)
    except FhirPathError as fault:
        yield _problem("expression", f"cannot be used for {base}: {fault}")
        return
    if routes is None:
        return
    readable = [route for route in routes if is_readable(kind, route.type)]
    if not readable:
        found = ", ".join(sorted({route.type for route in routes})) or "nothing"
        yield _problem(
            "expression", f"finds {found} in {base}, which a parameter of type {kind} cannot hold"
        )
    for route in routes:
        if not is_readable(kind, route.type) and has_meaning(kind, route.type):
            yield Problem(
                "warning",
                "processing",
                "SearchParameter.expression",
                f"values of type {route.type} are not searched by a parameter of type {kind}",
            )


def _routes(
    expression: str, type_: str, definitions: SearchDefinitions, resource_type: str | None = None
) -> tuple[Route, ...] | None:
    """Return what the expression finds; None where only a resource can tell."""
    try:
        compiled = compile_expression(expression, type_, definitions, resource_type=resource_type)
    except UnsupportedError:
        compile_path(expression)
        check_path(expression, type_, definitions)
        return None
    return compiled.routes


def _composite_problems(
    resource: Json, base: str, expression: str, definitions: SearchDefinitions
) -> Iterator[Problem]:
    try:
        elements = compile_expression(expression, base, definitions).routes
    except FhirPathError as fault:
        yield _problem("expression", f"cannot be used for {base}: {fault}")
        return
    components = resource.get("component", ())
    if len(components) < 2:
        yield _problem("component", "a composite has two components or more")
    known = {one.url: one for one in definitions.indexed_parameters(base).values()}
    for index, component in enumerate(components):
        place = f"component[{index}]"
        part = known.get(str(component.get("definition")).partition("|")[0])
        if part is None:
            yield _problem(f"{place}.definition", f"no search parameter of {base}")
            continue
        for element in elements:
            try:
                routes = _routes(component["expression"], element.type, definitions, base)
            except FhirPathError as fault:
                yield _problem(f"{place}.expression", f"cannot be used: {fault}")
                continue
            if routes is not None and not any(
                is_readable(part.type, route.type) for route in routes
            ):
                yield _problem(f"{place}.expression", f"finds nothing that a {part.type} can hold")


def _problem(element: str, message: str) -> Problem:
    return Problem("error", "not-supported", f"SearchParameter.{element}", message)
