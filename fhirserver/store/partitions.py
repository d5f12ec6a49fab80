"""Time partitions of Observation and its ranges: one a week, by receive time, which the row id begins with."""

from datetime import datetime, timedelta

from fhirserver.kernel import keys
from fhirserver.store.database import Pool

_WEEK = timedelta(days=7)
_AHEAD = 3


def observation_leaf(moment: datetime) -> str:
    """Return the name of the partition rows received at `moment` (UTC) belong to; weeks begin on Monday."""
    return f"current_observation_{_monday(moment):%Y%m%d}"


def range_leaf(moment: datetime) -> str:
    """Return the name of the partition of those rows' ranges."""
    return f"range_observation_{_monday(moment):%Y%m%d}"


async def ensure_partitions(pool: Pool, now: datetime) -> None:
    """Make the partitions of this week and the coming ones, where missing; `pool` must be the worker's."""
    async with pool.connection() as connection:
        for week in range(_AHEAD):
            start = _monday(now) + week * _WEEK
            await connection.rows(
                "SELECT ensure_observation_partition(%s, %s, %s)",
                (
                    observation_leaf(start),
                    keys.first_row_at(start),
                    keys.first_row_at(start + _WEEK),
                ),
            )


def _monday(moment: datetime) -> datetime:
    start = moment - timedelta(days=moment.weekday())
    return start.replace(hour=0, minute=0, second=0, microsecond=0)
