"""delete: a tombstone on top of the history; nothing is erased. By id, or by a condition that one resource meets.

Deleting what does not exist succeeds, says the specification; deleting what the caller may not see
answers the same, because the two must not be told apart.

Spec: https://hl7.org/fhir/R4/http.html#delete, https://hl7.org/fhir/R4/http.html#3.1.0.7.1
"""

from fhirserver.auth import visible
from fhirserver.interactions.admitting import require_removable
from fhirserver.interactions.authorize import require_role, require_writable
from fhirserver.interactions.conditional import Pairs, criteria, the_match
from fhirserver.interactions.context import Context
from fhirserver.kernel.errors import PreconditionFailed
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Stored


async def delete(
    context: Context, resource_type: str, id_: str, if_match: int | None
) -> Stored | None:
    """Return the tombstone, None when there was nothing to delete for this caller.

    Raises `Forbidden` (visible, but not the caller's to delete) and `PreconditionFailed`
    (`if_match` is not the current version).
    """
    require_role(context, "delete", resource_type)

    async def work(tx: Transaction) -> Stored | None:
        return await deleted(context, tx, resource_type, id_, if_match)

    return await context.store.write(context.tenant, work, touching=((resource_type, id_),))


async def delete_where(
    context: Context, resource_type: str, condition: Pairs, if_match: int | None
) -> Stored | None:
    """Delete the one resource that meets `condition`.

    Raises as `delete` does, and `PreconditionFailed` when several resources meet it.
    """
    require_role(context, "delete", resource_type)
    wanted = criteria(context, resource_type, condition)

    async def work(tx: Transaction) -> Stored | None:
        await tx.claim([wanted.claim])
        found = await the_match(context, wanted)
        if found is None:
            require_nothing_expected(if_match)
            return None
        return await deleted(context, tx, resource_type, found.id, if_match)

    return await context.store.write(context.tenant, work)


async def deleted(
    context: Context, tx: Transaction, resource_type: str, id_: str, if_match: int | None
) -> Stored | None:
    """Delete within `tx`. Raises as `delete` does."""
    current = await tx.current(resource_type, id_, lock=True)
    if (
        current is None
        or current.resource is None
        or not visible(context.access, resource_type, current.stored.content)
    ):
        require_nothing_expected(if_match)
        return None
    require_writable(context, "delete", current.resource)
    if if_match is not None and if_match != current.stored.version:
        message = f"Version {if_match} is expected, the current one is {current.stored.version}."
        raise PreconditionFailed(message)
    await require_removable(context, tx, current.resource)
    return await tx.delete(resource_type, id_)


def require_nothing_expected(if_match: int | None) -> None:
    """Raise `PreconditionFailed` when the caller expects a version of what is not there."""
    if if_match is not None:
        message = f"Version {if_match} is expected, but there is no such resource."
        raise PreconditionFailed(message)
