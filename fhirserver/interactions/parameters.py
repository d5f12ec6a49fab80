"""Parameters resources as operations answer with them.

Spec: https://hl7.org/fhir/R4/parameters.html
"""

from fhirserver.kernel.resource import Json


def parameters(*rows: tuple[str, str, object]) -> Json:
    """Return a Parameters resource of (name, value[x] element, value) rows."""
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": name, element: value} for name, element, value in rows],
    }
