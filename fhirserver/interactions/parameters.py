"""Parameters resources as operations answer with them.

Spec: https://hl7.org/fhir/R4/parameters.html
"""

from datetime import datetime

from fhirserver.kernel.resource import Json


def parameters(*rows: tuple[str, str, object]) -> Json:
    """Return a Parameters resource of (name, value[x] element, value) rows."""
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": name, element: value} for name, element, value in rows],
    }


def instant(moment: datetime) -> str:
    """Return a FHIR instant in UTC, milliseconds shown."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def groups(name: str, rows: list[list[tuple[str, str, object]]]) -> Json:
    """Return a Parameters resource with one `name` per row, whose parts are those that have a value."""
    found: Json = {"resourceType": "Parameters"}
    if rows:
        found["parameter"] = [
            {
                "name": name,
                "part": [
                    {"name": part, element: value}
                    for part, element, value in row
                    if value is not None
                ],
            }
            for row in rows
        ]
    return found
