"""Rows of `event`: what each Subscription is owed.

Written without a number in the transaction of the change; the Subscription's sequencer numbers what
was committed, without gaps, in a transaction of its own. Numbers given inside concurrent write
transactions would have to wait for each other.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, LiteralString, NamedTuple
from uuid import UUID

from fhirserver.kernel.keys import BUCKETS
from fhirserver.kernel.ports import Transaction
from subscriptions.core.notification import Action
from subscriptions.store import columns

# Run by the scanning role: Subscriptions with events nobody has numbered, those behind the pair
# (tenant, subscription) that is given. It goes from one to the next through the index, however many
# events each of them has.
UNNUMBERED: Final[LiteralString] = (
    "WITH RECURSIVE waiting AS ("
    " (SELECT tenant, subscription FROM event WHERE number IS NULL"
    "  AND (tenant, subscription) > (%s, %s) ORDER BY tenant, subscription LIMIT 1)"
    " UNION ALL SELECT next.tenant, next.subscription FROM waiting w CROSS JOIN LATERAL"
    "  (SELECT tenant, subscription FROM event WHERE number IS NULL"
    "   AND (tenant, subscription) > (w.tenant, w.subscription)"
    "   ORDER BY tenant, subscription LIMIT 1) next)"
    " SELECT tenant, subscription FROM waiting LIMIT %s"
)
# Which tenants hold events older than a moment.
EXPIRED: Final[LiteralString] = "SELECT DISTINCT tenant FROM event WHERE at < %s LIMIT 100"
_BATCH: Final = 1000


class EventRow(NamedTuple):
    """One numbered event of one Subscription."""

    number: int
    action: Action
    focus_type: str
    focus_id: str
    focus_version: int
    patient: str | None
    at: datetime


class NewEvent(NamedTuple):
    """What is appended: the change itself, once per Subscription."""

    action: Action
    focus_type: str
    focus_id: str
    focus_version: int
    patient: str | None


class Wanted(NamedTuple):
    """Events of one Subscription: numbers above `after` up to `through`, at most `limit`."""

    subscription: str
    after: int
    through: int
    limit: int


async def append(tx: Transaction, events: Sequence[tuple[NewEvent, str]]) -> None:
    """Append each event for its Subscription, in the bucket of its patient, in the order given.

    It travels with the transaction's next statement.
    """
    if not events:
        return
    places = {event: _Place.of(tx, event) for event in {event for event, _ in events}}
    each = [places[event] for event, _ in events]
    tx.execute_later(
        "INSERT INTO event (bucket, tenant, id, subscription, action, focus_type, focus_id,"
        " focus_version, patient, at)"
        " SELECT n.bucket, %s, n.id, n.subscription, n.action, n.focus_type, n.focus_id,"
        " n.focus_version, n.patient, %s FROM unnest(%s::int[], %s::uuid[],"
        " string_to_array(%s, ','), string_to_array(%s, ','), string_to_array(%s, ','),"
        " string_to_array(%s, ','), %s::int[], string_to_array(%s, ',', ''))"
        " WITH ORDINALITY AS n (bucket, id, subscription, action, focus_type, focus_id,"
        " focus_version, patient, place) ORDER BY n.place",
        (
            tx.tenant,
            tx.now,
            columns.numbers(place.bucket for place in each),
            columns.numbers(place.id(number) for number, place in enumerate(each)),
            columns.ids(subscription for _, subscription in events),
            columns.ids(event.action for event, _ in events),
            columns.ids(event.focus_type for event, _ in events),
            columns.ids(event.focus_id for event, _ in events),
            columns.numbers(event.focus_version for event, _ in events),
            columns.ids(event.patient or "" for event, _ in events),
        ),
    )


class _Place(NamedTuple):
    """Where the rows of one event lie, and the id that those of its rows are made of."""

    bucket: int
    drawn: int

    @classmethod
    def of(cls, tx: Transaction, event: NewEvent) -> "_Place":
        """Draw an id for `event`."""
        bucket = tx.bucket(event.patient, event.focus_type, event.focus_id)
        return cls(bucket, UUID(tx.new_id(event.patient)).int)

    def id(self, number: int) -> str:
        """Return the id of row `number` of a statement: what was drawn, with `number` put into its random bits."""
        return f"{self.drawn ^ number * BUCKETS:032x}"


async def numbered(
    tx: Transaction, subscription: str, after: int, through: int, limit: int
) -> list[EventRow]:
    """Return events numbered above `after` up to `through`, in order, at most `limit`."""
    found = await numbered_of(tx, [Wanted(subscription, after, through, limit)])
    return found.get(subscription, [])


async def numbered_of(tx: Transaction, wanted: Sequence[Wanted]) -> dict[str, list[EventRow]]:
    """Return the wanted events of several Subscriptions, each in order."""
    if not wanted:
        return {}
    rows = await tx.execute(
        "SELECT w.subscription, e.number, e.action, e.focus_type, e.focus_id, e.focus_version,"
        " e.patient, e.at"
        " FROM unnest(string_to_array(%s, ','), %s::bigint[], %s::bigint[], %s::int[])"
        " AS w (subscription, after, through, most)"
        " CROSS JOIN LATERAL (SELECT * FROM event"
        "  WHERE tenant = %s AND subscription = w.subscription AND number IS NOT NULL"
        "  AND number > w.after AND number <= w.through ORDER BY number LIMIT w.most) e"
        " ORDER BY w.subscription, e.number",
        (
            columns.ids(one.subscription for one in wanted),
            columns.numbers(one.after for one in wanted),
            columns.numbers(one.through for one in wanted),
            columns.numbers(one.limit for one in wanted),
            tx.tenant,
        ),
    )
    found: dict[str, list[EventRow]] = {}
    for subscription, *event in rows:
        found.setdefault(subscription, []).append(EventRow(*event))
    return found


async def oldest(tx: Transaction, subscription: str) -> int | None:
    """Return the smallest number of the events that are still kept, None when none is."""
    rows = await tx.execute(
        "SELECT min(number) FROM event"
        " WHERE tenant = %s AND subscription = %s AND number IS NOT NULL",
        (tx.tenant, subscription),
    )
    return None if rows[0][0] is None else int(rows[0][0])


async def forget_before(tx: Transaction, moment: datetime) -> int:
    """Delete numbered events older than `moment`; return how many (bounded per call)."""
    rows = await tx.execute(
        "DELETE FROM event WHERE (bucket, tenant, id) IN (SELECT bucket, tenant, id FROM event"
        " WHERE tenant = %s AND at < %s AND number IS NOT NULL LIMIT %s) RETURNING 1",
        (tx.tenant, moment, _BATCH),
    )
    return len(rows)


async def forget_all(tx: Transaction, subscriptions: Sequence[str]) -> None:
    """Delete what Subscriptions that no longer exist would have been owed."""
    await tx.execute(
        "DELETE FROM event WHERE tenant = %s AND subscription = ANY(%s)",
        (tx.tenant, list(subscriptions)),
    )
