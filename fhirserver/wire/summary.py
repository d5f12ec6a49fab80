"""A resource with only the parts the caller asked for: `_summary` and `_elements`.

What is mandatory or changes the meaning of the rest stays, so that nobody reads less than a whole
statement. A resource from which anything was left out says so by the tag SUBSETTED, and must not be
used to update the original.

Spec: https://hl7.org/fhir/R4/search.html#summary, https://hl7.org/fhir/R4/search.html#elements
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from fhirserver.definitions import Element, load

Json = dict[str, Any]

SUMMARIES: Final = frozenset({"true", "text", "data", "count", "false"})

SUBSETTED: Final[Mapping[str, str]] = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
    "display": "Resource encoded in summary mode",
}

_ALWAYS: Final = frozenset({"id", "meta"})


def shaped(resource: Json, summary: str | None, elements: Sequence[str] = ()) -> Json:
    """Return `resource` reduced to what was asked for; `resource` itself is not changed.

    `summary` is a value of `_summary`, None without one; ``count`` leaves whole resources, there
    are none to show then. `elements` are names as `_elements` lists them: ``name`` for every type,
    ``Patient.name`` for one.
    """
    type_ = resource.get("resourceType")
    if not isinstance(type_, str) or not load().is_resource_type(type_):
        return resource
    if summary == "true":
        kept = _summarized(resource, type_, type_)
    elif summary == "text":
        kept = _picked(resource, type_, frozenset({"text"}), modifiers=False)
    elif summary == "data":
        kept = {name: value for name, value in resource.items() if name not in ("text", "_text")}
    elif elements:
        names = _roots(type_, elements)
        if names is None:
            return resource
        kept = _picked(resource, type_, names, modifiers=True)
    else:
        return resource
    return _tagged(kept) if kept != resource else resource


def unknown_elements(resource_type: str, elements: Sequence[str]) -> list[str]:
    """Return the names of `elements` that `resource_type` does not have.

    A name prefixed by another type is looked up there.
    """
    return [name for name in elements if not _exists(resource_type, name)]


def _exists(resource_type: str, name: str) -> bool:
    type_, path = _split(resource_type, name)
    if not load().is_resource_type(type_):
        return False
    known = _names(type_)
    return path.partition(".")[0] in known


def _split(resource_type: str, name: str) -> tuple[str, str]:
    first, dot, rest = name.partition(".")
    return (first, rest) if dot and first[:1].isupper() else (resource_type, name)


def _roots(resource_type: str, elements: Sequence[str]) -> frozenset[str] | None:
    """Return the top-level elements wanted of a type, None when only other types are named."""
    split = [_split(resource_type, name) for name in elements]
    mine = [path for type_, path in split if type_ == resource_type]
    return frozenset(path.partition(".")[0].removesuffix("[x]") for path in mine) if mine else None


@cache
def _names(structure: str) -> dict[str, Element]:
    """Return the top-level elements by every name they may be called: choice, and each JSON name."""
    found: dict[str, Element] = {}
    for element in load().structure(structure).elements:
        found[element.name] = element
        found.update(dict.fromkeys((name for name, _ in element.json_names()), element))
        if element.is_choice:
            found[element.name + "[x]"] = element
    return found


def _picked(resource: Json, type_: str, names: frozenset[str], *, modifiers: bool) -> Json:
    known = _names(type_)

    def wanted(name: str) -> bool:
        element = known.get(name.removeprefix("_"))
        if element is None:
            return name == "resourceType"
        return (
            element.name in _ALWAYS
            or element.name in names
            or name in names
            or element.min > 0
            or (modifiers and element.is_modifier)
        )

    return {name: value for name, value in resource.items() if wanted(name)}


@cache
def _inside(structure: str, path: str) -> dict[str, tuple[Element, str]]:
    """Return the elements at `path` by JSON name, each with its type."""
    found = load().structure(structure)
    if path == structure:
        elements = found.elements
    else:
        parent = found.element(path)
        elements = found.children(parent) if parent is not None else ()
    rows: dict[str, tuple[Element, str]] = {}
    for element in elements:
        if not element.types:
            rows[element.name] = (element, "")
        for name, element_type in element.json_names():
            rows[name] = (element, element_type.code)
    return rows


def _summarized(value: Json, structure: str, path: str) -> Json:
    rows = _inside(structure, path)
    kept: Json = {}
    for name, content in value.items():
        row = rows.get(name.removeprefix("_"))
        if row is None:
            if name == "resourceType":
                kept[name] = content
            continue
        element, type_ = row
        if element.is_summary or element.min > 0 or (name == "id" and path != structure):
            reduced = _reduced(content, structure, element, type_)
            if reduced not in ({}, []):
                kept[name] = reduced
    return kept


def _reduced(content: Any, structure: str, element: Element, type_: str) -> Any:
    if isinstance(content, list):
        return [_reduced(one, structure, element, type_) for one in content]
    if not isinstance(content, dict):
        return content
    if load().structure(structure).children(element):
        reduced = _summarized(content, structure, element.content_reference or element.path)
    elif type_ and load().structure(type_).kind == "complex-type":
        reduced = _summarized(content, type_, type_)
    elif "resourceType" in content:
        reduced = shaped(content, "true")
    else:
        return content
    # A part of which the summary keeps nothing is kept whole: an empty object is no FHIR.
    return reduced or content


def _tagged(resource: Json) -> Json:
    meta = resource.get("meta")
    meta = dict(meta) if isinstance(meta, dict) else {}
    tags = meta.get("tag")
    kept = tags if isinstance(tags, list) else []
    meta["tag"] = [*(one for one in kept if one != SUBSETTED), dict(SUBSETTED)]
    out: Json = {}
    for name in ("resourceType", "id"):
        if name in resource:
            out[name] = resource[name]
    out["meta"] = meta
    out.update({name: value for name, value in resource.items() if name not in out})
    return out
