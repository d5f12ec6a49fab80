"""$invite, $accept-invitation, $invitations, $withdraw-invitation: becoming part of somebody's care.

The token is shown once, holds a week and works once; whoever accepts is signed in as somebody. Who may
invite whom is the matrix of `fhirserver.relations.invitations`, asked when the invitation is made and
again when it is accepted.
"""

from typing import Final

from fhirserver.interactions.accept_invitation import Newcomer, accept
from fhirserver.interactions.context import Context
from fhirserver.interactions.noting import note
from fhirserver.interactions.operation import SYSTEM, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input
from fhirserver.interactions.parameters import Row, groups, parameters
from fhirserver.interactions.standing import require_own_hand, standing_of, team_of
from fhirserver.kernel.errors import BadRequest, Forbidden, NotFound
from fhirserver.kernel.instant import instant
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.relationships import Invitation
from fhirserver.kernel.resource import Json
from fhirserver.relations.constants import INVITATION_HOLDS
from fhirserver.relations.invitations import OFFERS, may_invite


async def invite(context: Context, call: Call) -> Answer:
    """Return Parameters: token (shown this once), id, expires.

    Takes as (code), patient (a reference; not needed of a patient) and careTeam (a reference; not needed
    where the patient has one team or none). Raises `BadRequest`, `Forbidden`, `NotFound`, and
    `Unprocessable` where it is unclear which team is meant.
    """
    require_own_hand(context)
    offered = next((one for one in OFFERS if one == call.parameters.text("as")), None)
    if offered is None:
        message = f"as is one of: {', '.join(OFFERS)}."
        raise BadRequest(message)
    patient = _id(call.parameters.text("patient") or context.principal.reference, "Patient")
    named = call.parameters.text("careTeam")
    team_id = None if named is None else _id(named, "CareTeam")

    async def work(tx: Transaction) -> Json:
        if not context.access.everything and patient not in context.access.patients:
            raise NotFound(f"Patient/{patient} is not known.")
        team = await team_of(context.store, tx, patient, team_id)
        standing = await standing_of(context.store, tx, context.principal, patient, team)
        if not may_invite(standing, offered):
            message = f"You may not invite anybody as {offered} of this patient."
            raise Forbidden(message)
        if await tx.get("Patient", patient) is None:
            raise NotFound(f"Patient/{patient} is not known.")
        invitation = Invitation(
            tx.new_id(None),
            offered,
            patient,
            team_id,
            context.principal,
            tx.now,
            tx.now + INVITATION_HOLDS,
        )
        token = await context.store.relationships.invitations.make(tx, invitation)
        note(context, tx, "invited", patient, detail=offered)
        return parameters(
            ("token", "valueString", token),
            ("id", "valueId", invitation.id),
            ("expires", "valueInstant", instant(invitation.expires)),
        )

    return Answer(await context.store.write(context.tenant, work))


async def accept_invitation(context: Context, call: Call) -> Answer:
    """Return Parameters: kind and reference of who the caller is to the patient now, patient, as.

    Raises `Unprocessable` and `Forbidden` as `fhirserver.interactions.accept_invitation` does.
    """
    require_own_hand(context)
    token = call.parameters.text("token") or ""
    newcomer = Newcomer(
        context.principal, call.parameters.text("name"), call.parameters.text("phone")
    )

    async def work(tx: Transaction) -> Json:
        done = await accept(context.store, tx, token, newcomer)
        note(
            context,
            tx,
            "invitation-accepted",
            done.patient,
            (done.reference,),
            detail=done.offered,
        )
        return parameters(
            ("kind", "valueCode", done.kind),
            ("reference", "valueReference", {"reference": done.reference}),
            ("patient", "valueReference", {"reference": f"Patient/{done.patient}"}),
            ("as", "valueCode", done.offered),
        )

    return Answer(await context.store.write(context.tenant, work))


async def invitations(context: Context, _call: Call) -> Answer:
    """Return Parameters with one `invitation` per invitation of the caller, an administrator's: of everybody."""

    async def work(tx: Transaction) -> Json:
        whose = None if context.access.everything else context.principal
        found = await context.store.relationships.invitations.listed(tx, whose)
        return groups("invitation", [_told(one) for one in found])

    return Answer(await context.store.write(context.tenant, work))


async def withdraw_invitation(context: Context, call: Call) -> Answer:
    """End an invitation that nobody has used. Raises `NotFound`."""
    require_own_hand(context)
    id_ = call.parameters.text("id") or ""

    async def work(tx: Transaction) -> None:
        whose = None if context.access.everything else context.principal
        if not await context.store.relationships.invitations.withdraw(tx, id_, whose):
            message = f"There is no invitation {id_!r} that could be withdrawn."
            raise NotFound(message)

    await context.store.write(context.tenant, work)
    return Answer(status=204)


def _told(one: Invitation) -> list[Row]:
    return [
        ("id", "valueId", one.id),
        ("as", "valueCode", one.offered),
        ("patient", "valueReference", {"reference": f"Patient/{one.patient}"}),
        ("careTeam", "valueReference", one.team and {"reference": f"CareTeam/{one.team}"}),
        (
            "inviter",
            "valueReference",
            {"reference": one.inviter.reference} if one.inviter.reference else None,
        ),
        ("created", "valueInstant", instant(one.created)),
        ("expires", "valueInstant", instant(one.expires)),
        ("withdrawn", "valueInstant", one.withdrawn and instant(one.withdrawn)),
        ("accepted", "valueInstant", one.accepted and instant(one.accepted)),
        ("became", "valueReference", {"reference": one.became} if one.became else None),
    ]


def _id(reference: str, type_: str) -> str:
    kind, _, id_ = reference.partition("/")
    if kind != type_ or not id_:
        message = f"Give a reference {type_}/id."
        raise BadRequest(message)
    return id_


INVITE: Final = Operation(
    "invite",
    SYSTEM,
    None,
    affects_state=True,
    run=invite,
    inputs=(Input("as", "code", least=1), Input("patient"), Input("careTeam")),
)
ACCEPT_INVITATION: Final = Operation(
    "accept-invitation",
    SYSTEM,
    None,
    affects_state=True,
    run=accept_invitation,
    inputs=(Input("token", least=1), Input("name"), Input("phone")),
)
INVITATIONS: Final = Operation("invitations", SYSTEM, None, affects_state=False, run=invitations)
WITHDRAW_INVITATION: Final = Operation(
    "withdraw-invitation",
    SYSTEM,
    None,
    affects_state=True,
    run=withdraw_invitation,
    inputs=(Input("id", "id", least=1),),
)
