"""The access decision: which patients a caller has a relationship with, now.

A relationship is a membership in an active CareTeam whose period contains this moment; a patient
also has one with themselves. Nothing else counts: no organisation, no RelatedPerson.patient, no
authorship. What a relationship allows is decided afterwards, by role, in `fhirserver.auth.policy`.

Spec: https://hl7.org/fhir/R4/careteam.html
"""

from collections.abc import Iterable
from datetime import datetime

from fhirserver.kernel.principal import Access, Membership, Principal

_UNBOUND = frozenset({"admin", "system"})
_BY_TEAM = frozenset({"practitioner", "related-person", "patient"})


def decide(principal: Principal, memberships: Iterable[Membership], now: datetime) -> Access:
    """Return what `principal` may touch at `now` (aware).

    Administrators and the system reach everything in their tenant. Practitioners, related persons
    and patients reach the patients of the teams they are in at `now`, a patient also themselves. A
    device reaches nothing: it speaks to the broker, not to the record. Memberships of somebody else
    are ignored.
    """
    if principal.kind in _UNBOUND:
        return Access(principal, everything=True)
    if principal.kind not in _BY_TEAM:
        return Access(principal, everything=False)
    patients = {
        membership.patient
        for membership in memberships
        if membership.member == principal.reference and is_current(membership, now)
    }
    own = own_patient(principal)
    if own is not None:
        patients.add(own)
    return Access(principal, everything=False, patients=frozenset(patients))


def is_current(membership: Membership, now: datetime) -> bool:
    """Return whether `now` lies inside the membership.

    Both bounds belong to it, as in a FHIR Period.
    """
    return (membership.starts is None or membership.starts <= now) and (
        membership.ends is None or now <= membership.ends
    )


def own_patient(principal: Principal) -> str | None:
    """Return the id of the Patient that `principal` is, None for everybody else."""
    if principal.kind != "patient":
        return None
    type_, _, id_ = principal.reference.partition("/")
    return id_ if type_ == "Patient" and id_ else None
