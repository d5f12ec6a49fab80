"""Rows of `subscription_match`: the index by which a change finds its Subscriptions.

A row is found by the hash of one of its Subscription's filters, so the cost of a change depends on
how many Subscriptions want it, not on how many there are.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fhirserver.kernel.ports import Transaction


@dataclass(frozen=True, slots=True)
class MatchRow:
    """A candidate. `required` lists for each filter the hashes of which any suffices."""

    subscription: str
    required: tuple[frozenset[int], ...]
    owner_kind: str | None
    owner: str | None


async def replace(
    tx: Transaction,
    subscription: str,
    topic: str,
    anchors: Sequence[int],
    required: Sequence[Sequence[int]],
    owner: tuple[str, str] | None,
) -> None:
    """Make `subscription` findable by any of the hashes `anchors`, and by nothing else."""
    await remove(tx, subscription)
    for key in anchors:
        await tx.execute(
            "INSERT INTO subscription_match"
            " (bucket, tenant, topic, filter_key, subscription, required, owner_kind, owner)"
            " VALUES (%s, %s, %s, %s, %s, %s::jsonb, %s, %s) ON CONFLICT DO NOTHING",
            (
                _bucket(tx, topic, key),
                tx.tenant,
                topic,
                key,
                subscription,
                json.dumps([list(alternatives) for alternatives in required]),
                None if owner is None else owner[0],
                None if owner is None else owner[1],
            ),
        )


async def remove(tx: Transaction, subscription: str) -> None:
    """Make `subscription` match nothing."""
    await tx.execute(
        "DELETE FROM subscription_match WHERE tenant = %s AND subscription = %s",
        (tx.tenant, subscription),
    )


async def candidates(
    tx: Transaction, topic: str, keys: Sequence[int]
) -> Mapping[int, list[MatchRow]]:
    """Return the Subscriptions of `topic` that are filed under each of `keys`, in order of their ids."""
    rows = await tx.execute(
        "SELECT m.filter_key, m.subscription, m.required, m.owner_kind, m.owner"
        " FROM unnest(%s::int[], %s::bigint[]) AS k (bucket, filter_key)"
        " JOIN subscription_match m ON m.bucket = k.bucket AND m.filter_key = k.filter_key"
        " AND m.tenant = %s AND m.topic = %s ORDER BY m.subscription",
        ([_bucket(tx, topic, key) for key in keys], list(keys), tx.tenant, topic),
    )
    found: dict[int, list[MatchRow]] = {}
    for key, subscription, required, *owner in rows:
        alternatives = tuple(frozenset(each) for each in required)
        found.setdefault(key, []).append(MatchRow(subscription, alternatives, *owner))
    return found


def _bucket(tx: Transaction, topic: str, key: int) -> int:
    return tx.bucket(None, "subscription-match", f"{topic} {key}")
