"""patch: a new version of a resource made from its current one, by id or by a condition.

Spec: https://hl7.org/fhir/R4/http.html#patch
"""

from dataclasses import dataclass
from typing import Any, Literal

from fhirserver.auth import visible
from fhirserver.interactions.admission import require_valid
from fhirserver.interactions.admitting import admitted
from fhirserver.interactions.authorize import absent, require_role, require_writable
from fhirserver.interactions.conditional import Pairs, criteria, the_match
from fhirserver.interactions.context import Context
from fhirserver.interactions.patching import fhirpath_patch, json_patch, merge_patch
from fhirserver.interactions.patching.untouchable import require_untouched
from fhirserver.interactions.update import Expected, Updated, require_expected
from fhirserver.kernel.errors import Gone, NotFound
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from fhirserver.relations.care_team import Write


@dataclass(frozen=True, slots=True)
class Change:
    """What a patch asks for: a JSON array (json-patch), an object (merge-patch) or Parameters (fhirpath-patch)."""

    kind: Literal["json-patch", "merge-patch", "fhirpath-patch"]
    document: Any


async def patch(
    context: Context, resource_type: str, id_: str, change: Change, expected: Expected
) -> Updated:
    """Apply `change` to the current version.

    Raises `NotFound` (absent or not for this caller), `Gone`, `Forbidden`, `PreconditionFailed` (`expected` is not
    met), `BadRequest` (not a patch, or it touches what only the server sets), `Unprocessable` (it does not fit the
    resource, or its result is not valid).
    """
    require_role(context, "update", resource_type)

    async def work(tx: Transaction) -> Updated:
        return await patched(context, tx, resource_type, id_, change, expected)

    return await context.store.write(context.tenant, work, touching=((resource_type, id_),))


async def patch_where(
    context: Context, resource_type: str, condition: Pairs, change: Change, expected: Expected
) -> Updated:
    """Apply `change` to the one resource that meets `condition`. Raises as `patch` does."""
    require_role(context, "update", resource_type)
    wanted = criteria(context, resource_type, condition)

    async def work(tx: Transaction) -> Updated:
        await tx.claim([wanted.claim])
        found = await the_match(context, wanted)
        if found is None:
            raise NotFound(f"No {resource_type} meets the condition.")
        return await patched(context, tx, resource_type, found.id, change, expected)

    return await context.store.write(context.tenant, work)


async def patched(
    context: Context,
    tx: Transaction,
    resource_type: str,
    id_: str,
    change: Change,
    expected: Expected,
) -> Updated:
    """Apply `change` within `tx`. Raises as `patch` does."""
    current = await tx.current(resource_type, id_, lock=True)
    if current is None:
        raise absent(resource_type, id_)
    if current.resource is None:
        if not context.access.everything:
            raise absent(resource_type, id_)
        raise Gone(f"{resource_type}/{id_} has been deleted.")
    if not visible(context.access, resource_type, current.stored.content):
        raise absent(resource_type, id_)
    require_expected(expected, current.stored)
    require_writable(context, "update", current.resource)
    after = _applied(current.resource, change, context)
    require_untouched(current.resource, after)
    warnings = require_valid(after, context.definitions)
    require_writable(context, "update", after)
    write = Write(expected=expected.version is not None, patched=True)
    allowed = await admitted(context, tx, after, current.resource, write)
    return Updated(await tx.put(allowed, id_=id_), created=False, warnings=warnings)


def _applied(resource: Json, change: Change, context: Context) -> Json:
    if change.kind == "json-patch":
        return json_patch.patched(resource, change.document)
    if change.kind == "merge-patch":
        return merge_patch.merged(resource, change.document)
    return fhirpath_patch.patched(resource, change.document, context.definitions)
