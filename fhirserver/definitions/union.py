"""FHIRPath unions as far as definitions need them: the parts, and the type each part begins with.

A search parameter of several resource types is one union, `Patient.name | Practitioner.name`;
seen from one type only the parts about that type count.

Spec: https://hl7.org/fhir/R4/searchparameter.html
"""

import re

_HEAD = re.compile(r"\(*\s*([A-Za-z]+)")


def union_parts(expression: str) -> list[str]:
    """The operands of the outermost FHIRPath unions, in order, without surrounding blanks."""
    parts: list[str] = []
    depth = start = 0
    quoted = False
    for position, character in enumerate(expression):
        if character == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
        elif character == "|" and depth == 0:
            parts.append(expression[start:position].strip())
            start = position + 1
    parts.append(expression[start:].strip())
    return parts


def head(part: str) -> str:
    """The first name of an expression, "" when it begins with something else."""
    found = _HEAD.match(part)
    return found.group(1) if found is not None else ""
