"""Rows of `binding_token`, and what a bound websocket asks of many cursors and events at once.

A token is 256 random bits that open a socket for the Subscriptions it names, in the name of whom it
was given to; only its hash is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final, LiteralString, cast

from fhirserver.crypto.secret_digest import secret_digest
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Principal, PrincipalKind
from subscriptions.store import columns

# Run by the scanning role: a token says whose it is.
FIND: Final[LiteralString] = (
    "SELECT tenant, kind, reference, subscriptions, expires FROM binding_token"
    " WHERE digest = %s AND expires > %s"
)
_FORGOTTEN_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class BindingToken:
    """What a token opens: `subscriptions` of the holder's tenant, until `expires`."""

    holder: Principal
    subscriptions: tuple[str, ...]
    expires: datetime


def found(row: tuple[object, ...]) -> BindingToken:
    """Return what a row of `FIND` says."""
    tenant, kind, reference, subscriptions, expires = row
    holder = Principal(cast("int", tenant), cast("PrincipalKind", kind), cast("str", reference))
    return BindingToken(holder, tuple(cast("list[str]", subscriptions)), cast("datetime", expires))


async def issue(tx: Transaction, token: str, binding: BindingToken) -> None:
    """Keep a fresh token, and forget some that have ended."""
    holder = binding.holder
    await tx.execute(
        "WITH ended AS (DELETE FROM binding_token WHERE digest IN (SELECT digest FROM binding_token"
        "  WHERE tenant = %(tenant)s AND expires <= %(now)s LIMIT %(most)s))"
        " INSERT INTO binding_token (digest, tenant, kind, reference, subscriptions, issued, expires)"
        " VALUES (%(digest)s, %(tenant)s, %(kind)s, %(reference)s, %(subscriptions)s, %(now)s,"
        " %(expires)s)",
        {
            "digest": secret_digest(token),
            "tenant": tx.tenant,
            "kind": holder.kind,
            "reference": holder.reference,
            "subscriptions": list(binding.subscriptions),
            "now": tx.now,
            "expires": binding.expires,
            "most": _FORGOTTEN_AT_ONCE,
        },
    )


async def active_of(tx: Transaction, owner: Principal | None, most: int) -> list[str]:
    """Return the active websocket Subscriptions of `owner` (None: of everybody), at most `most`."""
    rows = await tx.execute(
        "SELECT subscription FROM subscription_cursor WHERE tenant = %(tenant)s"
        " AND channel = 'websocket' AND status = 'active'"
        " AND (%(everybody)s OR (owner = %(owner)s AND owner_kind = %(kind)s))"
        " ORDER BY subscription LIMIT %(most)s",
        {
            "tenant": tx.tenant,
            "everybody": owner is None,
            "owner": "" if owner is None else owner.reference,
            "kind": "" if owner is None else owner.kind,
            "most": most,
        },
    )
    return [str(subscription) for (subscription,) in rows]


@dataclass(frozen=True)
class Held:
    """A cursor as the socket that holds it last saw it."""

    bucket: int
    subscription: str
    epoch: int
    revision: int

    @cached_property
    def text(self) -> str:
        """What `changed` sends of it, many times over."""
        return f"{self.bucket} {self.subscription} {self.epoch} {self.revision}"


@dataclass(frozen=True, slots=True)
class Changed:
    """A cursor that is not as it was: `epoch` None for one that is gone."""

    subscription: str
    epoch: int | None
    revision: int | None
    status: str | None


async def changed(tx: Transaction, held: Sequence[Held]) -> list[Changed]:
    """Return those of `held` that somebody else has taken, edited, ended or deleted.

    Asked four times a second about everything held.
    """
    rows = await tx.execute(
        "SELECT h.id, c.epoch, c.revision, c.status"
        " FROM (SELECT split_part(one, ' ', 1)::int AS bucket, split_part(one, ' ', 2) AS id,"
        "  split_part(one, ' ', 3)::bigint AS epoch, split_part(one, ' ', 4)::bigint AS revision"
        "  FROM unnest(string_to_array(%s, ',')) AS one) h"
        " LEFT JOIN subscription_cursor c ON c.bucket = h.bucket AND c.tenant = %s"
        "  AND c.subscription = h.id"
        " WHERE c.epoch IS DISTINCT FROM h.epoch OR c.revision <> h.revision"
        "  OR c.status <> 'active'",
        (
            columns.ids([one.text for one in held]),
            tx.tenant,
        ),
    )
    return [Changed(*row) for row in rows]
