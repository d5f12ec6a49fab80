"""How frequent keys and times are, as PostgreSQL has counted them.

The planner knows how many rows have one of the common keys, and takes every other key for about as frequent as the least
of them. In truth a key that is not among them is a person, an identifier or a value nobody has: orders of magnitude
rarer. And a statement that is planned once cannot ask how frequent its values are. So this is known here: it decides how
a search is written, and its statement leaves the planner no choice.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Final, NamedTuple

import psycopg

from fhirserver.store.database import Pool
from fhirserver.store.search.clause import Estimate

# Seconds between two looks at what ANALYZE has found.
_LASTS: Final = 60.0
# Counts that are remembered between two looks.
_REMEMBERED: Final = 10_000
# The partition of the types that have none of their own.
_REST: Final = "rest"


class Times(NamedTuple):
    """The beginnings of the rows of one partition, in seconds since 1970.

    Between two neighbours of `bounds` lie as many of the `spread` rows as between any two; each of `common` begins
    `rows` rows.
    """

    bounds: Sequence[float]
    spread: float
    common: Sequence[float]
    rows: Sequence[float]

    def between(self, after: float, before: float) -> float:
        """Return how many rows begin between the two, about."""
        share = max(self._below(before) - self._below(after), 0.0)
        often = zip(self.common, self.rows, strict=True)
        return share * self.spread + sum(n for at, n in often if after <= at <= before)

    def _below(self, moment: float) -> float:
        bounds = self.bounds
        if len(bounds) < 2:
            return 0.0
        place = bisect_left(bounds, moment)
        if place in (0, len(bounds)):
            return 0.0 if place == 0 else 1.0
        low, high = bounds[place - 1], bounds[place]
        return (place - 1 + (moment - low) / (high - low)) / (len(bounds) - 1)


@dataclass(frozen=True, slots=True)
class Statistics:
    """What is known of all tenants' rows. A type without rows has no times."""

    keys: Mapping[int, Estimate] = field(default_factory=dict)
    times: Mapping[str, tuple[Times, ...]] = field(default_factory=dict)
    totals: Mapping[str, float] = field(default_factory=dict)
    _many: set[Hashable] = field(default_factory=set)

    def __contains__(self, key: int) -> bool:
        """Whether many rows have `key`."""
        return key in self.keys

    def has_many(self, asked: Hashable) -> bool:
        """Return whether many rows were counted behind `asked` lately."""
        return asked in self._many

    def found_many(self, asked: Hashable) -> None:
        """Remember that there are many rows behind `asked`."""
        if len(self._many) < _REMEMBERED:
            self._many.add(asked)

    def key(self, key: int) -> Estimate | None:
        """Return how frequent a key is, None for one that few rows have."""
        return self.keys.get(key)

    def rows(self, type_: str) -> float:
        """Return about how many rows of a type there are: of those beside it as well, where it has no table of its own."""
        return self.totals.get(_part(self.totals, type_), 0.0)

    def time(self, type_: str, after: datetime | None, before: datetime | None) -> Estimate | None:
        """Return how many rows of a type begin between the two, None where nobody has counted."""
        of = _part(self.totals, type_)
        total = self.totals.get(of, 0.0)
        if not total:
            return None
        low = float("-inf") if after is None else after.timestamp()
        high = float("inf") if before is None else before.timestamp()
        rows = sum(one.between(low, high) for one in self.times.get(of, ()))
        return Estimate(rows, min(1.0, rows / total))


def _part(totals: Mapping[str, float], type_: str) -> str:
    return type_.lower() if type_.lower() in totals else _REST


class KnownStatistics:
    """The statistics of every tenant and type, refreshed now and then."""

    def __init__(self, pool: Pool) -> None:
        """Ask through the pool of role fhir_read."""
        self._pool = pool
        self._known = Statistics()
        self._asked: float | None = None
        self._asking = asyncio.Lock()

    async def known(self) -> Statistics:
        """Return what was known at most a minute ago; without an answer, the last one."""
        if self._asked is None or (
            monotonic() - self._asked > _LASTS and not self._asking.locked()
        ):
            async with self._asking:
                if self._asked is None or monotonic() - self._asked > _LASTS:
                    await self._ask()
        return self._known

    async def _ask(self) -> None:
        try:
            async with self._pool.connection() as connection:
                keys = await connection.rows("SELECT key, rows, share FROM key_frequencies()")
                times = await connection.rows(
                    "SELECT part, total, bounds, spread, common, frequencies FROM time_frequencies()"
                )
        except psycopg.OperationalError:
            # The search itself will tell that the database is away.
            return
        totals: dict[str, float] = {}
        parts: dict[str, tuple[Times, ...]] = {}
        for part, total, bounds, spread, common, frequencies in times:
            totals[part] = totals.get(part, 0.0) + total
            found = Times(bounds, spread * total, common, [one * total for one in frequencies])
            parts[part] = (*parts.get(part, ()), found)
        self._known = Statistics(
            {key: Estimate(rows, share) for key, rows, share in keys}, parts, totals
        )
        self._asked = monotonic()
