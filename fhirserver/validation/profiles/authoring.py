"""Whether a canonical resource can be used: asked before it is stored or installed.

A profile that cannot be understood would pass everything, a search parameter without a readable
path would find nothing. Both are refused with the reason, instead of being silently useless.

Spec: https://hl7.org/fhir/R4/structuredefinition.html, https://hl7.org/fhir/R4/searchparameter.html
"""

from collections.abc import Iterator
from typing import Any

from fhirserver.definitions import Definitions
from fhirserver.definitions.custom_parameter import is_usable
from fhirserver.fhirpath import UnsupportedError, compile_path
from fhirserver.kernel.errors import Problem
from fhirserver.validation.profiles.compiled import CompiledProfiles
from fhirserver.validation.profiles.discriminator import NotDiscriminatingError, matcher
from fhirserver.validation.profiles.node import Node
from fhirserver.validation.profiles.slicing import slicing_of
from fhirserver.validation.profiles.snapshot import Snapshot, is_type, take_snapshot

Json = dict[str, Any]


def canonical_problems(resource: Json, definitions: Definitions) -> list[Problem]:
    """Return why a StructureDefinition or SearchParameter cannot be used; none for other types.

    `resource` is valid R4. What it builds upon must be among `definitions` already.
    """
    match resource.get("resourceType"):
        case "StructureDefinition":
            return list(_structure_problems(resource, definitions))
        case "SearchParameter":
            return list(_parameter_problems(resource, definitions))
        case _:
            return []


def _structure_problems(resource: Json, definitions: Definitions) -> Iterator[Problem]:
    root = "StructureDefinition"
    url = str(resource.get("url"))
    if is_type(url, definitions):
        yield _error("business-rule", f"{root}.url", "the definitions of FHIR R4 stay as they are")
        return
    if resource.get("derivation") != "constraint" or resource.get("kind") == "logical":
        yield _warning(
            "not-supported", root, "this server checks resources against profiles only; it is kept"
        )
        return
    with_own = definitions.extended((resource,), frozenset())
    snapshot = take_snapshot(resource, with_own)
    for id_, message in snapshot.faults:
        place = _element(resource, id_) if id_ else root
        yield _error("invalid", place, message)
    if not snapshot.faults:
        yield from _node_problems(snapshot, CompiledProfiles(with_own))


def _node_problems(snapshot: Snapshot, profiles: CompiledProfiles) -> Iterator[Problem]:
    for node in snapshot.root.nodes():
        place = _element(snapshot.definition, node.path)
        for constraint in node.constraints.values():
            try:
                compile_path(constraint.expression)
            except UnsupportedError as error:
                yield _error("invalid", place, f"{constraint.key}: {error}")
        yield from _slicing_problems(node, place, profiles)


def _slicing_problems(node: Node, place: str, profiles: CompiledProfiles) -> Iterator[Problem]:
    slicing = slicing_of(node)
    for one in node.slices.values():
        try:
            matcher(one, slicing.discriminators, profiles)
        except NotDiscriminatingError as error:
            message = f"{one.path}: {error}; what fits all of the slice will be taken for it"
            yield _warning("incomplete", place, message)


def _element(resource: Json, id_: str) -> str:
    part = "snapshot" if resource.get("snapshot") else "differential"
    return f"StructureDefinition.{part}.element.where(id='{id_}')"


def _parameter_problems(resource: Json, definitions: Definitions) -> Iterator[Problem]:
    root = "SearchParameter"
    if resource.get("status") == "retired" or not is_usable(resource):
        yield _warning("incomplete", root, "without status, type and expression it is only kept")
        return
    for index, base in enumerate(resource["base"]):
        place = f"{root}.base[{index}]"
        if base not in definitions.structure_names:
            yield _error("not-supported", place, f"{base} is no type of FHIR R4")
            continue
        yield from _conflict(resource, base, definitions)
        try:
            compile_path(resource["expression"])
        except UnsupportedError as error:
            yield _error("invalid", f"{root}.expression", str(error))
            return
    for index, component in enumerate(resource.get("component", ())):
        if definitions.canonical("SearchParameter", str(component.get("definition"))) is None:
            continue
        try:
            compile_path(str(component.get("expression")))
        except UnsupportedError as error:
            yield _error("invalid", f"{root}.component[{index}].expression", str(error))


def _conflict(resource: Json, base: str, definitions: Definitions) -> Iterator[Problem]:
    """A base parameter of the same code goes on to answer; only a refinement of it may share it."""
    if not definitions.is_resource_type(base):
        return
    own = definitions.base_parameters(base).get(resource["code"])
    if own is None or own.url == resource.get("url"):
        return
    derived = str(resource.get("derivedFrom", "")).partition("|")[0] == own.url
    message = f"{base} has a search parameter {own.code} of its own, {own.url}, which answers"
    if derived or own.expression == resource["expression"]:
        yield _warning("duplicate", "SearchParameter.code", message)
    else:
        yield _error("duplicate", "SearchParameter.code", message)


def _error(code: str, expression: str, message: str) -> Problem:
    return Problem("error", code, expression, message)


def _warning(code: str, expression: str, message: str) -> Problem:
    return Problem("warning", code, expression, message)
