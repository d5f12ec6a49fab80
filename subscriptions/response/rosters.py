"""Reads who is told of a patient's alerts now: care teams, the people on call, who can be reached."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import structlog

from fhirserver.auth.consent import silences
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Provision
from fhirserver.relations import on_call
from fhirserver.relations.on_call import Unreadable
from subscriptions.core.care_team import merged_into
from subscriptions.core.ladder_state import Roster
from subscriptions.core.phone import phones
from subscriptions.core.roster import Listed, roster_at
from subscriptions.store import consent_rows, contact_rows
from subscriptions.store.contact_rows import ContactRow, Reachable
from subscriptions.store.reply_code_rows import phone_lookup

_log = structlog.get_logger(__name__)
_UNREACHABLE: Final = {"requested": "not-verified", "off": "stopped", "error": "number-dead"}
_TEAM: Final = "CareTeam/"
# A team on call that lists a team on call that lists one: further down nobody means it.
_DEEPEST: Final = 3


@dataclass(frozen=True, slots=True)
class People:
    """The roster, and behind each of its members the row that says how to reach them."""

    roster: Roster
    rows: dict[str, Reachable]


async def roster_of(tx: Transaction, patient: str) -> Roster:
    """Return who is told of alerts of `patient` now."""
    return (await people_of(tx, patient)).roster


async def people_of(tx: Transaction, patient: str) -> People:
    """Return who is told of alerts of `patient` now, with how they are reached.

    A patient whose record was merged into another, and whose teams moved there, keeps these teams.
    """
    rows = await contact_rows.of_patient(tx, patient)
    seen = {patient}
    while not rows:
        survivor = merged_into(await tx.get("Patient", patient))
        if survivor is None or survivor in seen:
            break
        patient = survivor
        seen.add(patient)
        rows = await contact_rows.of_patient(tx, patient)
    denied = await consent_rows.of_patient(tx, patient) if rows else ()
    gathering = _Gathering(tx, await _shared_numbers(tx, patient, rows), denied)
    gathering.changes.extend(bound for one in denied for bound in (one.starts, one.ends))
    for reachable in rows:
        await gathering.add(reachable, reachable.contact, 0)
    return gathering.people()


async def people_on_call(tx: Transaction, organization: str | None) -> People:
    """Return who is on call now for an organization (its id; None: nobody is)."""
    gathering = _Gathering(tx, frozenset())
    teams = [] if organization is None else await contact_rows.on_call_for(tx, organization)
    for team in teams:
        await gathering.add_team(team, None, 0)
    return gathering.people()


async def _shared_numbers(
    tx: Transaction, patient: str, rows: Sequence[Reachable]
) -> frozenset[int]:
    """Return the patient's own numbers where people on call must be compared with them."""
    if not any(row.contact.member.startswith(_TEAM) for row in rows):
        return frozenset()
    own = await tx.get("Patient", patient)
    telecom = [] if own is None else own.get("telecom", [])
    return frozenset(phone_lookup(tx, phone) for phone in phones(telecom))


@dataclass(slots=True)
class _Gathering:
    """Everybody listed so far, in their own right or as one on call."""

    tx: Transaction
    shared: frozenset[int]
    # What the patient's Consents say.
    consents: tuple[Provision, ...] = ()
    listed: list[Listed] = field(default_factory=list)
    rows: dict[str, Reachable] = field(default_factory=dict)
    changes: list[datetime | None] = field(default_factory=list)

    def people(self) -> People:
        return People(roster_at(self.listed, self.tx.now, self.changes), self.rows)

    async def add(self, reachable: Reachable, place: ContactRow, depth: int) -> None:
        """Add who `reachable` is, standing where `place` says; a team is who is on duty in it."""
        contact = reachable.contact
        if contact.member.startswith(_TEAM):
            await self.add_team(contact.member.removeprefix(_TEAM), place, depth)
            return
        plan = replace(contact.plan, order=place.plan.order, pace=place.plan.pace)
        if place is not contact:
            plan = replace(plan, quiet=(*contact.plan.quiet, *place.plan.quiet))
        self.listed.append(
            Listed(
                member=contact.member,
                tier=place.tier,
                plan=plan,
                starts=place.starts,
                ends=place.ends,
                shares_with_patient=contact.shares_with_patient
                or contact.phone_lookup in self.shared,
                unreachable=_unreachable(reachable) or self._denied(contact),
            )
        )
        self.rows.setdefault(contact.member, reachable)

    def _denied(self, contact: ContactRow) -> str | None:
        names = [one for one in (contact.member, contact.behind) if one is not None]
        silent = any(silences(self.consents, one, None, self.tx.now) for one in names)
        return "denied" if silent else None

    async def add_team(self, team: str, place: ContactRow | None, depth: int) -> None:
        """Add who is on duty in a team on call, where `place` says (None: where it says itself)."""
        resource = await self.tx.get("CareTeam", team)
        if resource is None or depth >= _DEEPEST:
            return
        try:
            duty = on_call.on_call_at(resource, self.tx.now)
            self.changes.append(on_call.next_change(resource, self.tx.now))
        except Unreadable as problem:
            _log.warning("a schedule cannot be read", care_team=team, reason=str(problem))
            return
        known = {
            one.contact.member: one for one in await contact_rows.of_team_on_call(self.tx, team)
        }
        for member in duty:
            reachable = known.get(member)
            if reachable is not None:
                await self.add(reachable, place or reachable.contact, depth + 1)


def _unreachable(reachable: Reachable) -> str | None:
    if reachable.contact.phone_lookup is None:
        return "no-number"
    if reachable.status == "active":
        return None
    return _UNREACHABLE.get(reachable.status or "", "not-verified")
