"""Rows of ``invitation``: the token is in nobody's database, a digest of it finds the row."""

import secrets
from collections.abc import Sequence
from typing import Any, Final, LiteralString
from uuid import UUID

from fhirserver.crypto.secret_digest import secret_digest
from fhirserver.kernel import keys
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Principal
from fhirserver.kernel.relationships import Invitation

_COLUMNS: Final[LiteralString] = (
    "id, offered, patient, team, inviter_kind, inviter, created, expires, withdrawn, accepted, accepted_by, became"
)
_TOKEN_BYTES: Final = 32
_LONGEST: Final = 128
_MOST: Final = 1000


class InvitationRows:
    """Implements `fhirserver.kernel.relationships.Invitations`."""

    async def make(self, tx: Transaction, invitation: Invitation) -> str:
        """Keep `invitation` and return its token, shown this once."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        await tx.execute(
            "INSERT INTO invitation (tenant, digest, id, offered, patient, team, inviter_kind, inviter, created, expires) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                tx.tenant,
                secret_digest(token),
                UUID(invitation.id),
                invitation.offered,
                invitation.patient,
                invitation.team,
                invitation.inviter.kind,
                invitation.inviter.reference,
                invitation.created,
                invitation.expires,
            ),
        )
        return token

    async def find(self, tx: Transaction, token: str) -> Invitation | None:
        """Return and lock what a token offers; None when it is unknown, used, withdrawn or too old."""
        if len(token) > _LONGEST:
            return None
        rows = await tx.execute(
            f"SELECT {_COLUMNS} FROM invitation WHERE tenant = %s AND digest = %s AND accepted IS NULL "
            "AND withdrawn IS NULL AND expires > %s FOR UPDATE",
            (tx.tenant, secret_digest(token), tx.now),
        )
        return _invitation(tx, rows[0]) if rows else None

    async def use(self, tx: Transaction, invitation: Invitation, by: str, became: str) -> None:
        """Note that it was accepted."""
        await tx.execute(
            "UPDATE invitation SET accepted = %s, accepted_by = %s, became = %s WHERE tenant = %s AND id = %s",
            (tx.now, by, became, tx.tenant, UUID(invitation.id)),
        )

    async def listed(self, tx: Transaction, inviter: Principal | None) -> Sequence[Invitation]:
        """Return those of an inviter, of everybody for None, the newest first, at most a thousand."""
        rows = await tx.execute(
            f"SELECT {_COLUMNS} FROM invitation WHERE tenant = %s AND inviter = coalesce(%s, inviter) "
            "AND inviter_kind = coalesce(%s, inviter_kind) ORDER BY created DESC, id LIMIT %s",
            (tx.tenant, *_who(inviter), _MOST),
        )
        return [_invitation(tx, row) for row in rows]

    async def withdraw(self, tx: Transaction, id_: str, inviter: Principal | None) -> bool:
        """Withdraw one that nobody has used, of that inviter (None: anybody's); False when there is none."""
        row = keys.row_of(id_)
        if row is None:
            return False
        gone = await tx.execute(
            "UPDATE invitation SET withdrawn = %s WHERE tenant = %s AND id = %s AND accepted IS NULL "
            "AND withdrawn IS NULL AND inviter = coalesce(%s, inviter) "
            "AND inviter_kind = coalesce(%s, inviter_kind) RETURNING id",
            (tx.now, tx.tenant, row, *_who(inviter)),
        )
        return bool(gone)


def _who(inviter: Principal | None) -> tuple[str | None, str | None]:
    return (None, None) if inviter is None else (inviter.reference, inviter.kind)


def _invitation(tx: Transaction, row: Sequence[Any]) -> Invitation:
    id_, offered, patient, team, kind, reference, *times = row
    return Invitation(
        str(id_), offered, patient, team, Principal(tx.tenant, kind, reference), *times
    )
