"""What is told to the audit: who did what, to whose record, and how it ended.

A `Happening` becomes one AuditEvent for every patient it is about, or a single one where it is about none.

Spec: https://profiles.ihe.net/ITI/BALP/, https://hl7.org/fhir/R4/auditevent.html
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

What = Literal[
    "create",
    "read",
    "vread",
    "update",
    "patch",
    "delete",
    "history",
    "search",
    "operation",
    "batch",
    "unauthenticated",
    "login",
    "login-refused",
    "logout",
    "locked",
    "account-changed",
    "factor-changed",
    "role-changed",
    "launch",
    "authorized",
    "authorization-refused",
    "token-issued",
    "token-refused",
    "token-revoked",
    "client-changed",
    "key-rotated",
    "patient-shredded",
    "break-glass",
    "invited",
    "invitation-accepted",
    "access-changed",
    "expired",
    "ingest",
    "message-shown",
    "disclosed",
]
# AuditEvent.outcome: success, refused or failed by the caller's doing, failed by ours, out of order altogether.
Outcome = Literal["0", "4", "8", "12"]

# Where a part that refuses what came over a websocket says so, in the state of the scope, for whoever watches the door:
# the code it is closed with.
REFUSED_WITH = "refused_with"

SUCCESS: Outcome = "0"
REFUSED: Outcome = "4"
FAILED: Outcome = "8"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it; what is not known is empty.

    `reference` is the resource acted as (``Practitioner/x``), `kind` that of the principal, `client` the id of an OAuth
    client, `account` the id of a login, `address` where the other side is on the network.
    """

    reference: str = ""
    kind: str = ""
    client: str = ""
    account: str = ""
    address: str = ""


# Nobody changes one; it is not frozen because a frozen one takes four times as long to make, and every request makes one.
@dataclass(slots=True)
class Happening:
    """One thing that happened in `tenant` `at` a time (aware, UTC).

    `patients` are ids; `objects` are ``Type/id`` or ``Type/id/_history/n``. `query` is what was asked, as it came: it may
    name people and is sealed with the event. `request_id` is the request's, `purpose` a code of v3-ActReason. `detail` says
    in a few codes how it ended and never names a person; `recipient` is who received what was disclosed.
    """

    tenant: int
    what: What
    at: datetime
    actor: Actor
    outcome: Outcome = SUCCESS
    patients: frozenset[str] = frozenset()
    objects: tuple[str, ...] = ()
    query: bytes = b""
    request_id: str = ""
    purpose: str = ""
    detail: str = ""
    recipient: str = ""


class Recording(Protocol):
    """A transaction that writes down happenings with everything else."""

    def audit(self, *happenings: Happening) -> None:
        """Write AuditEvents of these at the end."""


class Auditing(Protocol):
    """Where happenings are told."""

    async def report(self, *happenings: Happening) -> None:
        """Take them over, to be written within a moment; waits only while too many are waiting already."""

    async def within(self, tx: Recording, *happenings: Happening) -> None:
        """Write them with what `tx` writes: committed together, or not at all."""


class _Nothing:
    async def report(self, *happenings: Happening) -> None:
        """Take no notice."""

    async def within(self, tx: Recording, *happenings: Happening) -> None:
        """Take no notice."""


NOTHING_AUDITED: Auditing = _Nothing()
"""Takes no notice: for parts that are used apart from a server."""
