"""Numbers for what is committed: rows of `event` and `subscription_cursor` as the sequencer needs them.

Two statements, because one statement's snapshot is older than the locks it waits for: the cursors
are locked first, then their events are seen, numbered, and counted at the cursors. Of a cursor only
what numbering changes is read and written.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from fhirserver.kernel.ports import Transaction
from subscriptions.core.delivery import Status
from subscriptions.store import columns, cursor_rows

_EACH_AT_ONCE = 1000


class Counter(NamedTuple):
    """A cursor as far as numbering its events asks, locked until commit."""

    subscription: str
    bucket: int
    channel: str
    status: Status
    last_number: int
    due_at: datetime | None
    failing_since: datetime | None


async def free(tx: Transaction, subscriptions: Collection[str]) -> list[Counter]:
    """Lock and return the cursors of `subscriptions` that nobody else holds just now."""
    ordered = sorted(subscriptions)
    rows = await tx.execute(
        "SELECT c.subscription, c.bucket, c.channel, c.status, c.last_number, c.due_at,"
        " c.failing_since FROM unnest(%s::int[], string_to_array(%s, ',')) AS w (bucket, subscription)"
        " JOIN subscription_cursor c ON c.bucket = w.bucket AND c.subscription = w.subscription"
        " WHERE c.tenant = %s ORDER BY c.bucket, c.subscription FOR UPDATE OF c SKIP LOCKED",
        (
            columns.numbers(cursor_rows.bucket(tx, one) for one in ordered),
            columns.ids(ordered),
            tx.tenant,
        ),
    )
    return [Counter(*row) for row in rows]


async def number(tx: Transaction, held: Sequence[tuple[Counter, bool]]) -> int:
    """Number what is committed and unnumbered of each of `held`; return how many events that were.

    The flag beside a cursor says whether it is due once it has more events. The caller has held the
    cursors since before this statement: so nobody else numbers these, and what others have numbered
    is seen.
    """
    rows = await tx.execute(
        "WITH placed AS ("
        " SELECT e.bucket, e.id, h.subscription, h.bucket AS place, h.is_due, h.last_number"
        "  + row_number() OVER (PARTITION BY h.subscription ORDER BY e.appended) AS number"
        " FROM unnest(string_to_array(%s, ','), %s::int[], %s::bigint[], %s::boolean[])"
        "  AS h (subscription, bucket, last_number, is_due)"
        " CROSS JOIN LATERAL (SELECT bucket, id, appended FROM event"
        "  WHERE tenant = %s AND subscription = h.subscription AND number IS NULL"
        "  ORDER BY appended LIMIT %s) e),"
        " given AS (UPDATE event e SET number = p.number FROM placed p"
        "  WHERE e.bucket = p.bucket AND e.tenant = %s AND e.id = p.id"
        "  RETURNING p.subscription, p.place, p.is_due),"
        " counted AS (SELECT subscription, place, is_due, count(*) AS count FROM given"
        "  GROUP BY subscription, place, is_due),"
        " moved AS (UPDATE subscription_cursor c SET last_number = c.last_number + n.count,"
        "  due_at = CASE WHEN n.is_due THEN %s ELSE c.due_at END FROM counted n"
        "  WHERE c.bucket = n.place AND c.tenant = %s AND c.subscription = n.subscription)"
        " SELECT coalesce(sum(count), 0)::bigint FROM counted",
        (
            columns.ids(one.subscription for one, _ in held),
            columns.numbers(one.bucket for one, _ in held),
            columns.numbers(one.last_number for one, _ in held),
            columns.numbers(is_due for _, is_due in held),
            tx.tenant,
            _EACH_AT_ONCE,
            tx.tenant,
            tx.now,
            tx.tenant,
        ),
    )
    return int(rows[0][0])
