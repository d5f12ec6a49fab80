"""update: a new version of a resource, or its first one under an id the client chose.

Spec: https://hl7.org/fhir/R4/http.html#update
"""

from dataclasses import dataclass
from typing import Final

from fhirserver.auth import may_ever, visible
from fhirserver.definitions.patient_of import belongs_to
from fhirserver.interactions.admission import require_id, require_type, require_valid
from fhirserver.interactions.authorize import absent, require_role, require_writable
from fhirserver.interactions.context import Context
from fhirserver.kernel.errors import Conflict, PreconditionFailed
from fhirserver.kernel.resource import Json, Stored
from fhirserver.wire import fhir_json

_ATTEMPTS: Final = 3


class _OvertakenError(Exception):
    """Another writer created the resource between the look and the write."""


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update stored.

    `created` when there was nothing (or only a tombstone) under the id before.
    """

    stored: Stored
    created: bool


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
    if not _may_ever_create(context, resource_type):
        require_role(context, "update", resource_type)
    require_valid(resource)
    for _ in range(_ATTEMPTS):
        try:
            return await _attempt(context, resource, id_, expected)
        except _OvertakenError:
            continue
    message = f"{resource_type}/{id_} is being written by somebody else; nothing was stored."
    raise Conflict(message)


async def _attempt(context: Context, resource: Json, id_: str, expected: Expected) -> Updated:
    async with context.store.transaction(context.tenant) as tx:
        current = await tx.get_stored(resource["resourceType"], id_, lock=True)
        previous = _previous(context, current)
        require_writable(context, "create" if previous is None else "update", resource)
        _require_expected(expected, current)
        admitted = await context.observer.admit(tx, context.principal, resource, previous)
        stored = await tx.put(admitted, id_=id_, if_match=expected.version)
        # A row that was not there could not be locked: somebody may have created it meanwhile, for
        # a patient whose record this caller must not touch. Then everything is decided anew.
        if stored.version != (0 if current is None else current.version) + 1:
            raise _OvertakenError
    return Updated(stored, created=previous is None)


def _previous(context: Context, current: Stored | None) -> Json | None:
    """Return the content about to be replaced, once it is clear that the caller may replace it."""
    if current is None or current.deleted:
        return None
    if not visible(context.access, current.type, current.content):
        raise absent(current.type, current.id)
    previous = fhir_json.read(current.content)
    require_writable(context, "update", previous)
    return previous


def _may_ever_create(context: Context, resource_type: str) -> bool:
    return may_ever(context.access, "create", resource_type, belongs_to(resource_type).kind)


def _require_expected(expected: Expected, current: Stored | None) -> None:
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
