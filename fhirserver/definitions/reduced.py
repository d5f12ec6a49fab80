"""Definitions without their explanations: what is kept of a StructureDefinition in memory.

A published profile is mostly prose, once in its differential and again in its snapshot. Kept is
what it is, where it may be used, and the rules of its elements.
"""

from typing import Any

Json = dict[str, Any]

EXPLANATIONS = frozenset(
    {"text", "mapping", "contact", "publisher", "purpose", "copyright", "keyword", "useContext"}
)
KEPT_OF_ELEMENTS = frozenset(
    {"id", "path", "sliceName", "min", "max", "type", "slicing", "constraint", "binding"}
    | {"contentReference", "maxLength", "mustSupport", "isModifier", "representation", "short"}
)
VALUES = ("fixed", "pattern", "minValue", "maxValue")
CONSTRAINT = ("extension", "key", "severity", "human", "expression")


def reduced(resource: Json) -> Json:
    """Return a canonical resource without explanations; of a snapshot's differential nothing is kept."""
    kept = {name: value for name, value in resource.items() if name not in EXPLANATIONS}
    if resource.get("resourceType") != "StructureDefinition":
        return kept
    for part in ("snapshot", "differential"):
        if isinstance(kept.get(part), dict):
            kept[part] = {"element": reduced_elements(kept[part].get("element", []))}
    if kept.get("snapshot"):
        kept.pop("differential", None)
    return kept


def reduced_elements(rows: list[Json]) -> list[Json]:
    """Return ElementDefinitions with their rules alone."""
    return [_element(row) for row in rows]


def _element(row: Json) -> Json:
    kept = {
        name: value
        for name, value in row.items()
        if name in KEPT_OF_ELEMENTS or name.startswith(VALUES)
    }
    if "constraint" in kept:
        kept["constraint"] = [
            {name: one[name] for name in CONSTRAINT if name in one} for one in kept["constraint"]
        ]
    if "binding" in kept:
        kept["binding"] = {
            name: value for name, value in kept["binding"].items() if name != "description"
        }
    return kept
