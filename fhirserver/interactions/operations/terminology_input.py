"""What the terminology operations have in common: codes as parameters, and which resource is meant.

Spec: https://hl7.org/fhir/R4/terminology-service.html
"""

import asyncio
from collections.abc import Iterable

from fhirserver.interactions.authorize import require_role
from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import Call
from fhirserver.interactions.operation_parameters import Parameters
from fhirserver.interactions.read import read
from fhirserver.kernel.errors import BadRequest, Unprocessable
from fhirserver.kernel.resource import Json
from fhirserver.terminology import Members, Terminology, terminology_of
from fhirserver.terminology.judgement import Coding
from fhirserver.validation import validate
from fhirserver.wire import fhir_json


def loaded(context: Context, resource_type: str) -> Terminology:
    """Return the terminology of the caller's tenant.

    Raises `Forbidden` when the role may read no resource of the type.
    """
    require_role(context, "read", resource_type)
    return terminology_of(context.definitions)


async def stored(context: Context, call: Call) -> Json:
    """Return the resource of an instance call. Raises `NotFound`, `Gone`."""
    return fhir_json.read((await read(context, call.type, call.id)).content)


async def value_set(context: Context, call: Call) -> tuple[Json, Members]:
    """Return the value set a call is about (without URL: as far as it is known) and its members.

    It is the instance, or the one named by `url` or `context`, or handed over as `valueSet`; exactly
    one of these. Raises `BadRequest`, `NotFound`, `Unprocessable` and `TooCostly`.
    """
    terminology = loaded(context, "ValueSet")
    given = call.parameters
    exactly_one(call, ("url", "valueSet", "context"), "the value set")
    if call.id:
        resource = await stored(context, call)
        return resource, await asyncio.to_thread(terminology.members_of, resource)
    handed = given.resource("valueSet")
    if handed is not None:
        # What a stranger puts together may take a second; others shall not wait meanwhile.
        return handed, await asyncio.to_thread(terminology.members_of, sound(handed))
    canonical = given.text("url") or bound_to(context, given.text("context") or "")
    version = given.text("valueSetVersion")
    if version is not None and "|" not in canonical:
        canonical = f"{canonical}|{version}"
    members = terminology.require_members(canonical)
    known = terminology.resource("ValueSet", canonical)
    return known or {"url": canonical}, members


def sound(handed: Json) -> Json:
    """Return a definition that a caller handed over; one without status counts as a draft.

    Raises `Unprocessable` with every problem found when it is not valid.
    """
    resource = {"status": "draft", **handed}
    problems = validate(resource)
    if any(problem.severity in ("fatal", "error") for problem in problems):
        message = f"The {resource['resourceType']} is not valid FHIR R4."
        raise Unprocessable(message, problems=problems)
    return resource


def exactly_one(call: Call, names: Iterable[str], what: str) -> None:
    """Raise `BadRequest` unless the URL or exactly one of the parameters `names` says it."""
    given = [name for name in names if name in call.parameters]
    if len(given) + bool(call.id) != 1:
        message = f"Name {what} in one way: by an instance's URL or one of {', '.join(names)}."
        raise BadRequest(message)


def bound_to(context: Context, element: str) -> str:
    """Return the value set bound to an element ("Observation.status", a canonical and "#" before).

    Raises `Unprocessable` when there is no such element or nothing bound to it.
    """
    path = element.rpartition("#")[2]
    name = path.partition(".")[0]
    if name in context.definitions.structure_names:
        found = context.definitions.structure(name).element(path.removesuffix("[x]"))
        if found is not None and found.binding is not None:
            return found.binding.value_set
    message = "The context names no element with a binding; an example is Observation.status."
    raise Unprocessable(message)


def codings(given: Parameters, system: str | None) -> list[Coding]:
    """Return the codes of `code`, `coding` or `codeableConcept`; exactly one of them must be given.

    `system` is that of a bare code. Raises `BadRequest`.
    """
    names = [name for name in ("code", "coding", "codeableConcept") if name in given]
    if len(names) != 1:
        message = "Give the code as exactly one of code, coding and codeableConcept."
        raise BadRequest(message)
    if names[0] == "code":
        code = given.text("code") or ""
        return [Coding(code, system, given.text("systemVersion"), given.text("display"))]
    if names[0] == "coding":
        return [coding_of(given.structure("coding") or {})]
    concept = given.structure("codeableConcept") or {}
    rows = concept.get("coding")
    if not isinstance(rows, list) or not rows:
        message = "The codeableConcept has no coding."
        raise BadRequest(message)
    return [coding_of(row) for row in rows]


def coding_of(row: object) -> Coding:
    """Return a Coding element. Raises `BadRequest` when it has no code or anything but texts."""
    if isinstance(row, dict) and isinstance(row.get("code"), str) and row["code"]:
        parts = [row.get(name) for name in ("system", "version", "display")]
        if all(part is None or isinstance(part, str) for part in parts):
            return Coding(row["code"], *parts)
    message = "A coding has a code and, as texts, system, version and display."
    raise BadRequest(message)
