"""What a resource must be before it may enter the record: of the type the URL says, and valid.

Spec: https://hl7.org/fhir/R4/http.html#create, https://hl7.org/fhir/R4/validation.html
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from fhirserver.definitions import Definitions
from fhirserver.kernel.errors import BadRequest, Problem, Unprocessable
from fhirserver.kernel.resource import Json
from fhirserver.search.parameter_check import check_parameter
from fhirserver.validation import validate
from fhirserver.validation.profiles import canonical_problems, validate_profiles
from fhirserver.wire.summary import SUBSETTED

ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
REFUSED: Final = frozenset({"fatal", "error"})


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


def content_problems(
    resource: Json,
    definitions: Definitions,
    profiles: Sequence[str] = (),
    *,
    now: datetime | None = None,
    best_practice: bool = False,
) -> list[Problem]:
    """Return everything that is wrong with the content of `resource`, located, warnings included.

    It must be valid R4, conform to `profiles` and to the loaded profiles it claims itself, and use
    extensions as their loaded definitions say. A StructureDefinition or SearchParameter must be
    one this server understands. `now` (aware) is the time for invariants that ask for it;
    `best_practice` adds the advice that a resource should have a narrative.
    """
    problems = validate(resource, best_practice=best_practice)
    if definitions.is_resource_type(resource.get("resourceType")):
        problems += validate_profiles(resource, definitions, profiles, now=now)
        if not any(problem.severity in REFUSED for problem in problems):
            problems += canonical_problems(resource, definitions)
        if resource["resourceType"] == "SearchParameter" and not any(
            problem.severity in REFUSED for problem in problems
        ):
            problems += check_parameter(resource, definitions)
    return problems


def require_valid(
    resource: Json, definitions: Definitions, *, now: datetime | None = None
) -> list[Problem]:
    """Return the warnings about `resource`; raise `Unprocessable` with every problem found, located.

    What was cut down by `_summary` or `_elements` is refused whatever it holds.
    Warnings alone let a resource pass: a claimed profile that is not loaded is one.
    """
    if _is_part(resource):
        message = (
            "The resource is tagged SUBSETTED: it is a part of one, and would replace the whole. "
            "Read it without _summary and _elements, or send a patch."
        )
        raise Unprocessable(message, expression=f"{resource['resourceType']}.meta.tag")
    problems = content_problems(resource, definitions, now=now)
    if any(problem.severity in REFUSED for problem in problems):
        message = "The resource is not valid FHIR R4."
        raise Unprocessable(message, problems=problems)
    return problems


def _is_part(resource: Json) -> bool:
    meta = resource.get("meta")
    tags = meta.get("tag") if isinstance(meta, dict) else None
    return isinstance(tags, list) and any(
        isinstance(tag, dict)
        and tag.get("system") == SUBSETTED["system"]
        and tag.get("code") == SUBSETTED["code"]
        for tag in tags
    )
