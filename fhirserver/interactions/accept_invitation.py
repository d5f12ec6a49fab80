"""An invitation is accepted: a RelatedPerson, a place in the team, a support link, all in one transaction.

`RelatedPerson.patient` is 1..1, so whoever helps two patients is two RelatedPersons and one human: a
Person links them, and the login that acted as one may act as the other.

Spec: https://hl7.org/fhir/R4/relatedperson.html, https://hl7.org/fhir/R4/person.html
"""

from dataclasses import dataclass
from typing import Final

from fhirserver.interactions.standing import standing_of, team_of
from fhirserver.kernel.canonical import CARE_TEAM_ADMIN
from fhirserver.kernel.errors import Forbidden, NotFound, Unprocessable
from fhirserver.kernel.instant import instant
from fhirserver.kernel.ports import RecordStore, Transaction
from fhirserver.kernel.principal import Principal, PrincipalKind
from fhirserver.kernel.relationships import Invitation
from fhirserver.kernel.resource import Json
from fhirserver.relations.care_team import is_owner
from fhirserver.relations.fhir_period import holds
from fhirserver.relations.invitations import OFFERS, Offer, may_accept, may_invite
from fhirserver.relations.on_call import reference_of

_ROLE_CODES: Final = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
_GUARDIAN: Final = {"coding": [{"system": _ROLE_CODES, "code": "GUARD"}]}
_VOID: Final = "This invitation is unknown, used, withdrawn or too old."


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Who accepts: `acting` as somebody known here, or None for a human without a role yet.

    `name` and `phone` are for the RelatedPerson that family becomes; None where nothing is said.
    """

    acting: Principal | None
    name: str | None = None
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """Who they are now: `kind` and `reference`, to whom (`patient`, an id), and as what."""

    kind: PrincipalKind
    reference: str
    patient: str
    offered: str


async def accept(store: RecordStore, tx: Transaction, token: str, newcomer: Newcomer) -> Accepted:
    """Carry out what the invitation with this token offers.

    Raises `Unprocessable` (unknown, used, withdrawn, too old, or its inviter may no longer invite: the
    same words for all) and `Forbidden` (it is for somebody in another role).
    """
    found = await store.relationships.invitations.find(tx, token)
    if found is None:
        raise Unprocessable(_VOID)
    offer = _offer(found)
    who = newcomer.acting
    if not may_accept(who, offer, found.patient):
        message = f"An invitation as {offer} is not for somebody who acts as you do."
        raise Forbidden(message)
    try:
        team = await team_of(store, tx, found.patient, found.team)
    except NotFound:
        raise Unprocessable(_VOID) from None
    standing = await standing_of(store, tx, found.inviter, found.patient, team)
    if not may_invite(standing, offer) or await tx.get("Patient", found.patient) is None:
        raise Unprocessable(_VOID)
    accepted = await _take_up(store, tx, found, offer, newcomer, team)
    by = "" if who is None else who.reference
    await store.relationships.invitations.use(tx, found, by, accepted.reference)
    return accepted


async def _take_up(
    store: RecordStore,
    tx: Transaction,
    found: Invitation,
    offer: Offer,
    newcomer: Newcomer,
    team: Json | None,
) -> Accepted:
    who = newcomer.acting
    if offer in ("care-partner", "guardian"):
        member = await _family(store, tx, found.patient, newcomer, guardian=offer == "guardian")
        await _join(tx, found.patient, team, member, owner=False)
        if offer == "guardian":
            await store.relationships.guardians.appoint(tx, found.patient, member)
        return Accepted("related-person", member, found.patient, offer)
    if who is None:
        raise AssertionError
    if offer == "peer":
        other = who.reference.removeprefix("Patient/")
        await store.relationships.peers.agree(tx, found.patient, other)
    else:
        await _join(tx, found.patient, team, who.reference, owner=offer == "team-owner")
    return Accepted(who.kind, who.reference, found.patient, offer)


async def _family(
    store: RecordStore, tx: Transaction, patient: str, newcomer: Newcomer, *, guardian: bool
) -> str:
    """Return the RelatedPerson of `patient` that the newcomer is, made where there is none."""
    people, who = store.relationships.people, newcomer.acting
    same = () if who is None else await people.roles_of(tx, who.reference)
    for reference in same:
        type_, _, id_ = reference.partition("/")
        if type_ != "RelatedPerson":
            continue
        known = await tx.get("RelatedPerson", id_)
        if known is not None and reference_of(known.get("patient")) == f"Patient/{patient}":
            return reference
    related: Json = {
        "resourceType": "RelatedPerson",
        "active": True,
        "patient": {"reference": f"Patient/{patient}"},
    }
    if guardian:
        related["relationship"] = [_GUARDIAN]
    if newcomer.name is not None:
        related["name"] = [{"text": newcomer.name}]
    if newcomer.phone is not None:
        related["telecom"] = [{"system": "sms", "value": newcomer.phone}]
    reference = f"RelatedPerson/{(await tx.put(related)).id}"
    if who is not None:
        await _same_human(store, tx, who.reference, reference)
        await people.let_act(tx, who.reference, "related-person", reference)
    return reference


async def _same_human(store: RecordStore, tx: Transaction, known: str, fresh: str) -> None:
    links = [{"target": {"reference": known}}, {"target": {"reference": fresh}}]
    id_ = await store.relationships.people.person_of(tx, known)
    person = None if id_ is None else await tx.get("Person", id_, lock=True)
    if person is None:
        await tx.put({"resourceType": "Person", "active": True, "link": links})
        return
    await tx.put({**person, "link": [*person.get("link", ()), links[1]]}, id_=id_)


async def _join(
    tx: Transaction, patient: str, team: Json | None, member: str, *, owner: bool
) -> None:
    """Add `member` to the team, a first one where the patient has none; nobody is listed twice."""
    listed = [] if team is None else list(team.get("participant", ()))
    mark = {"url": CARE_TEAM_ADMIN, "valueBoolean": True}
    known = next(
        (
            one
            for one in listed
            if reference_of(one.get("member")) == member and holds(one.get("period"), tx.now)
        ),
        None,
    )
    if known is not None:
        if not owner or is_owner(known):
            return
        others = [one for one in known.get("extension", ()) if one.get("url") != CARE_TEAM_ADMIN]
        changed = {**known, "extension": [*others, mark]}
        listed = [changed if one is known else one for one in listed]
    else:
        entry: Json = {"member": {"reference": member}, "period": {"start": instant(tx.now)}}
        if owner:
            entry["extension"] = [mark]
        listed.append(entry)
    if team is not None:
        await tx.put({**team, "participant": listed}, id_=team["id"])
        return
    fresh: Json = {
        "resourceType": "CareTeam",
        "status": "active",
        "subject": {"reference": f"Patient/{patient}"},
        "participant": listed,
    }
    await tx.put(fresh)


def _offer(found: Invitation) -> Offer:
    return next(one for one in OFFERS if one == found.offered)
