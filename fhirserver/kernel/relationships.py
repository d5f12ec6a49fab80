"""Relationships with patients that are no CareTeam, as operations see them: facts, and the port to their rows.

Everything happens inside a write transaction of the caller's tenant. What a fact allows is decided by
`fhirserver.auth`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Principal, PrincipalKind


@dataclass(frozen=True, slots=True)
class Emergency:
    """A look into the record of `patient` (an id) by somebody outside the team, and what a second person said of it.

    `practitioner` is a reference, `task` the id of the Task that asks for the review. `reviewed`, `reviewer`,
    `verdict` and `note` are None until then.
    """

    id: str
    patient: str
    practitioner: str
    reason: str
    started: datetime
    expires: datetime
    task: str
    ended: datetime | None = None
    reviewed: datetime | None = None
    reviewer: str | None = None
    verdict: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Invitation:
    """An offer to become part of the care of `patient` (an id) as `offered`, perhaps in the CareTeam `team` (an id).

    `accepted_by` is the reference of who took it up, "" for somebody who had no role before; `became` the one
    they act as since.
    """

    id: str
    offered: str
    patient: str
    team: str | None
    inviter: Principal
    created: datetime
    expires: datetime
    withdrawn: datetime | None = None
    accepted: datetime | None = None
    accepted_by: str | None = None
    became: str | None = None


@dataclass(frozen=True, slots=True)
class RosterLine:
    """A patient (an id) of an organization, by the CareTeam (an id) that it manages."""

    patient: str
    team: str
    starts: datetime | None
    ends: datetime | None


@dataclass(frozen=True, slots=True)
class Guardian:
    """A guardian (a reference) of `patient`; `until` is when they come of age, None where nobody knows or it is kept."""

    patient: str
    member: str
    since: datetime
    until: datetime | None
    kept: bool


class Emergencies(Protocol):
    """Access in an emergency, and its review."""

    async def open(self, tx: Transaction, emergency: Emergency) -> None:
        """Let it begin."""

    async def current(self, tx: Transaction, patient: str, practitioner: str) -> Emergency | None:
        """Return the one that lasts now, None without one."""

    async def end(self, tx: Transaction, patient: str, practitioner: str | None) -> int:
        """End those that last, of everybody for None; return how many."""

    async def listed(self, tx: Transaction, *, reviewed: bool | None) -> Sequence[Emergency]:
        """Return the newest first, at most a thousand; None: reviewed or not."""

    async def one(self, tx: Transaction, id_: str) -> Emergency | None:
        """Return and lock one, None when there is none."""

    async def review(
        self, tx: Transaction, emergency: Emergency, reviewer: str, verdict: str, note: str | None
    ) -> None:
        """Note what the second person said."""


class Invitations(Protocol):
    """Invitations: the token is known to who holds it, a digest of it to the database."""

    async def make(self, tx: Transaction, invitation: Invitation) -> str:
        """Keep `invitation` and return its token, shown this once."""

    async def find(self, tx: Transaction, token: str) -> Invitation | None:
        """Return and lock what a token offers; None when it is unknown, used, withdrawn or too old."""

    async def use(self, tx: Transaction, invitation: Invitation, by: str, became: str) -> None:
        """Note that it was accepted."""

    async def listed(self, tx: Transaction, inviter: Principal | None) -> Sequence[Invitation]:
        """Return those of an inviter, of everybody for None, the newest first, at most a thousand."""

    async def withdraw(self, tx: Transaction, id_: str, inviter: Principal | None) -> bool:
        """Withdraw one that nobody has used, of that inviter (None: anybody's); False when there is none."""


class Peers(Protocol):
    """Support between two patients."""

    async def agree(self, tx: Transaction, one: str, other: str) -> None:
        """Let two patients (ids) see each other's alarms from now on."""

    async def end(self, tx: Transaction, one: str, other: str, by: str) -> bool:
        """End it for both; False when there is nothing to end."""

    async def of(self, tx: Transaction, patient: str) -> Sequence[str]:
        """Return the ids of who supports `patient` now."""


class Guardians(Protocol):
    """Guardians of minors, who see the whole record until those come of age."""

    async def appoint(self, tx: Transaction, patient: str, member: str) -> None:
        """Make `member` (a RelatedPerson reference) a guardian of `patient` until they come of age."""

    async def keep(self, tx: Transaction, patient: str, member: str) -> bool:
        """Let the guardian stay beyond that; False when they are none."""

    async def end(self, tx: Transaction, patient: str, member: str) -> bool:
        """End it; False when there is nothing to end."""

    async def of(self, tx: Transaction, patient: str) -> Sequence[Guardian]:
        """Return the guardians who have not ended, also those whose time is over."""


class People(Protocol):
    """Who is who: staff and their organizations, one human in several roles."""

    async def organizations_of(self, tx: Transaction, staff: str) -> frozenset[str]:
        """Return the ids of the organizations in which a Practitioner or PractitionerRole (a reference) works now."""

    async def staff_roles_of(self, tx: Transaction, practitioner: str) -> frozenset[str]:
        """Return the references of the PractitionerRoles in which a Practitioner (a reference) works now."""

    async def roster(self, tx: Transaction, organization: str) -> Sequence[RosterLine]:
        """Return the patients of an organization's teams that are in force now, by id, at most ten thousand."""

    async def teams_of(self, tx: Transaction, patient: str) -> Sequence[str]:
        """Return the ids of the active CareTeams of `patient` that have members."""

    async def roles_of(self, tx: Transaction, reference: str) -> Sequence[str]:
        """Return the references that are the same human, by an active Person; `reference` itself first."""

    async def person_of(self, tx: Transaction, reference: str) -> str | None:
        """Return the id of the active Person that links to `reference`, None without one."""

    async def acts_as(self, tx: Transaction, account: str, references: Sequence[str]) -> bool:
        """Return whether the account (its id) may act as one of `references`."""

    async def let_act(
        self, tx: Transaction, known: str, kind: PrincipalKind, reference: str
    ) -> int:
        """Let every account that acts as `known` act as `reference` too; return how many there are."""


class Machines(Protocol):
    """Machines and who uses them."""

    async def used_by(
        self,
        tx: Transaction,
        device: str,
        within: tuple[datetime | None, datetime | None],
        but: str,
    ) -> Sequence[str]:
        """Return the ids of the patients for whom `device` (an id) is in use at some time `within`.

        The DeviceUseStatement `but` (an id) does not count.
        """


class Relationships(Protocol):
    """All of them."""

    @property
    def machines(self) -> Machines:
        """Who uses machines."""

    @property
    def emergencies(self) -> Emergencies:
        """Access in an emergency."""

    @property
    def invitations(self) -> Invitations:
        """Invitations."""

    @property
    def peers(self) -> Peers:
        """Support between patients."""

    @property
    def guardians(self) -> Guardians:
        """Guardians."""

    @property
    def people(self) -> People:
        """Who is who."""
