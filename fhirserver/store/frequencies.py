"""How often values occur that the index spreads over several keys: counted in all rows of a tenant, or in a sample."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString
from uuid import UUID

from fhirserver.crypto import envelope
from fhirserver.definitions import Definitions
from fhirserver.kernel.ports import Transactions
from fhirserver.search import coarse
from fhirserver.search.extract import extract
from fhirserver.search.terms import resource_terms
from fhirserver.store.data_keys import DataKeys
from fhirserver.wire import fhir_json

# Rows of a type that a sample has about: a value that one row in four hundred has is in it five times.
SAMPLED: Final = 2000
_BATCH: Final = 500
# After so many rows the other tasks of the process get a turn: alarms may be among them.
_TURN: Final = 20
_FIRST_ROW: Final = UUID(int=0)

# Told how many rows have been counted so far.
Told = Callable[[int], Awaitable[None]]

_COLUMNS: Final[LiteralString] = "id, coalesce(fhir_id, id::text), version, key_id, content"
_READ: Final[LiteralString] = (
    "SELECT "
    + _COLUMNS
    + " FROM resource WHERE type = %s AND tenant = %s AND NOT deleted AND id > %s ORDER BY id LIMIT %s"
)
_ABOUT: Final[LiteralString] = (
    "EXPLAIN (FORMAT JSON) SELECT 1 FROM resource WHERE type = %s AND tenant = %s AND NOT deleted"
)
# Whole pages of the table, by chance: what is asked for costs the same however much there is.
_SAMPLE: Final[LiteralString] = (
    "SELECT "
    + _COLUMNS
    + " FROM resource TABLESAMPLE SYSTEM (%s) WHERE type = %s AND tenant = %s AND NOT deleted LIMIT %s"
)


@dataclass(frozen=True, slots=True)
class Frequencies:
    """How often each value (`coarse.place`) occurs in `rows` rows of one type."""

    counts: Mapping[str, int]
    rows: int


class Counting:
    """Counts values in what a tenant has stored."""

    def __init__(
        self,
        transactions: Transactions,
        data_keys: DataKeys,
        definitions_of: Callable[[int], Definitions],
    ) -> None:
        """Read through `transactions` of a worker's role."""
        self._transactions = transactions
        self._keys = data_keys
        self._definitions_of = definitions_of

    async def spread(self, tenant: int, told: Told) -> dict[str, int]:
        """Count every row of the types whose values are spread; return over how many keys each value should be."""
        found: dict[str, int] = {}
        rows = 0
        for type_ in sorted(coarse.MEASURED):
            number = self._definitions_of(tenant).type_number(type_)
            counts: Counter[str] = Counter()
            counted, last = 0, _FIRST_ROW
            while True:
                async with self._transactions(tenant) as tx:
                    batch = await tx.execute(_READ, (number, tenant, last, _BATCH))
                counted += await self._count(tenant, type_, batch, counts)
                await told(rows + counted)
                if len(batch) < _BATCH:
                    break
                last = batch[-1][0]
            rows += counted
            found |= coarse.spread_of(counts, counted)
        return found

    async def sample(self, tenant: int, type_: str) -> Frequencies:
        """Return the frequencies in some rows of a type, chosen by chance; in all where they are few."""
        number = self._definitions_of(tenant).type_number(type_)
        counts: Counter[str] = Counter()
        async with self._transactions(tenant) as tx:
            ((plan,),) = await tx.execute(_ABOUT, (number, tenant))
            about = max(plan[0]["Plan"]["Plan Rows"], 1)
            # Few are all read: what the planner thinks of a small table may be far off.
            share = 100.0 if about <= 2 * SAMPLED else 100.0 * SAMPLED / about
            rows = await tx.execute(_SAMPLE, (share, number, tenant, 2 * SAMPLED))
        counted = 0
        for first in range(0, len(rows), _BATCH):
            counted += await self._count(tenant, type_, rows[first : first + _BATCH], counts)
        return Frequencies(counts, counted)

    async def _count(
        self, tenant: int, type_: str, rows: Sequence[Sequence[Any]], counts: Counter[str]
    ) -> int:
        """Add the values of `rows` to `counts`; return how many rows could be read."""
        definitions = self._definitions_of(tenant)
        await self._keys.load(tenant, _distinct(row[3] for row in rows))
        read = 0
        for turn, (_, fhir_id, version, key_id, content) in enumerate(rows):
            if turn % _TURN == 0:
                await asyncio.sleep(0)
            try:
                plain = await self._keys.content(tenant, type_, fhir_id, version, key_id, content)
            except envelope.Tampered:
                continue
            terms = resource_terms(type_, extract(fhir_json.read_own(plain), definitions))
            places = (coarse.place(type_, term) for term in terms)
            counts.update(place for place in places if place is not None)
            read += 1
        return read


def _distinct(ids: Iterable[int]) -> Sequence[int]:
    return list(dict.fromkeys(ids))
