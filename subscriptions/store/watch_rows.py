"""Rows about the server itself, which belong to no tenant: who lives, what is due, how it is.

All of them are read and written by the scanning role, each statement by itself.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString

Execute = Callable[[LiteralString, Sequence[Any]], Awaitable[list[tuple[Any, ...]]]]

# A role that gave no sign of life for a day is not expected any more.
_ROLE_EXPECTED_FOR: Final = timedelta(days=1)

_DUE: Final[LiteralString] = (
    "SELECT (SELECT min(due_at) FROM timer),"
    " (SELECT min(due_at) FROM subscription_cursor WHERE channel = 'sms' AND due_at <= %s"
    "  AND (lease_until IS NULL OR lease_until < %s)),"
    " (SELECT max(started) FROM synthetic_run WHERE arrived IS NOT NULL),"
    " EXISTS (SELECT 1 FROM ladder WHERE unanswered),"
    " (SELECT count(*) FILTER (WHERE outcome IN ('unavailable', 'lost')) > 0"
    "  AND count(*) FILTER (WHERE outcome = 'handed-over') = 0 FROM attempt"
    "  WHERE started > %s AND medium IN ('sms', 'voice') AND company IS DISTINCT FROM 'sink')"
)
# What telephone companies did in this time is what they do now.
_COMPANIES_SEEN_FOR: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Due:
    """When the oldest timer and the oldest message to a person were due, and when the synthetic patient got through.

    `unanswered`: everyone was told of some alarm, and nobody has come. `refused`: telephone companies were asked
    just now, and none took anything.
    """

    timer: datetime | None
    send: datetime | None
    synthetic: datetime | None
    unanswered: bool = False
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Health:
    """What the watchdog found last, and when. `lag_ms` None: it could not be measured."""

    at: datetime
    is_well: bool
    lag_ms: int | None
    late_since: datetime | None
    troubles: tuple[str, ...]


async def beat(execute: Execute, roles: Sequence[str], process: str, now: datetime) -> None:
    """Note that `process` lives and plays `roles`."""
    await execute(
        "INSERT INTO role_beat (role, process, at) SELECT r, %s, %s FROM unnest(%s::text[]) AS r"
        " ON CONFLICT (role, process) DO UPDATE SET at = excluded.at",
        (process, now, list(roles)),
    )


async def beats(execute: Execute, now: datetime) -> dict[str, datetime]:
    """Return when each role was last alive, and forget processes that ended a day ago."""
    await execute("DELETE FROM role_beat WHERE at < %s", (now - _ROLE_EXPECTED_FOR,))
    return dict(await execute("SELECT role, max(at) FROM role_beat GROUP BY role", ()))


async def due(execute: Execute, now: datetime) -> Due:
    """Return what is due and what got through."""
    (row,) = await execute(_DUE, (now, now, now - _COMPANIES_SEEN_FOR))
    timer, *others = row
    return Due(timer if timer is not None and timer <= now else None, *others)


async def save_health(execute: Execute, health: Health) -> None:
    """Write down how the server is, for every process to read."""
    await execute(
        "INSERT INTO server_health (one, at, is_well, lag_ms, late_since, troubles)"
        " VALUES (true, %s, %s, %s, %s, %s) ON CONFLICT (one) DO UPDATE SET at = excluded.at,"
        " is_well = excluded.is_well, lag_ms = excluded.lag_ms, late_since = excluded.late_since,"
        " troubles = excluded.troubles",
        (
            health.at,
            health.is_well,
            health.lag_ms,
            health.late_since,
            ",".join(health.troubles),
        ),
    )


async def health(execute: Execute) -> Health | None:
    """Return what the watchdog found last, None before it ever looked."""
    found = await execute("SELECT at, is_well, lag_ms, late_since, troubles FROM server_health", ())
    if not found:
        return None
    at, is_well, lag_ms, late_since, troubles = found[0]
    return Health(at, is_well, lag_ms, late_since, tuple(troubles.split(",")) if troubles else ())
