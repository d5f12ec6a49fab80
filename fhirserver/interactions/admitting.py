"""The last look at what a client writes, inside the transaction that stores it.

Who belongs to a care team is the business of those who administer it (`fhirserver.relations.care_team`), whose a
machine is that of those around its patients (`fhirserver.interactions.machine_use`), and so is which records are of
one patient (`fhirserver.interactions.merged_patients`); everything else is asked of the observer.
"""

from fhirserver.auth.kept_scopes import with_scopes
from fhirserver.interactions.context import Context
from fhirserver.interactions.emergency_review import require_no_review
from fhirserver.interactions.machine_use import require_nobody_elses
from fhirserver.interactions.merged_patients import require_relation_with_both
from fhirserver.kernel.ports import RecordStore, Transaction
from fhirserver.kernel.principal import Principal
from fhirserver.kernel.resource import Json
from fhirserver.relations.care_team import Write, Writer, refusal


async def admitted(
    context: Context,
    tx: Transaction,
    resource: Json,
    previous: Json | None,
    write: Write | None = None,
) -> Json:
    """Return `resource` as it shall be stored in the place of `previous`.

    Raises `Forbidden`, `PreconditionFailed` and `Unprocessable` for a CareTeam that this caller may not
    write so, `Forbidden` for the use of a machine that is a stranger's, for the Task of a review and for a
    link to a patient who is a stranger's, and whatever the observer refuses.
    """
    if resource["resourceType"] == "CareTeam":
        await _require_team_rights(context, tx, resource, previous, write or Write())
    if resource["resourceType"] == "DeviceUseStatement":
        await require_nobody_elses(context, tx, resource, previous)
    if resource["resourceType"] == "Patient":
        require_relation_with_both(context, resource, previous)
    if resource["resourceType"] == "Task":
        require_no_review(resource, previous)
    kept = with_scopes(resource, context.access)
    return await context.observer.admit(tx, context.principal, kept, previous)


async def require_removable(context: Context, tx: Transaction, resource: Json) -> None:
    """Raise `Forbidden` for a CareTeam that this caller may not delete."""
    if resource["resourceType"] == "CareTeam":
        await _require_team_rights(context, tx, None, resource, Write())


async def writer_of(context: Context, tx: Transaction) -> Writer:
    """Return the caller as somebody who writes CareTeams."""
    return await writer_who_is(context.store, tx, context.principal)


async def writer_who_is(store: RecordStore, tx: Transaction, who: Principal) -> Writer:
    """Return `who` as somebody who writes CareTeams."""
    people = store.relationships.people
    if who.kind == "clinic-admin":
        return Writer(who, organizations=await people.organizations_of(tx, who.reference))
    if who.kind == "practitioner":
        return Writer(who, roles=await people.staff_roles_of(tx, who.reference))
    return Writer(who)


async def _require_team_rights(
    context: Context, tx: Transaction, team: Json | None, previous: Json | None, write: Write
) -> None:
    found = refusal(await writer_of(context, tx), team, previous, write, tx.now)
    if found is not None:
        raise found
