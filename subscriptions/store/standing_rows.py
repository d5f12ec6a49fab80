"""How every Subscription stands, for whoever runs the server: metrics and the command line."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

from fhirserver.kernel.ports import Transaction

_COLUMNS: Final[LiteralString] = (
    "SELECT c.tenant, c.subscription, c.topic, c.channel, c.status, c.last_number,"
    " c.delivered_through, (SELECT e.at FROM event e WHERE c.last_number > c.delivered_through"
    "  AND e.tenant = c.tenant AND e.subscription = c.subscription AND e.number IS NOT NULL"
    "  AND e.number > c.delivered_through ORDER BY e.number LIMIT 1), c.failing_since,"
    " c.attempts, c.failure, c.last_sent, c.due_at, c.handed, c.missed,"
    " (SELECT count(*) FROM delivery_dead_letter d WHERE d.tenant = c.tenant"
    "  AND d.subscription = c.subscription AND d.sent IS NULL)"
    " FROM subscription_cursor c"
)
OF_TENANT: Final[LiteralString] = _COLUMNS + " WHERE c.tenant = %s ORDER BY c.subscription"


@dataclass(frozen=True, slots=True)
class Standing:
    """How one Subscription stands.

    `oldest_owed`: when the first event happened that was numbered and not delivered. `failures`: in
    a row. `handed` and `missed`: notifications that were, and were not, taken since it began.
    """

    tenant: int
    subscription: str
    topic: str
    channel: str
    status: str
    last_number: int
    delivered_through: int
    oldest_owed: datetime | None
    failing_since: datetime | None
    failures: int
    failure: str | None
    last_sent: datetime | None
    due_at: datetime | None
    handed: int
    missed: int
    dead_letters: int

    @property
    def lag_events(self) -> int:
        """How many events are numbered and not delivered."""
        return self.last_number - self.delivered_through

    def lag_seconds(self, now: datetime) -> float:
        """Return for how long the oldest of those has waited, 0 when there is none."""
        if self.oldest_owed is None:
            return 0.0
        return max(0.0, (now - self.oldest_owed).total_seconds())


def standing(row: Sequence[Any]) -> Standing:
    """Return a row of `OF_TENANT`."""
    return Standing(*row)


async def of_tenant(tx: Transaction) -> list[Standing]:
    """Return how every Subscription of the tenant stands, by their ids."""
    rows = await tx.execute(OF_TENANT, (tx.tenant,))
    return [standing(row) for row in rows]


async def of(tx: Transaction, subscription: str) -> Standing | None:
    """Return how one Subscription stands, None when there is none of this tenant."""
    rows = await tx.execute(
        _COLUMNS + " WHERE c.tenant = %s AND c.subscription = %s", (tx.tenant, subscription)
    )
    return standing(rows[0]) if rows else None


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt: the events `first` to `last` (None for none), what became of it, and why."""

    started: datetime
    finished: datetime | None
    medium: str
    first: int | None
    last: int | None
    outcome: str | None
    failure: str | None


async def latest_tries(tx: Transaction, subscription: str, limit: int) -> list[Try]:
    """Return the latest attempts of a Subscription, newest first."""
    rows = await tx.execute(
        "SELECT started, finished, medium, first_number, number, outcome, failure FROM attempt"
        " WHERE tenant = %s AND subscription = %s ORDER BY started DESC, id DESC LIMIT %s",
        (tx.tenant, subscription, limit),
    )
    return [Try(*row) for row in rows]
