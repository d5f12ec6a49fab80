"""$validate: everything that is wrong with a resource, without storing it.

The answer is an OperationOutcome and 200 also when the resource is bad: the question was answered.
With `mode` it says whether that interaction would succeed: for create and update everything a
write goes through is tried and undone; delete looks at the right to delete. Without `mode` only
the content is looked at. With no resource at all, the stored instance of the URL is.

Spec: https://hl7.org/fhir/R4/resource-operation-validate.html
"""

from typing import Final

from fhirserver.interactions.admission import content_problems
from fhirserver.interactions.admitting import admitted
from fhirserver.interactions.authorize import require_writable
from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import CORE, INSTANCE, TYPE, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input
from fhirserver.interactions.read import read
from fhirserver.kernel.errors import BadRequest, FhirError, Problem
from fhirserver.kernel.outcome import outcome
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from fhirserver.wire import fhir_json

MODES: Final = ("create", "update", "delete", "profile")
MAX_PROFILES: Final = 20

VALID: Final = Problem("information", "informational", "", "No problems were found.")


async def validate(context: Context, call: Call) -> Answer:
    """Return the OperationOutcome; `BadRequest` when the question itself makes no sense, `NotFound`."""
    given = call.parameters
    mode = given.text("mode")
    if mode is not None and mode not in MODES:
        message = f"mode is one of: {', '.join(MODES)}."
        raise BadRequest(message, expression="mode")
    stored = await _stored(context, call)
    resource = given.resource("resource") or stored
    if resource is None:
        message = "Give the resource to validate, or name a stored one in the URL."
        raise BadRequest(message)
    if mode in ("update", "delete") and stored is None:
        message = f"mode {mode} is asked of one resource: {call.type}/[id]/$validate."
        raise BadRequest(message, expression="mode")
    if mode == "delete":
        problems = _refusals(context, resource)
    else:
        profiles = given.texts("profile")
        problems = _placed(call, resource) + content_problems(
            resource, context.definitions, profiles, now=context.store.now(), best_practice=True
        )
        if mode in ("create", "update") and not any(one.severity == "error" for one in problems):
            problems += await _tried(context, resource, stored if mode == "update" else None)
    return Answer(outcome(problems or [VALID]))


async def _stored(context: Context, call: Call) -> Json | None:
    if not call.id:
        return None
    stored = await read(context, call.type, call.id)
    return fhir_json.read(stored.content)


def _placed(call: Call, resource: Json) -> list[Problem]:
    """What is wrong with the resource's own name, seen from the URL."""
    problems = []
    if resource.get("resourceType") != call.type:
        message = f"The resource is not of the type the URL names, {call.type}."
        problems.append(Problem("error", "invalid", "resourceType", message))
    elif call.id and resource.get("id") != call.id:
        message = f"The resource does not carry the id of the URL, {call.id}."
        problems.append(Problem("error", "invalid", f"{call.type}.id", message))
    return problems


def _refusals(context: Context, resource: Json) -> list[Problem]:
    try:
        require_writable(context, "delete", resource)
    except FhirError as refusal:
        return list(refusal.problems)
    return []


class _UndoneError(Exception):
    """Ends the transaction of a trial; nothing of it is kept."""


async def _tried(context: Context, resource: Json, previous: Json | None) -> list[Problem]:
    """What a write would be refused for beyond its content: rights, and the rules of observers."""
    try:
        require_writable(context, "create" if previous is None else "update", resource)
        async with context.store.transaction(context.tenant) as tx:
            await _admit(context, tx, resource, previous)
    except _UndoneError:
        pass
    except FhirError as refusal:
        return list(refusal.problems)
    return []


async def _admit(context: Context, tx: Transaction, resource: Json, previous: Json | None) -> None:
    await admitted(context, tx, resource, previous)
    raise _UndoneError


VALIDATE: Final = Operation(
    "validate",
    TYPE | INSTANCE,
    None,
    affects_state=False,
    run=validate,
    inputs=(
        Input("resource", "Resource", whole_body=True),
        Input("mode", "code"),
        Input("profile", "canonical", most=MAX_PROFILES),
    ),
    definition=CORE + "Resource-validate",
)
