"""Keeps, for each patient, who is told of alerts and how, and their managed Subscriptions.

Follows CareTeams, of patients and of people on call, and the resources of their members. A member
with a telephone gets a Subscription in status ``requested``; the worker sends the verification
message, its answer makes it ``active``.
"""

from collections.abc import Sequence

from fhirserver.auth.consent import provisions_of
from fhirserver.kernel.changes import Change
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from fhirserver.relations.on_call import is_on_call, reference_of
from subscriptions.core.care_team import (
    MEMBER_TYPES,
    Participant,
    Reach,
    merged_into,
    organizations_of,
    participants,
    patient_of,
    reach,
)
from subscriptions.core.managed_subscription import managed, phone_of, subscription_id
from subscriptions.core.phone import phones
from subscriptions.core.verification import after
from subscriptions.response import messaging_consents
from subscriptions.response.ladders import Ladders
from subscriptions.store import contact_rows, managed_rows
from subscriptions.store.contact_rows import ON_CALL, ContactRow
from subscriptions.store.reply_code_rows import phone_lookup


class Contacts:
    """Maintains contact rows and managed Subscriptions; tells `ladders` when a roster changed."""

    def __init__(self, ladders: Ladders) -> None:
        """Tell `ladders` about changed rosters."""
        self._ladders = ladders

    async def changed(self, tx: Transaction, changes: Sequence[Change]) -> None:
        """Follow what changed in CareTeams and in who their members are."""
        patients: dict[str, None] = {}
        teams = dict.fromkeys(await self._teams_of_members(tx, changes))
        for change in changes:
            if change.type == "CareTeam":
                teams[change.id] = None
                await self._left_behind(tx, change, patients)
            elif change.type == "Consent":
                await messaging_consents.withdrawn(tx, change)
                if change.patient is not None and _denies(change):
                    patients[change.patient] = None
            elif change.type == "Patient" and merged_into(change.resource) is not None:
                patients[change.id] = None
        for team in teams:
            await self._rebuild(tx, team, patients)
        for patient in patients:
            await self._ladders.roster_changed(tx, patient)

    async def _left_behind(
        self, tx: Transaction, change: Change, patients: dict[str, None]
    ) -> None:
        """Remove the contacts of a team that was deleted or now is about somebody else."""
        before, now = _told_of(change.previous), _told_of(change.resource)
        if before is None or before == now:
            return
        await contact_rows.replace_team(tx, before, change.id, ())
        if before == ON_CALL:
            await contact_rows.answers_for(tx, change.id, ())
            await self._lists(tx, change.id, patients)
        else:
            patients[before] = None

    async def _lists(self, tx: Transaction, team: str, patients: dict[str, None]) -> None:
        """Note everybody who is answered for by people on call in `team`."""
        patients.update(dict.fromkeys(await contact_rows.patients_of_team_on_call(tx, team)))
        await self._ladders.on_call_changed(tx)

    async def _teams_of_members(self, tx: Transaction, changes: Sequence[Change]) -> list[str]:
        """Return the teams that anybody among `changes` is part of."""
        members = [change for change in changes if change.type in MEMBER_TYPES]
        if not members:
            return []
        return await contact_rows.teams_of(
            tx,
            [change.reference for change in members],
            [change.id for change in members if change.type == "Patient"],
        )

    async def _rebuild(self, tx: Transaction, team_id: str, patients: dict[str, None]) -> None:
        team = await tx.get("CareTeam", team_id)
        patient = _told_of(team)
        if team is None or patient is None:
            return
        own = None if patient == ON_CALL else await tx.get("Patient", patient)
        shared = set(phones([] if own is None else own.get("telecom", [])))
        rows = []
        for participant in participants(team):
            how = await self._reach(tx, participant.member)
            rows.append(_row(tx, patient, team_id, participant, how, shared))
            if participant.member.startswith("CareTeam/"):
                continue
            if how.phone is not None:
                await self._ensure(tx, participant.member, how.phone)
                await managed_rows.speak(tx, subscription_id(participant.member), how.language)
            else:
                await self._withdraw(tx, participant.member)
        await contact_rows.replace_team(tx, patient, team_id, rows)
        if patient == ON_CALL:
            await contact_rows.answers_for(tx, team_id, organizations_of(team))
            await self._lists(tx, team_id, patients)
        else:
            patients[patient] = None

    async def _reach(self, tx: Transaction, member: str) -> Reach:
        type_, _, id_ = member.partition("/")
        resource = None if type_ == "CareTeam" else await tx.get(type_, id_)
        if resource is None or resource.get("active") is False:
            return Reach(None, "en")
        return reach(resource, await self._practitioner_of(tx, resource))

    async def _practitioner_of(self, tx: Transaction, resource: Json) -> Json | None:
        reference = reference_of(resource.get("practitioner"))
        return await tx.get("Practitioner", reference.partition("/")[2]) if reference else None

    async def _ensure(self, tx: Transaction, member: str, phone: str) -> None:
        id_ = subscription_id(member)
        current = await tx.get("Subscription", id_, lock=True)
        if current is None:
            await tx.put(managed(member, phone, "requested"), id_=id_)
        elif phone_of(current) != phone:
            status = after(current["status"], "number-changed")
            await messaging_consents.record(tx, member, given=False)
            await tx.put(managed(member, phone, status), id_=id_)

    async def _withdraw(self, tx: Transaction, member: str) -> None:
        id_ = subscription_id(member)
        if await tx.get("Subscription", id_) is not None:
            await tx.delete("Subscription", id_)


def _denies(change: Change) -> bool:
    """Return whether a Consent takes something away, or did before."""
    contents = (change.previous, change.resource)
    return any(not one.permits for content in contents if content for one in provisions_of(content))


def _told_of(team: Json | None) -> str | None:
    """Return whose alerts a CareTeam is told of: a patient's id, `ON_CALL`, or None for nobody's."""
    if team is None:
        return None
    patient = patient_of(team)
    return ON_CALL if patient is None and is_on_call(team) else patient


def _row(
    tx: Transaction,
    patient: str,
    team: str,
    participant: Participant,
    how: Reach,
    shared: set[str],
) -> ContactRow:
    is_patient = participant.member == f"Patient/{patient}"
    return ContactRow(
        patient=patient,
        care_team=team,
        member=participant.member,
        tier=participant.tier,
        language=how.language,
        phone_lookup=None if how.phone is None else phone_lookup(tx, how.phone),
        shares_with_patient=is_patient or how.phone in shared,
        subscription=None if how.phone is None else subscription_id(participant.member),
        starts=participant.starts,
        ends=participant.ends,
        behind=how.behind,
        plan=participant.plan,
    )
