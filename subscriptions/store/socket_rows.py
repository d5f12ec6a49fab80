"""Rows of `subscription_cursor` that a process delivers over a socket it holds.

The process that holds the socket of a websocket Subscription leases its cursor for as long: nobody
else sends, and a newer socket takes the lease over, which the older one sees when it next renews.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final, LiteralString

from fhirserver.kernel.ports import Transaction
from subscriptions.store import columns, cursor_rows
from subscriptions.store.cursor_rows import Claim, Saved

# Run by the scanning role: Subscriptions whose socket somebody holds, with something to send; one
# text for each tenant, which is mostly what it was a moment ago, and quickly compared.
BEHIND: Final[LiteralString] = (
    "SELECT tenant, string_agg(subscription || ' ' || last_number, ',') FROM subscription_cursor"
    " WHERE channel = 'websocket' AND lease_until > %s AND last_number > delivered_through"
    " GROUP BY tenant"
)


async def take(tx: Transaction, subscription: str, lease: timedelta) -> Claim | None:
    """Take the lease, whoever has it, and return the row as it is now; None without a cursor."""
    found = await cursor_rows.locked(tx, [subscription], skip_busy=False)
    claim = found.get(subscription)
    if claim is None:
        return None
    before = claim.cursor
    cursor = replace(before, epoch=before.epoch + 1, lease_until=tx.now + lease)
    cursor_rows.save_later(tx, [Saved(claim, cursor)])
    return replace(claim, cursor=cursor)


async def advance(tx: Transaction, sent: Sequence[tuple[str, int, int]]) -> frozenset[str]:
    """Record, for each (subscription, epoch, through), what was handed to its socket.

    Return those that are still held; of the others nothing is recorded.
    """
    ordered = sorted(sent)
    rows = await tx.execute(
        "UPDATE subscription_cursor c SET last_sent = %s, handed = c.handed + 1,"
        " delivered_through = greatest(c.delivered_through, s.through)"
        " FROM unnest(%s::int[], string_to_array(%s, ','), %s::bigint[], %s::bigint[])"
        " AS s (bucket, subscription, epoch, through)"
        " WHERE c.bucket = s.bucket AND c.tenant = %s AND c.subscription = s.subscription"
        " AND c.epoch = s.epoch AND c.lease_until IS NOT NULL RETURNING c.subscription",
        (
            tx.now,
            columns.numbers(cursor_rows.bucket(tx, one) for one, _, _ in ordered),
            columns.ids(one for one, _, _ in ordered),
            columns.numbers(epoch for _, epoch, _ in ordered),
            columns.numbers(through for _, _, through in ordered),
            tx.tenant,
        ),
    )
    return frozenset(row[0] for row in rows)


async def give_back(tx: Transaction, held: Iterable[tuple[str, int]]) -> None:
    """Give leases, as (subscription, epoch), back; those that were lost are left alone."""
    pairs = sorted(held)
    await tx.execute(
        "UPDATE subscription_cursor c SET lease_until = NULL"
        " FROM unnest(%s::int[], string_to_array(%s, ','), %s::bigint[])"
        " AS h (bucket, subscription, epoch)"
        " WHERE c.bucket = h.bucket AND c.tenant = %s AND c.subscription = h.subscription"
        " AND c.epoch = h.epoch",
        (
            columns.numbers(cursor_rows.bucket(tx, one) for one, _ in pairs),
            columns.ids(one for one, _ in pairs),
            columns.numbers(epoch for _, epoch in pairs),
            tx.tenant,
        ),
    )
