"""What a resource must be before it may enter the record: of the type the URL says, and valid.

Spec: https://hl7.org/fhir/R4/http.html#create, https://hl7.org/fhir/R4/validation.html
"""

import re
from typing import Final

from fhirserver.kernel.errors import BadRequest, Unprocessable
from fhirserver.kernel.resource import Json
from fhirserver.validation import validate

ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")


def require_type(resource: Json, resource_type: str) -> None:
    """Raise `BadRequest` unless `resource` is a `resource_type`."""
    stated = resource.get("resourceType")
    if stated is None:
        message = f"The body has no resourceType; this URL takes {resource_type}."
        raise BadRequest(message)
    if stated != resource_type:
        message = f"The body's resourceType is not that of the URL, {resource_type}."
        raise BadRequest(message, expression="resourceType")


def require_id(resource: Json, id_: str) -> None:
    """Raise `BadRequest` unless `id_` is a FHIR id and the one `resource` carries."""
    if ID.fullmatch(id_) is None:
        message = "An id has 1 to 64 characters out of letters, digits, '-' and '.'."
        raise BadRequest(message)
    if resource.get("id") != id_:
        message = f"An update needs the id of the URL in the body: {id_}."
        raise BadRequest(message, expression=f"{resource['resourceType']}.id")


def require_valid(resource: Json) -> None:
    """Raise `Unprocessable` with every problem found, located.

    Warnings alone let a resource pass.
    """
    problems = validate(resource)
    if any(problem.severity in ("fatal", "error") for problem in problems):
        message = "The resource is not valid FHIR R4."
        raise Unprocessable(message, problems=problems)
