"""Rows of the synthetic patient: its runs, what became of each, and what is cleared away."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from fhirserver.kernel.ports import Transaction
from subscriptions.store.watch_rows import Execute

# Of alarms raised since the run began: when the first page was with the sink, and when it was raised.
_ARRIVED: Final[LiteralString] = (
    "SELECT min(a.raised), min(t.finished) FILTER (WHERE t.outcome = 'handed-over') FROM alert a"
    " LEFT JOIN attempt t ON t.tenant = a.tenant AND t.incident = a.incident AND t.started >= %s"
    " WHERE a.tenant = %s AND a.priority = 'PH' AND a.raised >= %s"
)
_FINISHED: Final[LiteralString] = (
    "SELECT count(*), count(arrived), max(arrived),"
    " (array_agg(extract(epoch FROM arrived - started) ORDER BY slot DESC)"
    "  FILTER (WHERE arrived IS NOT NULL))[1]::float8"
    " FROM synthetic_run WHERE started >= %s AND started < %s"
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """When the alert of a run was raised and when its page was with the sink; None: not yet."""

    alerted: datetime | None
    arrived: datetime | None


@dataclass(frozen=True, slots=True)
class Runs:
    """How many runs there were, how many got through, when last, and how long the last of them took (seconds)."""

    runs: int
    arrived: int
    last: datetime | None
    seconds: float | None


async def begin(execute: Execute, slot: int, now: datetime) -> bool:
    """Take the run of `slot`; return whether it is ours."""
    taken = await execute(
        "INSERT INTO synthetic_run (slot, started) VALUES (%s, %s) ON CONFLICT DO NOTHING"
        " RETURNING slot",
        (slot, now),
    )
    return bool(taken)


async def arrival(execute: Execute, tenant: int, since: datetime) -> Arrival:
    """Return how far the alarm of a run that began at `since` has come."""
    (row,) = await execute(_ARRIVED, (since, tenant, since))
    return Arrival(*row)


async def finish(execute: Execute, slot: int, found: Arrival) -> None:
    """Write down how the run ended."""
    await execute(
        "UPDATE synthetic_run SET alerted = %s, arrived = %s WHERE slot = %s",
        (found.alerted, found.arrived, slot),
    )


async def runs(execute: Execute, since: datetime, until: datetime) -> Runs:
    """Return how the runs that began between `since` and `until` ended."""
    (row,) = await execute(_FINISHED, (since, until))
    return Runs(*row)


async def forget_runs(execute: Execute, before: datetime) -> None:
    """Remove runs that began before that."""
    await execute("DELETE FROM synthetic_run WHERE started < %s", (before,))


async def open_incidents(tx: Transaction, patient: str) -> Sequence[str]:
    """Return the ids of the parent Tasks of the patient's incidents that are not closed."""
    found = await tx.execute(
        "SELECT parent FROM ladder WHERE bucket = %s AND tenant = %s AND patient = %s AND open",
        (tx.bucket(patient, "", ""), tx.tenant, patient),
    )
    return [parent for (parent,) in found]


async def forget_alerts(tx: Transaction, before: datetime) -> None:
    """Remove alerts and ladders that were closed before that, with everything beside them.

    The database allows it in the synthetic patient's tenant alone.
    """
    await tx.execute("DELETE FROM alert_event WHERE tenant = %s AND at < %s", (tx.tenant, before))
    await tx.execute(
        "DELETE FROM ladder l USING alert a WHERE l.tenant = %s AND a.tenant = l.tenant"
        " AND a.incident = l.incident AND NOT l.open AND a.closed < %s",
        (tx.tenant, before),
    )
    await tx.execute("DELETE FROM alert WHERE tenant = %s AND closed < %s", (tx.tenant, before))
    await tx.execute("DELETE FROM attempt WHERE tenant = %s AND started < %s", (tx.tenant, before))
