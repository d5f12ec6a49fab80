"""update: a new version of a resource, or its first one under an id the client chose; by id or by a condition.

Spec: https://hl7.org/fhir/R4/http.html#update, https://hl7.org/fhir/R4/http.html#cond-update
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fhirserver.auth import may_ever, visible
from fhirserver.definitions.patient_of import belongs_to
from fhirserver.interactions.admission import require_id, require_type, require_valid
from fhirserver.interactions.admitting import admitted
from fhirserver.interactions.authorize import absent, require_role, require_writable
from fhirserver.interactions.conditional import Pairs, criteria, the_match
from fhirserver.interactions.context import Context
from fhirserver.kernel.errors import BadRequest, Conflict, PreconditionFailed, Problem
from fhirserver.kernel.ports import Current, Transaction
from fhirserver.kernel.resource import Json, Stored
from fhirserver.relations.care_team import Write


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update stored.

    `created` when there was nothing (or only a tombstone) under the id before. `warnings` is what
    was noticed about the resource that was sent.
    """

    stored: Stored
    created: bool
    warnings: Sequence[Problem] = ()


@dataclass(frozen=True, slots=True)
class Expected:
    """What the caller says about the current state.

    `version` must be the current one (If-Match); `absent`: there must be none (If-None-Match: *).
    """

    version: int | None = None
    absent: bool = False


async def update(
    context: Context, resource_type: str, id_: str, resource: Json, expected: Expected
) -> Updated:
    """Store `resource` under `id_`.

    Raises `BadRequest` (type or id differ from the URL), `Unprocessable`, `NotFound` (there is a
    resource this caller may not see), `Forbidden`, `PreconditionFailed` (`expected` is not met),
    `Conflict`.
    """
    require_type(resource, resource_type)
    require_id(resource, id_)
    require_may_put(context, resource_type)
    warnings = require_valid(resource, context.definitions)

    async def work(tx: Transaction) -> Updated:
        result = await replaced(context, tx, id_, resource, expected)
        return replace(result, warnings=warnings)

    return await context.store.write(context.tenant, work, touching=((resource_type, id_),))


async def update_where(
    context: Context, resource_type: str, resource: Json, condition: Pairs, expected: Expected
) -> Updated:
    """Store `resource` in the place of the one resource that meets `condition`, or as a new one when none does.

    Raises as `update` does, `BadRequest` when the resource carries another id than the one found, and `Conflict` when
    none meets the condition but the id it carries is taken.
    """
    require_type(resource, resource_type)
    wanted = criteria(context, resource_type, condition)
    require_may_put(context, resource_type)
    if "id" in resource:
        require_id(resource, str(resource["id"]))
    warnings = require_valid(resource, context.definitions)

    async def work(tx: Transaction) -> Updated:
        await tx.claim([wanted.claim])
        found = await the_match(context, wanted)
        if found is not None:
            named = with_id(resource, found.id)
            result = await replaced(context, tx, found.id, named, expected)
        else:
            result = await made_anew(context, tx, resource, expected)
        return replace(result, warnings=warnings)

    return await context.store.write(context.tenant, work)


def with_id(resource: Json, id_: str) -> Json:
    """Return `resource` under the id that a condition found. Raises `BadRequest` when it carries another one."""
    if resource.get("id", id_) != id_:
        message = "The resource that meets the condition has another id than the body."
        raise BadRequest(message, expression=f"{resource['resourceType']}.id")
    return {"resourceType": resource["resourceType"], "id": id_, **resource}


async def made_anew(
    context: Context,
    tx: Transaction,
    resource: Json,
    expected: Expected,
    reserved: str | None = None,
) -> Updated:
    """Store `resource` because nothing meets the condition of its update.

    Under its own id where it has one, else under the one `reserved` or a fresh one.
    """
    if expected.version is not None:
        message = f"Version {expected.version} is expected, but nothing meets the condition."
        raise PreconditionFailed(message)
    if "id" not in resource:
        require_writable(context, "create", resource)
        allowed = await admitted(context, tx, resource, None)
        return Updated(await tx.put(allowed, id_=reserved), created=True)
    current = await tx.current(resource["resourceType"], resource["id"], lock=True)
    if current is not None and not current.stored.deleted:
        message = "Nothing meets the condition, but the id in the body is taken."
        raise Conflict(message)
    return await replaced(context, tx, resource["id"], resource, expected)


async def replaced(
    context: Context, tx: Transaction, id_: str, resource: Json, expected: Expected
) -> Updated:
    """Store `resource`, which is valid, under `id_` within `tx`. Raises as `update` does."""
    current = await tx.current(resource["resourceType"], id_, lock=True)
    previous = _previous(context, current)
    require_writable(context, "create" if previous is None else "update", resource)
    require_expected(expected, None if current is None else current.stored)
    write = Write(expected=expected.version is not None)
    allowed = await admitted(context, tx, resource, previous, write)
    return Updated(await tx.put(allowed, id_=id_), created=previous is None)


def _previous(context: Context, current: Current | None) -> Json | None:
    """Return the content about to be replaced, once it is clear that the caller may replace it."""
    if current is None or current.resource is None:
        return None
    stored = current.stored
    if not visible(context.access, stored.type, stored.content):
        raise absent(stored.type, stored.id)
    require_writable(context, "update", current.resource)
    return current.resource


def require_may_put(context: Context, resource_type: str) -> None:
    """Raise `Forbidden` when the caller's role may neither create nor update resources of the type."""
    kind = belongs_to(resource_type).kind
    if not may_ever(context.access, "create", resource_type, kind):
        require_role(context, "update", resource_type)


def require_expected(expected: Expected, current: Stored | None) -> None:
    """Raise `PreconditionFailed` unless the current version is what the caller expects."""
    if expected.absent and current is not None and not current.deleted:
        message = f"The resource exists already, as version {current.version}."
        raise PreconditionFailed(message)
    if expected.version is None:
        return
    if current is None:
        message = f"Version {expected.version} is expected, but there is no such resource."
        raise PreconditionFailed(message)
    if current.version != expected.version:
        message = f"Version {expected.version} is expected, the current one is {current.version}."
        raise PreconditionFailed(message)
