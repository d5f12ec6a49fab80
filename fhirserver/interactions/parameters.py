"""Parameters resources as operations answer with them.

Spec: https://hl7.org/fhir/R4/parameters.html
"""

from collections.abc import Sequence

from fhirserver.kernel.resource import Json

# Name, element (``valueCode``) and value.
Row = tuple[str, str, object]


def parameters(*rows: Row) -> Json:
    """Return a Parameters resource of (name, value[x] element, value) rows."""
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": name, element: value} for name, element, value in rows],
    }


def groups(name: str, rows: Sequence[Sequence[Row]]) -> Json:
    """Return a Parameters resource with one `name` per row, whose parts are those that have a value."""
    found: Json = {"resourceType": "Parameters"}
    if rows:
        found["parameter"] = [{"name": name, "part": parts(row)} for row in rows]
    return found


def parts(rows: Sequence[Row]) -> list[Json]:
    """Return those of `rows` that have a value as the parts of a parameter."""
    return [{"name": name, element: value} for name, element, value in rows if value is not None]
