"""One ElementDefinition laid on a node: each rule it states narrows what was there before.

Spec: https://hl7.org/fhir/R4/elementdefinition.html
"""

from collections.abc import Iterator
from typing import Any, cast

from fhirserver.definitions import Constraint
from fhirserver.validation.profiles.node import (
    CodeBinding,
    Discriminator,
    Node,
    Rules,
    Slicing,
    TypeRule,
    Value,
)

Json = dict[str, Any]

MAX_VALUE_SET = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet"
BEST_PRACTICE = "http://hl7.org/fhir/StructureDefinition/elementdefinition-bestpractice"
FHIR_TYPE = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type"
SYSTEM_TYPE = "http://hl7.org/fhirpath/System."

DISCRIMINATORS = frozenset({"value", "exists", "pattern", "type", "profile"})
RULES = frozenset({"closed", "open", "openAtEnd"})


def constrain(node: Node, row: Json) -> Iterator[str]:
    """Let `node` demand what `row` says; yields what could not be understood."""
    yield from _cardinality(node, row)
    if isinstance(row.get("type"), list) and node.element is not None:
        types = tuple(_types(row["type"]))
        if types:
            node.types = types
    _values(node, row)
    length = row.get("maxLength")
    if isinstance(length, int):
        node.max_length = length if node.max_length is None else min(length, node.max_length)
    if isinstance(row.get("binding"), dict):
        node.binding = _binding(row["binding"], node.binding)
    for one in row.get("constraint", ()):
        constraint = _constraint(one)
        if constraint is not None:
            node.constraints[constraint.key] = constraint
    if isinstance(row.get("slicing"), dict):
        yield from _slicing(node, row["slicing"])


def _values(node: Node, row: Json) -> None:
    for name, value in row.items():
        if name.startswith("fixed"):
            node.fixed = Value(name, value)
        elif name.startswith("pattern"):
            node.pattern = Value(name, value)
        elif name.startswith("minValue"):
            node.least = Value(name, value)
        elif name.startswith("maxValue"):
            node.most = Value(name, value)


def _cardinality(node: Node, row: Json) -> Iterator[str]:
    least, most = row.get("min"), row.get("max")
    if isinstance(least, int):
        node.min = least if node.min is None else max(least, node.min)
    if isinstance(most, str) and most != "*":
        if not (most.isascii() and most.isdigit() and len(most) < 10):
            yield "max is a whole number or *"
            return
        node.max = int(most) if node.max is None else min(int(most), node.max)
    if node.min is not None and node.max is not None and node.min > node.max:
        yield f"min {node.min} is above max {node.max}"


def _types(rows: list[Any]) -> Iterator[TypeRule]:
    for row in rows:
        code = str(row.get("code"))
        if code.startswith(SYSTEM_TYPE):
            code = _fhir_type(row) or code.removeprefix(SYSTEM_TYPE).lower()
        yield TypeRule(code, tuple(row.get("profile", ())), tuple(row.get("targetProfile", ())))


def _fhir_type(row: Json) -> str | None:
    for one in row.get("extension", ()):
        if one.get("url") == FHIR_TYPE:
            return str(one.get("valueUrl", one.get("valueUri", "string")))
    return None


def _binding(row: Json, before: CodeBinding | None) -> CodeBinding:
    most = before.most if before is not None else None
    for one in row.get("extension", ()):
        if one.get("url") == MAX_VALUE_SET:
            most = one.get("valueCanonical", one.get("valueUri"))
    return CodeBinding(str(row.get("strength", "example")), row.get("valueSet"), most)


def _constraint(row: Json) -> Constraint | None:
    expression = row.get("expression")
    if not isinstance(expression, str):
        return None
    advice = any(
        one.get("url") == BEST_PRACTICE and one.get("valueBoolean") is True
        for one in row.get("extension", ())
    )
    severity = row.get("severity")
    return Constraint(
        str(row.get("key")),
        "warning" if advice or severity == "warning" else "error",
        str(row.get("human")),
        expression,
    )


def _slicing(node: Node, row: Json) -> Iterator[str]:
    discriminators = []
    for one in row.get("discriminator", ()):
        kind, path = one.get("type"), one.get("path")
        if kind not in DISCRIMINATORS or not isinstance(path, str):
            yield "a discriminator has a type and a path"
            continue
        discriminators.append(Discriminator(kind, path))
    rules = row.get("rules", "open")
    if rules not in RULES:
        yield "slicing.rules is closed, open or openAtEnd"
        rules = "open"
    node.slicing = Slicing(
        tuple(discriminators), ordered=row.get("ordered") is True, rules=cast("Rules", rules)
    )
