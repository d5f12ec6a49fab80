"""What FHIR adds to FHIRPath, and the functions that ask the surroundings.

Spec: https://hl7.org/fhir/R4/fhirpath.html#functions, https://hl7.org/fhirpath/N1/#utility-functions
"""

from typing import Any, Final

from fhirserver.fhirpath.errors import EvaluationError
from fhirserver.fhirpath.functions.signature import Signature, on_values
from fhirserver.fhirpath.narrative import fault_of
from fhirserver.fhirpath.node import Node
from fhirserver.fhirpath.reference import parse_reference
from fhirserver.fhirpath.scope import Items, Run, Scope
from fhirserver.fhirpath.temporal import instant_of, temporal
from fhirserver.fhirpath.values import plain, text, to_json, truth, type_of


def _extension(scope: Scope, items: Items, url: Items) -> Items:
    wanted = text(url, "extension()")
    if wanted is None:
        return []
    found: Items = []
    for item in items:
        if type(item) is Node:
            for one in item.child(scope.run.model, "extension"):
                if type(one.value) is dict and one.value.get("url") == wanted:
                    found.append(one)
    return scope.run.bounded(found)


def _resolve(scope: Scope, items: Items) -> Items:
    found: Items = []
    for item in items:
        target = target_of(item, scope.run)
        if target is not None:
            found.append(target)
    return scope.run.bounded(found)


def target_of(item: Any, run: Run) -> Node | None:
    """Return the resource a Reference, canonical or uri points to, None if it is not at hand."""
    reference = item.value if type(item) is Node else item
    if type(reference) is dict:
        reference = reference.get("reference")
    if type(reference) is not str or not reference:
        return None
    if type(item) is Node:
        found = _nearby(item, reference, run)
        if found is not None or reference.startswith("#"):
            return found
    resource = run.resolve(reference) if run.resolve is not None else None
    if resource is None:
        return None
    return Node(resource, str(resource.get("resourceType", "Resource")))


def _nearby(item: Node, reference: str, run: Run) -> Node | None:
    """The target where it is contained, the root itself, or an entry of the same Bundle."""
    container = item.root_resource()
    if run.root is not None and not _is_resource(container):
        container = run.root.root_resource()
    if reference.startswith("#"):
        if reference == "#":
            return container
        return _with_id(container.child(run.model, "contained"), reference[1:], run)
    parsed = parse_reference(reference)
    at: Node | None = container
    while at is not None:
        if at.type == "Bundle":
            for entry in at.child(run.model, "entry"):
                run.spend(1)
                if _is_entry(entry.value, reference, parsed.text if parsed else reference):
                    return next(iter(entry.child(run.model, "resource")), None)
        at = at.parent
    return None


def _is_resource(node: Node) -> bool:
    return type(node.value) is dict and "resourceType" in node.value


def _is_entry(entry: Any, reference: str, relative: str) -> bool:
    url = entry.get("fullUrl") if type(entry) is dict else None
    return type(url) is str and (url in (reference, relative) or url.endswith("/" + relative))


def _with_id(nodes: list[Node], id_: str, run: Run) -> Node | None:
    run.spend(len(nodes))
    for node in nodes:
        if type(node.value) is dict and node.value.get("id") == id_:
            return node
    return None


def _member_of(scope: Scope, items: Items, value_set: Items) -> Items:
    url = text(value_set, "memberOf()")
    if url is None or not items:
        return []
    if len(items) > 1:
        raise EvaluationError(f"memberOf() takes one item, there are {len(items)}")
    terminology = scope.run.environment.terminology
    try:
        members = terminology.members(url) if terminology is not None else None
    except ValueError as error:
        raise EvaluationError(f"memberOf() cannot use {url[:200]}: {error}") from error
    if members is None:
        raise EvaluationError(f"memberOf() needs the value set {url[:200]}, which is not loaded")
    value = to_json(items[0])
    if type(value) is str:
        return [members.contains(None, value)]
    if type(value) is not dict:
        return []
    codings = value.get("coding", [value] if "code" in value else [])
    return [
        any(
            type(one) is dict
            and type(one.get("code")) is str
            and members.contains(one.get("system"), one["code"])
            for one in (codings if type(codings) is list else [])
        )
    ]


def _subsumption(name: str, accepted: tuple[str, str]) -> Signature:
    def call(scope: Scope, items: Items, other: Items) -> Items:
        relation = scope.run.environment.subsumption
        one, two = _codings(items), _codings(other)
        if not one or not two:
            return []
        if relation is None:
            raise EvaluationError(f"{name} needs code systems")
        return [
            any(
                system == against and relation(system, code, second) in accepted
                for system, code in one
                for against, second in two
            )
        ]

    return on_values(call, 1)


def _codings(items: Items) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for item in items:
        value = to_json(item)
        if type(value) is not dict:
            raise EvaluationError("subsumption is between Codings or CodeableConcepts")
        codings = value.get("coding", [value])
        found += [
            (one["system"], one["code"])
            for one in (codings if type(codings) is list else [])
            if type(one) is dict and type(one.get("system")) is type(one.get("code")) is str
        ]
    return found


def _conforms_to(scope: Scope, items: Items, profile: Items) -> Items:
    url = text(profile, "conformsTo()")
    if url is None or not items:
        return []
    conforms = scope.run.environment.conforms
    if len(items) > 1 or conforms is None:
        raise EvaluationError("conformsTo() takes one resource, where profiles are known")
    found = conforms(to_json(items[0]), url)
    if found is None:
        raise EvaluationError(f"conformsTo() does not know the profile {url[:200]}")
    return [found]


def _html_checks(_scope: Scope, items: Items) -> Items:
    return [all(fault_of(plain(item)) is None for item in items)] if items else []


def _now(scope: Scope, _items: Items) -> Items:
    moment = scope.run.environment.now
    if moment is None:
        raise EvaluationError("now() is not available here: no time is given")
    return [instant_of(moment)]


def _today(scope: Scope, items: Items) -> Items:
    return [temporal("date", _now(scope, items)[0].fields[:3])]


def _time_of_day(scope: Scope, items: Items) -> Items:
    return [temporal("time", _now(scope, items)[0].fields[3:])]


def _not(_scope: Scope, items: Items) -> Items:
    value = truth(items, "not()")
    return [] if value is None else [not value]


FUNCTIONS: Final[dict[str, Signature]] = {
    "extension": on_values(_extension, 1),
    "resolve": on_values(_resolve),
    "memberOf": on_values(_member_of, 1),
    "subsumes": _subsumption("subsumes()", ("subsumes", "equivalent")),
    "subsumedBy": _subsumption("subsumedBy()", ("subsumed-by", "equivalent")),
    "conformsTo": on_values(_conforms_to, 1),
    "htmlChecks": on_values(_html_checks),
    "now": on_values(_now),
    "today": on_values(_today),
    "timeOfDay": on_values(_time_of_day),
    "not": on_values(_not),
    "type": on_values(lambda _scope, items: [type_of(item) for item in items]),
}
