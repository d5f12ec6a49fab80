"""Who is asking, and what the access decision allowed them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

PrincipalKind = Literal[
    "admin",
    "clinic-admin",
    "practitioner",
    "technician",
    "related-person",
    "patient",
    "client",
    "device",
    "system",
]
# What makes somebody a member: a CareTeam, help in an emergency without one, help between two patients.
Basis = Literal["care-team", "break-glass", "peer"]


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller. `reference` is the FHIR resource it acts as (``RelatedPerson/bob``), empty for an
    administrator or the system itself; that of a ``client`` (a program that acts for itself) is its client id.
    """

    tenant: int
    kind: PrincipalKind
    reference: str


@dataclass(frozen=True, slots=True)
class Membership:
    """A fact from an active CareTeam: `member` (a reference) belongs to the team of `patient` (an id).

    `role` is the participant's role code, None when the CareTeam states none. `starts`/`ends` bound the
    membership (CareTeam.period and participant.period intersected); None means open.
    """

    patient: str
    member: str
    role: str | None
    starts: datetime | None
    ends: datetime | None
    basis: Basis = "care-team"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a bearer token stands for.

    `scopes` are SMART scopes, None for a token that nothing narrows (issued by an administrator). `patient` is the id
    that ``patient/`` scopes are about. `client` is the OAuth client it was given to, `account` whose login it is.
    """

    principal: Principal
    scopes: tuple[str, ...] | None = None
    patient: str | None = None
    client: str | None = None
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """What `auth.decide` concluded for one principal at one moment.

    `everything` lifts the patient filter inside the tenant (administrators, the system). Otherwise only resources
    of `patients` (ids) and of no patient at all are visible, subject to the role policy in `fhirserver.auth`.
    """

    principal: Principal
    everything: bool
    patients: frozenset[str] = field(default_factory=frozenset)
