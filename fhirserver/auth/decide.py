"""The access decision: which patients a caller has a relationship with now, and what narrows it.

A relationship is a membership that contains this moment: in an active CareTeam, by help in an emergency, between two
patients, by the roster of an organization, by the care of a minor; a patient also has one with themselves. Nothing
else counts: no RelatedPerson.patient, no authorship. What a relationship allows is decided afterwards, by role, in
`fhirserver.auth.policy`, where the Consents and scopes collected here narrow it.

Spec: https://hl7.org/fhir/R4/careteam.html
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Final

from fhirserver.auth.consent import concerning
from fhirserver.auth.scopes import read_scopes
from fhirserver.kernel.principal import (
    Access,
    Basis,
    Bond,
    Grant,
    Membership,
    Principal,
    PrincipalKind,
    Provision,
    Relations,
)
from fhirserver.kernel.scope import Scope

# By whom each kind of relationship can be had. A fact about anybody else says nothing.
_BASES: Final[dict[PrincipalKind, frozenset[Basis]]] = {
    "practitioner": frozenset({"care-team", "break-glass"}),
    "technician": frozenset({"care-team"}),
    "clinic-admin": frozenset({"roster"}),
    "related-person": frozenset({"care-team", "guardian"}),
    "patient": frozenset({"care-team", "peer"}),
}
_NOTHING: Final = Relations()


def decide(
    principal: Principal,
    relations: Relations | Iterable[Membership],
    now: datetime,
    grant: Grant | None = None,
) -> Access:
    """Return what `principal` may touch at `now` (aware), as holder of `grant` where there is a token.

    Administrators and the system reach everything in their tenant, a client every patient of it as its scopes say.
    The others reach the patients of their current relationships, a patient also themselves. A device reaches
    nothing: it speaks to the broker, not to the record. Relations of somebody else are ignored.
    """
    known = relations if isinstance(relations, Relations) else Relations(tuple(relations))
    access = _related(principal, known, now)
    return _same(access if grant is None else _held(access, grant))


def is_current(membership: Membership, now: datetime) -> bool:
    """Return whether `now` lies inside the membership.

    Both bounds belong to it, as in a FHIR Period.
    """
    return (membership.starts is None or membership.starts <= now) and (
        membership.ends is None or now <= membership.ends
    )


def counts(principal: Principal, membership: Membership) -> bool:
    """Return whether `membership` is one of `principal`, of a kind that they can have."""
    return membership.member == principal.reference and membership.basis in _BASES.get(
        principal.kind, ()
    )


def own_patient(principal: Principal) -> str | None:
    """Return the id of the Patient that `principal` is, None for everybody else."""
    if principal.kind != "patient":
        return None
    type_, _, id_ = principal.reference.partition("/")
    return id_ if type_ == "Patient" and id_ else None


def scopes_that_count(principal: Principal, texts: Iterable[str]) -> tuple[Scope, ...]:
    """Return the scopes on resources among `texts`: ``system/`` is for clients alone, the others for people."""
    of_program = principal.kind == "client"
    return tuple(
        one for one in read_scopes(texts).resources if (one.context == "system") == of_program
    )


@lru_cache(maxsize=4096)
def _same(access: Access) -> Access:
    """Return the first one that was equal, so that what was concluded for it is found again at once."""
    return access


def _related(principal: Principal, relations: Relations, now: datetime) -> Access:
    if principal.is_unbound:
        return Access(principal, everything=True)
    if principal.kind == "client":
        return Access(principal, everything=False, tenant_wide=True, scopes=())
    current = [
        one for one in relations.memberships if counts(principal, one) and is_current(one, now)
    ]
    patients = {one.patient for one in current}
    own = own_patient(principal)
    if own is not None:
        patients.add(own)
    return Access(
        principal,
        everything=False,
        patients=frozenset(patients),
        bonds=frozenset(Bond(one.patient, one.basis, one.role) for one in current),
        provisions=_provisions(principal, current, relations, now),
    )


def _provisions(
    principal: Principal,
    memberships: Iterable[Membership],
    relations: Relations,
    now: datetime,
) -> frozenset[Provision]:
    """Return what Consents say of this caller: as themselves, as a member of a team, in a role there."""
    given: dict[str, list[Provision]] = {}
    for one in relations.provisions:
        given.setdefault(one.patient, []).append(one)
    names = {patient: {principal.reference, *relations.names} for patient in given}
    roles: dict[str, set[str]] = {patient: {principal.kind} for patient in given}
    for membership in memberships:
        if membership.patient in given:
            names[membership.patient] |= {membership.source} - {""}
            roles[membership.patient] |= {membership.role or principal.kind}
    return frozenset[Provision]().union(
        *(
            concerning(about, frozenset(names[patient]), frozenset(roles[patient]), now)
            for patient, about in given.items()
        )
    )


def _held(access: Access, grant: Grant) -> Access:
    """Return `access` as far as the token reaches."""
    found = replace(access, client=grant.client, account=grant.account)
    if grant.scopes is None:
        return found
    scopes = scopes_that_count(access.principal, grant.scopes)
    found = replace(found, everything=False, scopes=scopes, launch=grant.patient)
    wide = access.everything or access.tenant_wide
    if wide and any(one.context != "patient" for one in scopes):
        return replace(found, tenant_wide=True)
    # Row-level security too shall show a token of one patient nobody else.
    reached = access.patients
    launched = grant.patient if wide or grant.patient in reached else None
    own = frozenset[str]() if launched is None else frozenset({launched})
    if wide or not any(one.context == "user" for one in scopes):
        reached = own
    return replace(
        found,
        tenant_wide=False,
        patients=reached,
        bonds=frozenset(one for one in found.bonds if one.patient in reached),
    )
