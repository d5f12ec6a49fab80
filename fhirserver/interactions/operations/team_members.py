"""CareTeam/[id]/$remove-member, Patient/[id]/$end-support, Organization/[id]/$roster: who leaves, and who is there.

A patient parts with a care partner, a care partner leaves, two patients end their support: nobody needs
the right to write CareTeams for that, and nobody is asked for a reason.
"""

from typing import Final

from fhirserver.auth import visible
from fhirserver.interactions.admitting import writer_of
from fhirserver.interactions.authorize import absent
from fhirserver.interactions.context import Context
from fhirserver.interactions.noting import note
from fhirserver.interactions.operation import INSTANCE, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input
from fhirserver.interactions.parameters import groups
from fhirserver.interactions.standing import require_own_hand
from fhirserver.kernel.errors import Forbidden, NotFound
from fhirserver.kernel.instant import instant
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from fhirserver.relations.care_team import administers
from fhirserver.relations.on_call import reference_of

_FAMILY: Final = ("RelatedPerson/", "Patient/")


async def remove_member(context: Context, call: Call) -> Answer:
    """Take `member` (a reference) out of the team; a guardian's view of the record ends with it.

    Owners and administrators of the team remove anybody, a patient family and fellow patients (a minor
    no guardian), and everybody themselves. Raises `NotFound`, `Forbidden`, and `Unprocessable` where nobody on the first
    tier could be reached any more while monitoring is armed.
    """
    require_own_hand(context)
    member = call.parameters.text("member") or ""

    async def work(tx: Transaction) -> None:
        current = await tx.current("CareTeam", call.id, lock=True)
        if (
            current is None
            or current.resource is None
            or not visible(context.access, "CareTeam", current.stored.content)
        ):
            raise absent("CareTeam", call.id)
        team = current.resource
        stay = [
            one for one in team.get("participant", ()) if reference_of(one.get("member")) != member
        ]
        if len(stay) == len(team.get("participant", ())):
            raise NotFound(f"{member} is no member of this team.")
        patient = reference_of(team.get("subject"))
        own = context.principal.reference
        parts = member == own or (
            patient == own
            and member.startswith(_FAMILY)
            and not await _is_guardian(context, tx, patient, member)
        )
        if not parts and not administers(await writer_of(context, tx), team, tx.now):
            raise Forbidden("You may not remove this member.")
        after: Json = {**team, "participant": stay}
        if not stay:
            del after["participant"]
        admitted = await context.observer.admit(tx, context.principal, after, team)
        await tx.put(admitted, id_=call.id)
        if patient.startswith("Patient/"):
            patient_id = patient.removeprefix("Patient/")
            await context.store.relationships.guardians.end(tx, patient_id, member)
            note(context, tx, "access-changed", patient_id, (member,), detail="member removed")

    await context.store.write(context.tenant, work)
    return Answer(status=204)


async def _is_guardian(context: Context, tx: Transaction, patient: str, member: str) -> bool:
    """Return whether `member` speaks for a patient who is not of age: nobody a child sends away."""
    rows = await context.store.relationships.guardians.of(tx, patient.removeprefix("Patient/"))
    return any(
        one.member == member and not one.kept and one.until is not None and one.until > tx.now
        for one in rows
    )


async def end_support(context: Context, call: Call) -> Answer:
    """End the support between this patient and `peer` (a reference), for both.

    Either of them may, and administrators. Raises `NotFound`: also where there is none.
    """
    require_own_hand(context)
    peer = (call.parameters.text("peer") or "").removeprefix("Patient/")
    by = context.principal.reference

    async def work(tx: Transaction) -> None:
        party = context.access.everything or by in (f"Patient/{call.id}", f"Patient/{peer}")
        if not party or not await context.store.relationships.peers.end(tx, call.id, peer, by):
            raise NotFound("There is no support between these patients.")
        for patient in (call.id, peer):
            note(context, tx, "access-changed", patient, detail="support ended")

    await context.store.write(context.tenant, work)
    return Answer(status=204)


async def roster(context: Context, call: Call) -> Answer:
    """Return Parameters with one `patient` per patient and team of the organization that is in force now.

    For administrators of the organization and of the tenant. Raises `NotFound` for everybody else.
    """

    async def work(tx: Transaction) -> Json:
        people = context.store.relationships.people
        if not context.access.everything:
            own = (
                await people.organizations_of(tx, context.principal.reference)
                if context.principal.kind == "clinic-admin"
                else frozenset[str]()
            )
            if call.id not in own:
                raise absent("Organization", call.id)
        if await tx.get("Organization", call.id) is None:
            raise absent("Organization", call.id)
        return groups(
            "patient",
            [
                [
                    ("reference", "valueReference", {"reference": f"Patient/{one.patient}"}),
                    ("careTeam", "valueReference", {"reference": f"CareTeam/{one.team}"}),
                    ("since", "valueInstant", one.starts and instant(one.starts)),
                    ("until", "valueInstant", one.ends and instant(one.ends)),
                ]
                for one in await people.roster(tx, call.id)
            ],
        )

    return Answer(await context.store.write(context.tenant, work))


REMOVE_MEMBER: Final = Operation(
    "remove-member",
    INSTANCE,
    frozenset({"CareTeam"}),
    affects_state=True,
    run=remove_member,
    inputs=(Input("member", least=1),),
)
END_SUPPORT: Final = Operation(
    "end-support",
    INSTANCE,
    frozenset({"Patient"}),
    affects_state=True,
    run=end_support,
    inputs=(Input("peer", least=1),),
)
ROSTER: Final = Operation(
    "roster", INSTANCE, frozenset({"Organization"}), affects_state=False, run=roster
)
