"""What somebody is to a patient when they make or end a relationship: asked anew at each step.

An app's token changes relationships only with a scope that lets it update CareTeams: who sees what is
more than what is seen.
"""

from fhirserver.interactions.admitting import writer_who_is
from fhirserver.interactions.context import Context
from fhirserver.kernel.errors import Forbidden, NotFound, Unprocessable
from fhirserver.kernel.ports import RecordStore, Transaction
from fhirserver.kernel.principal import Principal
from fhirserver.kernel.resource import Json
from fhirserver.relations.care_team import administers
from fhirserver.relations.invitations import Standing
from fhirserver.relations.on_call import INACTIVE, reference_of


def require_own_hand(context: Context, patient: str | None = None) -> None:
    """Raise `Forbidden` for a token that an app was given without the right to update CareTeams.

    Where it is about one `patient` (an id), scopes of ``patient/`` are for the one the app was opened on.
    """
    access = context.access
    if access.scopes is None or any(
        one.type in ("*", "CareTeam")
        and "u" in one.letters
        and not one.filter
        and (one.context != "patient" or patient in (None, access.launch))
        for one in access.scopes
    ):
        return
    message = "This token may not change relationships: it has no scope to update CareTeam."
    raise Forbidden(message)


async def team_of(
    store: RecordStore, tx: Transaction, patient: str, team: str | None
) -> Json | None:
    """Return the CareTeam of `patient` that is meant: the one named, or the only one; None where there is none.

    Raises `NotFound` (named, but not an active team of this patient) and `Unprocessable` (which one?).
    """
    if team is not None:
        found = await tx.get("CareTeam", team, lock=True)
        if (
            found is None
            or found.get("status") in INACTIVE
            or reference_of(found.get("subject")) != f"Patient/{patient}"
        ):
            raise NotFound(f"CareTeam/{team} is not known.")
        return found
    known = await store.relationships.people.teams_of(tx, patient)
    if len(known) > 1:
        message = "The patient has several care teams: say which one is meant by careTeam."
        raise Unprocessable(message)
    return await tx.get("CareTeam", known[0], lock=True) if known else None


async def standing_of(
    store: RecordStore, tx: Transaction, who: Principal, patient: str, team: Json | None
) -> Standing | None:
    """Return what `who` is to `patient` and their `team` now, None for nobody who may decide anything."""
    match who.kind:
        case "admin" | "system":
            return "administrator"
        case "patient":
            return "patient" if who.reference == f"Patient/{patient}" else None
        case "clinic-admin" | "practitioner" if team is not None:
            writer = await writer_who_is(store, tx, who)
            if not administers(writer, team, tx.now):
                return None
            return "clinic-admin" if who.kind == "clinic-admin" else "owner"
        case "related-person":
            guardians = await store.relationships.guardians.of(tx, patient)
            is_guardian = any(
                one.member == who.reference and (one.until is None or one.until > tx.now)
                for one in guardians
            )
            return "guardian" if is_guardian else None
    return None
