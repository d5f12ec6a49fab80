"""Claims on the criteria of conditional writes: whoever holds one is alone with its question until the commit.

Two requests that make something unless it is there already ask the same question. The second waits at the claim
until the first has committed, and then searches in a new statement, which sees what the first one wrote.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final, LiteralString

from fhirserver.crypto.blind_index import BlindIndex
from fhirserver.store.caller import entering
from fhirserver.store.connection import Connection, Query
from fhirserver.store.database import Pool

# Nothing depends on a claim after its transaction; this only keeps the table small.
_KEPT: Final = timedelta(minutes=10)
_CLAIM: Final[LiteralString] = (
    "INSERT INTO conditional_claim AS c (tenant, type, criteria) SELECT %s::int, t, k "
    "FROM unnest(%s::smallint[], %s::bigint[]) AS wanted(t, k) ORDER BY t, k "
    "ON CONFLICT (tenant, type, criteria) DO UPDATE SET claimed = now()"
)
_FORGET: Final[LiteralString] = (
    "DELETE FROM conditional_claim WHERE tenant = %s AND (type, criteria) IN ("
    "SELECT type, criteria FROM conditional_claim WHERE tenant = %s AND claimed < now() - %s "
    "LIMIT 10000 FOR UPDATE SKIP LOCKED)"
)


async def claim(
    connection: Connection, tenant: int, blind: BlindIndex, wanted: Iterable[tuple[int, str]]
) -> None:
    """Hold the `wanted` criteria (type number and their text) until commit, taken in one order everywhere."""
    hashed = sorted({(number, blind.hash("claim", str(number), text)) for number, text in wanted})
    if hashed:
        await connection.rows(
            _CLAIM, (tenant, [number for number, _ in hashed], [key for _, key in hashed])
        )


async def forget(pool: Pool, tenant: int) -> None:
    """Remove claims that nobody has taken for a while."""
    async with pool.connection() as connection:
        await connection.round((entering(tenant), Query(_FORGET, (tenant, tenant, _KEPT))))
