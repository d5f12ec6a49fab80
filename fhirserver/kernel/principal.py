"""Who is asking, and what the access decision allowed them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from fhirserver.kernel.scope import Scope

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
# What makes somebody a member: a CareTeam, help in an emergency without one, help between two patients, the
# roster of an organization, the care of a minor.
Basis = Literal["care-team", "break-glass", "peer", "roster", "guardian"]


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller. `reference` is the FHIR resource it acts as (``RelatedPerson/bob``), empty for an
    administrator or the system itself; that of a ``client`` (a program that acts for itself) is its client id.
    """

    tenant: int
    kind: PrincipalKind
    reference: str

    @property
    def is_unbound(self) -> bool:
        """Whether no relationship limits it: an administrator of the tenant, or the system itself."""
        return self.kind in ("admin", "system")


@dataclass(frozen=True, slots=True)
class Membership:
    """A fact: `member` (a reference) has to do with `patient` (an id), because of `basis`.

    `role` is the participant's role code, None when the CareTeam states none. `starts`/`ends` bound the
    membership (CareTeam.period and participant.period intersected); None means open. `source` is the reference of
    what says so, where that is known.
    """

    patient: str
    member: str
    role: str | None
    starts: datetime | None
    ends: datetime | None
    basis: Basis = "care-team"
    source: str = ""


@dataclass(frozen=True, slots=True)
class Provision:
    """One statement of a Consent about the record of `patient` (an id).

    `level` is 0 for what the Consent says at first, 1 for an exception to that, and so on. Empty `actors`
    (references), `roles` (role codes), `actions` and `classes` (resource types) mean any. `consent` is the id of
    the Consent.
    """

    patient: str
    consent: str
    permits: bool
    level: int = 0
    actors: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()
    classes: frozenset[str] = frozenset()
    starts: datetime | None = None
    ends: datetime | None = None


@dataclass(frozen=True, slots=True)
class Relations:
    """What is known of one caller's relations: `provisions` are those of the patients of `memberships`, and their own.

    `until` is when one of the shifts and roles that were looked at ends or the next one begins, None without any.
    `names` are further references that mean the caller: of a Practitioner the roles and their organizations, of a
    PractitionerRole who is in it and where.
    """

    memberships: tuple[Membership, ...] = ()
    provisions: tuple[Provision, ...] = ()
    until: datetime | None = None
    names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Grant:
    """What a bearer token stands for.

    `scopes` are SMART scopes, None for a token that nothing narrows (issued by an administrator). `patient` is the id
    that ``patient/`` scopes are about. `client` is the OAuth client it was given to, `account` whose login it is.
    `expires` is when the token does, None for what is no token.
    """

    principal: Principal
    scopes: tuple[str, ...] | None = None
    patient: str | None = None
    client: str | None = None
    account: str | None = None
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class Bond:
    """Why a caller reaches `patient` now."""

    patient: str
    basis: Basis
    role: str | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """What `auth.decide` concluded for one principal at one moment.

    `everything`: nothing limits the caller inside the tenant (administrators, the system). Otherwise only resources
    of `patients` (ids; of every patient with `tenant_wide`) and of no patient at all are visible, subject to the
    role policy in `fhirserver.auth`, to the `provisions` of Consents that hold now and concern this caller, and to
    the `scopes` of the token (None: nothing narrows). `bonds` say why each patient is reached; one without any is
    reached as a member of the team. `launch` is the patient that ``patient/`` scopes are about.
    """

    principal: Principal
    everything: bool
    patients: frozenset[str] = field(default_factory=frozenset)
    bonds: frozenset[Bond] = field(default_factory=frozenset)
    provisions: frozenset[Provision] = field(default_factory=frozenset)
    scopes: tuple[Scope, ...] | None = None
    launch: str | None = None
    client: str | None = None
    account: str | None = None
    tenant_wide: bool = False
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Remember the hash: every look at a resource asks for what was concluded for this value before."""
        parts = (
            self.principal,
            self.everything,
            self.patients,
            self.bonds,
            self.provisions,
            self.scopes,
            self.launch,
            self.client,
            self.tenant_wide,
        )
        object.__setattr__(self, "_hash", hash(parts))

    def __hash__(self) -> int:
        """Return the remembered hash."""
        return self._hash
