"""The compiler of the engine: a syntax tree to one closure that evaluates it.

Unlike search expressions (`fhirserver.fhirpath.compiler`), nothing about types is decided here:
a value says its own type when it is reached, so one compiled path serves every resource type.
"""

from typing import Any

from fhirserver.fhirpath.errors import EvaluationError, UnsupportedError
from fhirserver.fhirpath.functions import FUNCTIONS
from fhirserver.fhirpath.functions.fhir import target_of
from fhirserver.fhirpath.node import Node
from fhirserver.fhirpath.operators import OPERATORS, logical, negative, positive
from fhirserver.fhirpath.quantity import UCUM
from fhirserver.fhirpath.reference import type_of_reference
from fhirserver.fhirpath.scope import Eval, Items, Run, Scope
from fhirserver.fhirpath.syntax import (
    Binary,
    Call,
    Expression,
    Index,
    Iteration,
    Literal,
    Member,
    This,
    TypeTest,
    Unary,
    Variable,
)
from fhirserver.fhirpath.values import TypeInfo, integer, type_of

CONSTANTS = {
    "ucum": UCUM,
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
}
PREFIXES = {
    "vs-": "http://hl7.org/fhir/ValueSet/",
    "ext-": "http://hl7.org/fhir/StructureDefinition/",
}
NAMESPACES = (None, "FHIR", "System")


def compile_tree(node: Expression) -> Eval:
    """Return the closure of `node`. `UnsupportedError` for unknown functions and operators."""
    found: Eval
    match node:
        case This():
            found = _this
        case Iteration(name):
            found = _index if name == "index" else _total
        case Variable(name):
            found = _variable(name)
        case Literal(value):
            found = _constant(value)
        case Member(This(), name) if name[:1].isupper():
            found = _root_or_member(name)
        case Member(base, name):
            found = _member(compile_tree(base), name)
        case Index(base, position):
            found = _indexed(compile_tree(base), compile_tree(position))
        case TypeTest(operator, base, name, namespace):
            found = _type_test(operator, base, name, namespace)
        case Unary(operator, operand):
            found = _signed(operator, compile_tree(operand))
        case Binary(operator, left, right):
            found = _binary(operator, compile_tree(left), compile_tree(right))
        case Call(base, name, arguments):
            found = _call(base, name, arguments)
    return found


def type_specifier(node: Expression) -> tuple[str | None, str]:
    """Namespace and name of a type given as an argument. `UnsupportedError` if it is none."""
    match node:
        case Member(This(), name):
            return None, name
        case Member(Member(This(), namespace), name) if namespace in NAMESPACES:
            return namespace, name
    raise UnsupportedError("a type is expected here, such as Quantity or System.String")


def _this(scope: Scope) -> Items:
    return scope.this


def _index(scope: Scope) -> Items:
    return [] if scope.index is None else [scope.index]


def _total(scope: Scope) -> Items:
    return scope.total or []


def _constant(value: Any) -> Eval:
    items = [] if value is None else [value]
    return lambda _scope: items


def _variable(name: str) -> Eval:
    if name == "context":
        return lambda scope: scope.run.context
    if name == "resource":
        return lambda scope: _standing(scope.run, Node.resource)
    if name == "rootResource":
        return lambda scope: _standing(scope.run, Node.root_resource)
    if name in CONSTANTS:
        return _constant(CONSTANTS[name])
    for prefix, base in PREFIXES.items():
        if name.startswith(prefix):
            return _constant(base + name.removeprefix(prefix))
    return lambda scope: _given(scope.run, name)


def _standing(run: Run, find: Any) -> Items:
    if run.root is not None:
        return [run.root]
    return [find(one) for one in run.context[:1] if type(one) is Node]


def _given(run: Run, name: str) -> Items:
    variables = run.environment.variables
    if name not in variables:
        raise EvaluationError(f"there is no variable %{name[:40]}")
    value = variables[name]
    return [_item(one) for one in value] if isinstance(value, list) else [_item(value)]


def _item(value: Any) -> Any:
    if isinstance(value, dict):
        return Node(value, str(value.get("resourceType", "Element")))
    return value


def _member(base: Eval, name: str) -> Eval:
    def run_member(scope: Scope) -> Items:
        run = scope.run
        model = run.model
        found: Items = []
        for item in base(scope):
            if type(item) is Node:
                found += item.child(model, name)
            elif type(item) is TypeInfo and name in item._fields:
                found.append(getattr(item, name))
        return run.bounded(found)

    return run_member


def _root_or_member(name: str) -> Eval:
    """A leading type name stands for the value itself, where it is of that type."""
    member = _member(_this, name)

    def run_root(scope: Scope) -> Items:
        model = scope.run.model
        found = [item for item in scope.this if type(item) is Node and model.is_a(item.type, name)]
        return found or member(scope)

    return run_root


def _indexed(base: Eval, position: Eval) -> Eval:
    def run_indexed(scope: Scope) -> Items:
        at = integer(position(scope), "an index")
        return [] if at is None or at < 0 else base(scope)[at : at + 1]

    return run_indexed


def _signed(operator: str, operand: Eval) -> Eval:
    apply = negative if operator == "-" else positive
    return lambda scope: apply(operand(scope))


def _binary(operator: str, left: Eval, right: Eval) -> Eval:
    if operator not in OPERATORS:
        return logical(operator, left, right)
    apply = OPERATORS[operator]

    def run_binary(scope: Scope) -> Items:
        return apply(left(scope), right(scope), scope.run)

    return run_binary


def _is(item: Any, namespace: str | None, name: str, run: Run) -> bool:
    if type(item) is Node:
        return namespace != "System" and run.model.is_a(item.type, name)
    return namespace != "FHIR" and type_of(item).name == name


def _type_test(operator: str, base: Expression, name: str, namespace: str | None) -> Eval:
    if namespace not in NAMESPACES:
        raise UnsupportedError(f"unknown type namespace {namespace[:40]!r}")
    if operator == "is":
        if isinstance(base, Call) and base.name == "resolve" and not base.arguments:
            return _target_is(compile_tree(base.base), namespace, name)
        inner = compile_tree(base)

        def run_is(scope: Scope) -> Items:
            items = inner(scope)
            if len(items) > 1:
                raise EvaluationError(f"is takes one item, there are {len(items)}")
            return [_is(item, namespace, name, scope.run) for item in items]

        return run_is
    filtered = compile_tree(base)
    # R4's own invariants use `as` on collections, which later became an error: all are kept.
    return lambda scope: [item for item in filtered(scope) if _is(item, namespace, name, scope.run)]


def _target_is(references: Eval, namespace: str | None, name: str) -> Eval:
    """``resolve() is X``, decided from the reference itself where the target is not at hand."""

    def run_target_is(scope: Scope) -> Items:
        items = references(scope)
        if len(items) > 1:
            raise EvaluationError(f"is takes one item, there are {len(items)}")
        found: Items = []
        for item in items:
            target = target_of(item, scope.run)
            if target is not None:
                found.append(_is(target, namespace, name, scope.run))
                continue
            stated = type_of_reference(item.value if type(item) is Node else item)
            if stated is not None:
                found.append(scope.run.model.is_a(stated, name))
        return found

    return run_target_is


def _call(base: Expression, name: str, arguments: tuple[Expression, ...]) -> Eval:
    if name in ("is", "as", "ofType"):
        if len(arguments) != 1:
            raise UnsupportedError(f"{name}() takes one type")
        namespace, type_ = type_specifier(arguments[0])
        return _type_test(name, base, type_, namespace)
    signature = FUNCTIONS.get(name)
    if signature is None:
        raise UnsupportedError(f"there is no function {name[:40]}()")
    if not signature.least <= len(arguments) <= signature.most:
        wanted = " to ".join(map(str, sorted({signature.least, signature.most})))
        raise UnsupportedError(f"{name}() takes {wanted} arguments, not {len(arguments)}")
    focus = compile_tree(base)
    compiled = tuple(compile_tree(one) for one in arguments)
    run = signature.run
    if signature.kind == "expressions":

        def call_with_expressions(scope: Scope) -> Items:
            scope.run.spend(1)
            return run(scope, focus(scope), *compiled)

        return call_with_expressions
    if not compiled:

        def call(scope: Scope) -> Items:
            scope.run.spend(1)
            return run(scope, focus(scope))

        return call

    def call_with_values(scope: Scope) -> Items:
        scope.run.spend(1)
        return run(scope, focus(scope), *(one(scope) for one in compiled))

    return call_with_values
