"""Parameters resources: what goes into an operation and what comes out of it.

Spec: https://hl7.org/fhir/R4/parameters.html
"""

from fhirserver.kernel.errors import BadRequest
from fhirserver.kernel.resource import Json


def values(resource: Json | None, allowed: frozenset[str]) -> dict[str, object]:
    """Return the values of a Parameters resource by name (none for no body).

    Raises `BadRequest` for another resource, a name outside `allowed`, a name given twice, and a
    parameter without exactly one value[x].
    """
    if resource is None:
        return {}
    if resource.get("resourceType") != "Parameters":
        message = "An operation takes a Parameters resource."
        raise BadRequest(message, expression="resourceType")
    given: dict[str, object] = {}
    parameters = resource.get("parameter", [])
    if not isinstance(parameters, list):
        message = "Parameters.parameter is a list."
        raise BadRequest(message, expression="Parameters.parameter")
    for index, parameter in enumerate(parameters):
        place = f"Parameters.parameter[{index}]"
        name = parameter.get("name") if isinstance(parameter, dict) else None
        if not isinstance(name, str) or name not in allowed:
            message = f"Known parameters are: {', '.join(sorted(allowed)) or 'none'}."
            raise BadRequest(message, expression=place)
        content = [value for key, value in parameter.items() if key.startswith("value")]
        if name in given or len(content) != 1:
            message = f"The parameter {name} takes one value, once."
            raise BadRequest(message, expression=place)
        given[name] = content[0]
    return given


def parameters(*rows: tuple[str, str, object]) -> Json:
    """Return a Parameters resource of (name, value[x] element, value) rows."""
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": name, element: value} for name, element, value in rows],
    }
