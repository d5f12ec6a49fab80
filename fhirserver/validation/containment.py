"""Resources within resources: contained ones, Bundle entries, Parameters.

A contained resource has no life of its own: it contains nothing, has no version and no security
label, and something in its container refers to it. Bundle entries and parameters hold full
resources, each with its own `contained`.

Spec: https://hl7.org/fhir/R4/references.html#contained (rules dom-2 to dom-5, ref-1)
"""

from functools import cache
from typing import Any

from fhirserver.definitions import load
from fhirserver.validation.acceptance import Acceptors
from fhirserver.validation.findings import (
    Check,
    Finding,
    Findings,
    Json,
    fault,
    under,
    wrong_type,
)
from fhirserver.validation.structure import compile_structure, quickly


@cache
def acceptors() -> Acceptors:
    """The functions that recognise valid resources quickly."""
    return Acceptors(nested_check)


@cache
def structure_check(name: str) -> Check:
    """The check of a structure, compiled at first use. KeyError for an unknown name."""
    return compile_structure(name, nested_check, acceptors().backbone)


def nested_check(what: str) -> Check:
    """Return the check of an element's value.

    `what` is a datatype, or the path of an element that holds a whole resource.
    """
    if "." not in what:
        return quickly(acceptors().datatype(what), structure_check(what))
    if what.endswith(".contained"):
        return _check_contained
    return check_resource


def check_resource(value: Any, _parent: object) -> Findings:
    """Findings for a resource that stands on its own, its contained resources included."""
    if type(value) is not dict:
        return wrong_type("a resource (an object)", value)
    found = _check_type(value)
    contained = value.get("contained")
    if type(contained) is not list:
        return found
    found = _resolve(value, contained, found or [])
    return found or None


def _check_type(value: Json) -> Findings:
    name = value.get("resourceType")
    if not isinstance(name, str):
        return fault("structure", "resourceType is required, and is a string", ".resourceType")
    if not load().is_resource_type(name):
        return fault("structure", "not a FHIR R4 resource type", ".resourceType")
    return structure_check(name)(value, None)


def _check_contained(value: Any, _parent: object) -> Findings:
    if type(value) is not dict:
        return wrong_type("a resource (an object)", value)
    found = _check_type(value) or []
    if "contained" in value:
        found += fault("invariant", "dom-2: a contained resource contains no others", ".contained")
    meta = value.get("meta")
    if isinstance(meta, dict):
        for name in ("versionId", "lastUpdated"):
            if name in meta:
                message = "dom-4: a contained resource has no version of its own"
                found += fault("invariant", message, f".meta.{name}")
        if "security" in meta:
            message = "dom-5: a contained resource has no security label of its own"
            found += fault("invariant", message, ".meta.security")
    return found or None


def _resolve(value: Json, contained: list[Any], found: list[Finding]) -> list[Finding]:
    """Drops the findings of local references that do resolve, and finds what nobody refers to."""
    ids = {one.get("id") for one in contained if isinstance(one, dict)}
    kept = [one for one in found if one.local is None or one.local not in ids]
    mentioned = _local_mentions(value)
    for index, one in enumerate(contained):
        if not isinstance(one, dict) or one.get("id") in mentioned:
            continue
        if "" not in _local_mentions(one):
            message = "dom-3: nothing in this resource refers to the contained one"
            kept += under(f".contained[{index}]", fault("invariant", message))
    return kept


def _local_mentions(value: object) -> set[str]:
    """The ids (empty for the container itself) that local references anywhere below name."""
    found: set[str] = set()
    pending = [value]
    while pending:
        one = pending.pop()
        for child in one.values() if type(one) is dict else one if type(one) is list else ():
            if type(child) is str:
                if child[:1] == "#":
                    found.add(child[1:])
            elif type(child) is dict or type(child) is list:
                pending.append(child)
    return found
