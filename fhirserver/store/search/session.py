"""One search's way into the database: its caller, its bounds, and what it asked.

Every statement runs as the caller, under row-level security, and is cut off after five seconds: that, like every other
bound of a search, is told as `TooCostly`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

from fhirserver.crypto.blind_index import BlindIndex
from fhirserver.definitions.loader import Definitions
from fhirserver.kernel.errors import TooCostly, Unavailable
from fhirserver.kernel.principal import Access
from fhirserver.store.connection import Row
from fhirserver.store.read import ReadContext, Reader
from fhirserver.store.search.clause import Clause, all_of
from fhirserver.store.search.rounds import TRIAL_TIMEOUT, Rounds, Statement, spoken
from fhirserver.store.search.scope import Scope, current_rows
from fhirserver.store.search.statistics import Statistics

# Milliseconds a statement of a search may run.
STATEMENT_TIMEOUT: Final = 5000
# Other resources looked for on behalf of one search: links of chains and `_has`, lists.
MAX_SUBQUERIES: Final = 50


def too_costly(reason: str) -> TooCostly:
    """Return the refusal of a search that goes over a bound."""
    msg = f"the search is too costly: {reason}; narrow it"
    return TooCostly(msg)


@dataclass(slots=True)
class Session:
    """What one search needs, and the statements it ran."""

    reader: Reader
    context: ReadContext
    access: Access
    definitions: Definitions
    blinds: tuple[BlindIndex, ...]
    common: Statistics
    rounds: Rounds
    ran: list[Statement] = field(default_factory=list)
    _subqueries: int = 0

    @property
    def tenant(self) -> int:
        """The caller's tenant."""
        return self.access.principal.tenant

    @property
    def blind(self) -> BlindIndex:
        """The index that links are made by."""
        return self.blinds[0]

    def scope(self, type_: str, alias: str) -> Scope:
        """Return the scope of the rows of `type_` under `alias`."""
        return Scope(type_, self.definitions.type_number(type_), alias)

    def subscope(self, type_: str) -> Scope:
        """Return a scope under an alias of its own. Raises `TooCostly` when there are too many."""
        self._subqueries += 1
        if self._subqueries > MAX_SUBQUERIES:
            raise too_costly(f"it follows more than {MAX_SUBQUERIES} references")
        return self.scope(type_, f"r{self._subqueries}")

    def current(self, scope: Scope, asked: Clause) -> Clause:
        """Return the condition of the rows of `scope` that the caller may see and that meet what is `asked`."""
        return all_of((current_rows(scope, self.access, self.blind, asked.patient), asked))

    async def ask(self, statement: Statement) -> list[Row]:
        """Return the rows. Raises `TooCostly`, `Unavailable`."""
        return (await self.ask_all([statement]))[0]

    async def ask_all(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """Return the rows of each statement, run one after the other in one round trip. Raises as `ask`."""
        self.ran.extend(statements)
        return await self._run(statements)

    async def tried(self, statement: Statement) -> list[Row] | None:
        """Return the rows, None when they do not come soon."""
        self.ran.append(statement)
        if statement.settled:
            found = await self.rounds.rows(await self.reader.settings(self.access), statement)
            if found is not None:
                return found
        try:
            return (await self._run([statement], TRIAL_TIMEOUT))[0]
        except TooCostly:
            return None

    async def plans(self) -> list[tuple[str, Any]]:
        """Return the text and the plan of each statement that ran, without running it again."""
        ran = list(self.ran)
        found = await self._run(
            [Statement("EXPLAIN (FORMAT JSON) " + one.sql, one.args) for one in ran]
        )
        return [(one.sql, rows[0][0]) for one, rows in zip(ran, found, strict=True)]

    async def _run(
        self, statements: Sequence[Statement], milliseconds: int | None = None
    ) -> list[list[Row]]:
        caller = await self.reader.settings(self.access)
        queries = spoken(caller, statements, milliseconds or STATEMENT_TIMEOUT)
        try:
            async with self.context.pool.connection() as connection:
                return (await connection.round(queries))[1:]
        except psycopg.errors.QueryCanceled as cut:
            raise too_costly("it takes longer than five seconds") from cut
        except psycopg.OperationalError as outage:
            msg = "the database is not available, try again"
            raise Unavailable(msg) from outage
