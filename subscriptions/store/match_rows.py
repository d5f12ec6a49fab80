"""Rows of `subscription_match`: the index by which a change finds its Subscriptions.

A row is found by the keyed hash of one key its Subscription is filed under, so the cost of a change
depends on how many Subscriptions want it, not on how many there are.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString, NamedTuple

from fhirserver.kernel.keys import BUCKETS
from fhirserver.kernel.ports import Transaction

_DOMAIN: Final = "subscription-filter"
_PURPOSE: Final = "subscription-residual"
# An anchor is a filter some Subscription is filed under: (topic, resource type, name).
Anchor = tuple[str, str, str]
_APART: Final = "\x1f"

# One row at least: the stamp of the anchors comes even where nobody is found. OFFSET 0 and the lateral
# join keep the plan to one index probe a key, whatever the size of the table when it was planned.
CANDIDATES: Final[LiteralString] = (
    "SELECT s.stamp, m.filter_key, m.subscription, m.topic, m.required, m.residual, m.plain,"
    " m.owner_kind, m.owner"
    " FROM (SELECT (SELECT stamp FROM subscription_anchor WHERE tenant = %(tenant)s) AS stamp) s"
    " LEFT JOIN (unnest(%(buckets)s::int[], %(keys)s::bigint[]) AS k (bucket, filter_key)"
    " CROSS JOIN LATERAL (SELECT * FROM subscription_match i WHERE i.bucket = k.bucket"
    " AND i.tenant = %(tenant)s AND i.filter_key = k.filter_key"
    " AND (i.ends IS NULL OR i.ends > %(now)s) OFFSET 0) m) ON true"
)
_INSERT: Final[LiteralString] = (
    "INSERT INTO subscription_match (bucket, tenant, topic, filter_key, subscription, required,"
    " residual, plain, ends, owner_kind, owner)"
    " SELECT b, %(tenant)s::int, %(topic)s::text, k, %(subscription)s::text, r::jsonb, x,"
    " %(plain)s::boolean, %(ends)s::timestamptz, %(owner_kind)s::text, %(owner)s::text"
    " FROM unnest(%(buckets)s::int[], %(keys)s::bigint[], %(required)s::text[], %(residual)s::bytea[])"
    " AS new (b, k, r, x)"
)
# The row's lock puts writers of new names in order; within one transaction the number of names tells
# contents apart. Names are never taken away: who finds its own there needs no lock.
_ANCHORED: Final[LiteralString] = (
    "INSERT INTO subscription_anchor AS a (tenant, names, stamp)"
    " SELECT %(tenant)s::int, %(names)s::text[],"
    " pg_current_xact_id()::text || '/' || cardinality(%(names)s::text[])"
    " WHERE NOT EXISTS (SELECT FROM subscription_anchor k WHERE k.tenant = %(tenant)s::int"
    "  AND k.names @> %(names)s::text[])"
    " ON CONFLICT (tenant) DO UPDATE SET"
    " names = a.names || ARRAY(SELECT unnest(excluded.names) EXCEPT SELECT unnest(a.names)),"
    " stamp = pg_current_xact_id()::text || '/' || (SELECT count(*)"
    "  FROM (SELECT unnest(a.names) UNION SELECT unnest(excluded.names)) AS both_)"
    " WHERE NOT a.names @> excluded.names"
)


@dataclass(frozen=True, slots=True)
class NewMatch:
    """One way a Subscription is found: by any of `keys`; `required` and `residual` as in a Filing."""

    keys: Sequence[str]
    required: Sequence[tuple[str, Sequence[str]]]
    residual: Sequence[str]


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Whose rows they are.

    `topic` is the canonical it names, with the version if it names one; `plain`: R4 criteria;
    `owner` is (kind, reference), None for the server's own.
    """

    subscription: str
    topic: str
    plain: bool
    ends: datetime | None
    owner: tuple[str, str] | None


class MatchRow(NamedTuple):
    """A candidate. `required`: filters by name, of each one of the hashes must be met; `residual` is sealed."""

    subscription: str
    topic: str
    required: tuple[tuple[str, frozenset[int]], ...]
    residual: bytes | None
    plain: bool
    owner_kind: str | None
    owner: str | None
    key: int


@dataclass(frozen=True, slots=True)
class Found:
    """What a look-up gave: the rows by the hash that found them, and the stamp of the anchors."""

    rows: Mapping[int, Sequence[MatchRow]]
    stamp: str | None


def key_hash(tx: Transaction, key: str) -> int:
    """Return the keyed hash of a key, which is all the database knows of it."""
    return tx.blind(_DOMAIN, key)


async def replace(
    tx: Transaction, subscriber: Subscriber, ways: Sequence[NewMatch], anchors: Sequence[Anchor]
) -> None:
    """Make a Subscription findable by `ways` and by nothing else; `anchors` are the filters in them."""
    remove(tx, subscriber.subscription)
    if anchors:
        names = sorted({_APART.join(anchor) for anchor in anchors})
        tx.execute_later(_ANCHORED, {"tenant": tx.tenant, "names": names})
    rows: dict[int, tuple[str, bytes | None]] = {}
    for way in ways:
        required = json.dumps(
            [[name, [key_hash(tx, key) for key in keys]] for name, keys in way.required]
        )
        plain = json.dumps(list(way.residual)).encode() if way.residual else None
        for key in way.keys:
            hash_ = key_hash(tx, key)
            place = _place(subscriber.subscription, hash_)
            rows[hash_] = required, None if plain is None else await tx.seal(None, place, plain)
    owner_kind, owner = subscriber.owner or (None, None)
    tx.execute_later(
        _INSERT,
        {
            "tenant": tx.tenant,
            "topic": subscriber.topic,
            "subscription": subscriber.subscription,
            "plain": subscriber.plain,
            "ends": subscriber.ends,
            "owner_kind": owner_kind,
            "owner": owner,
            "buckets": [_bucket(key) for key in rows],
            "keys": list(rows),
            "required": [required for required, _ in rows.values()],
            "residual": [sealed for _, sealed in rows.values()],
        },
    )


def remove(tx: Transaction, subscription: str) -> None:
    """Make `subscription` match nothing."""
    tx.execute_later(
        "DELETE FROM subscription_match WHERE tenant = %s AND subscription = %s",
        (tx.tenant, subscription),
    )


async def candidates(tx: Transaction, keys: Sequence[int]) -> Found:
    """Return everybody filed under any of the hashes `keys`, in one question."""
    rows = await tx.execute(
        CANDIDATES,
        {
            "tenant": tx.tenant,
            "buckets": [_bucket(key) for key in keys],
            "keys": list(keys),
            "now": tx.now,
        },
    )
    found: dict[int, list[MatchRow]] = {}
    for _, key, subscription, topic, required, *rest in rows:
        if key is not None:
            must = tuple([(name, frozenset(hashes)) for name, hashes in required])
            sealed, plain, owner_kind, owner = rest
            row = MatchRow(subscription, topic, must, sealed, plain, owner_kind, owner, key)
            found.setdefault(key, []).append(row)
    return Found(found, rows[0][0])


async def anchors(tx: Transaction) -> tuple[str | None, Sequence[Anchor]]:
    """Return the stamp and the filters under which Subscriptions of the tenant are filed."""
    rows = await tx.execute(
        "SELECT stamp, names FROM subscription_anchor WHERE tenant = %s", (tx.tenant,)
    )
    if not rows:
        return None, ()
    stamp, names = rows[0]
    return stamp, [_anchor(name) for name in names]


async def residual(tx: Transaction, row: MatchRow, sealed: bytes) -> tuple[str, ...]:
    """Return the conditions in the envelope of `row`."""
    return tuple(json.loads(await tx.unseal(None, _place(row.subscription, row.key), sealed)))


def _place(subscription: str, key: int) -> str:
    return f"{_PURPOSE}|{subscription}|{key}"


async def unfiled(tx: Transaction) -> list[str]:
    """Return the Subscriptions that should be found by changes and have no row: after an upgrade, all."""
    rows = await tx.execute(
        "SELECT c.subscription FROM subscription_cursor c WHERE c.tenant = %s AND c.status <> 'off'"
        " AND (c.channel <> 'sms' OR c.status = 'active') AND NOT EXISTS"
        " (SELECT 1 FROM subscription_match m WHERE m.tenant = c.tenant"
        " AND m.subscription = c.subscription) ORDER BY c.subscription",
        (tx.tenant,),
    )
    return [row[0] for row in rows]


def _anchor(name: str) -> Anchor:
    topic, type_, parameter = name.split(_APART)
    return topic, type_, parameter


def _bucket(key: int) -> int:
    return key % BUCKETS
