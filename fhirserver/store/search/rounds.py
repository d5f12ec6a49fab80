"""Statements of many searches at once, in few rounds: what a round trip costs is shared.

Only statements that find few rows by an index take part, so that nobody waits long for a neighbour. When one of them is
cut off all the same, its round has no answers, and each is asked again by itself.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, LiteralString, NamedTuple

import psycopg

from fhirserver.store.caller import SET_CALLER, Caller
from fhirserver.store.connection import Query, Row
from fhirserver.store.database import Pool
from fhirserver.store.gather import Gather, Round

# Milliseconds a statement may run that may be tried in another way.
TRIAL_TIMEOUT: Final = 300
_MOST: Final = 16
_SET_UP: Final[LiteralString] = (
    f"{SET_CALLER}, set_config('statement_timeout', %s, true), "
    "set_config('plan_cache_mode', %s, true), set_config('enable_seqscan', %s, true), "
    "set_config('enable_sort', %s, true), "
    "set_config('max_parallel_workers_per_gather', '0', true)"
)


class Statement(NamedTuple):
    """A statement and its arguments. `settled`: it is written so that no argument changes its plan."""

    sql: str
    args: tuple[Any, ...]
    settled: bool = False


class _Asked:
    """One asking of a statement, different from every other."""

    __slots__ = ("statement",)

    def __init__(self, statement: Statement) -> None:
        self.statement = statement


class Rounds:
    """Runs settled statements of concurrent searches together."""

    def __init__(self, pool: Pool) -> None:
        """Ask through the pool of role fhir_read."""
        self._pool = pool
        self._gather: Gather[Caller, _Asked, list[Row]] = Gather(self._run, most=_MOST)

    async def rows(self, caller: Caller, statement: Statement) -> list[Row] | None:
        """Return the rows `caller` sees, None when this did not work out and the statement is to be asked alone."""
        try:
            return await self._gather.ask(caller, _Asked(statement))
        except psycopg.Error:
            return None

    async def _run(self, asked: Round[Caller, _Asked]) -> Mapping[tuple[Caller, _Asked], list[Row]]:
        queries: list[Query] = []
        places: dict[tuple[Caller, _Asked], int] = {}
        for caller, items in asked.items():
            statements = [one.statement for one in items]
            queries += spoken(caller, statements, TRIAL_TIMEOUT)
            first = len(queries) - len(items)
            places |= {(caller, one): first + number for number, one in enumerate(items)}
        async with self._pool.connection() as connection:
            rows = await connection.round(queries)
        return {pair: rows[place] for pair, place in places.items()}


def spoken(caller: Caller, statements: Sequence[Statement], milliseconds: int) -> list[Query]:
    """Return what asks `statements` as `caller`, one query before them; each may run `milliseconds`."""
    # Planning costs several times what running does: once is enough where values do not decide, but how common a key is
    # decides between its index and the order's. A settled statement has an index to go by, which the planner would not
    # always see without the values.
    settled = all(one.settled for one in statements)
    plan = ("force_generic_plan", "off", "off") if settled else ("auto", "on", "on")
    return [
        Query(_SET_UP, (*caller, str(milliseconds), *plan)),
        *(Query(one.sql, one.args, prepare=settled) for one in statements),
    ]
