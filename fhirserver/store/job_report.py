"""What jobs answer with: a Parameters resource with a few numbers and words."""

from typing import Any

from fhirserver.wire import fhir_json


def report(**told: Any) -> bytes:
    """Return the Parameters resource with what a job tells: numbers, texts and yes or no."""
    kinds = {bool: "valueBoolean", int: "valueDecimal", float: "valueDecimal", str: "valueString"}
    return fhir_json.write(
        {
            "resourceType": "Parameters",
            "parameter": [
                {"name": name, kinds[type(value)]: value} for name, value in told.items()
            ],
        }
    )
