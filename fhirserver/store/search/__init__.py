"""Search in SQL: blind keys by GIN, times and ranges by B-tree, pages by place.

`criteria` makes one WHERE clause of what is asked (`leaf`, `references`), `statement` a page or a count of it, `page`
runs it, verifies what the index cannot decide and fills the page, `include` adds what comes along.
"""

from fhirserver.definitions.loader import Definitions
from fhirserver.kernel.errors import Forbidden, Problem
from fhirserver.kernel.principal import Access
from fhirserver.kernel.search_page import SearchPage
from fhirserver.search.query import Query
from fhirserver.store.read import ReadContext, Reader
from fhirserver.store.search import cursor
from fhirserver.store.search.explanation import explained
from fhirserver.store.search.include import included
from fhirserver.store.search.pages import page
from fhirserver.store.search.rounds import Rounds
from fhirserver.store.search.session import Session
from fhirserver.store.search.statement import Plan, plan
from fhirserver.store.search.statistics import KnownStatistics
from fhirserver.store.search.totals import only_counted, total


class Searches:
    """Answers searches of one caller after another."""

    def __init__(self, reader: Reader, context: ReadContext) -> None:
        """Read through the pool of role fhir_read."""
        self._reader = reader
        self._context = context
        self._common = KnownStatistics(context.pool)
        self._rounds = Rounds(context.pool)

    async def page(self, access: Access, query: Query, definitions: Definitions) -> SearchPage:
        """Return one page of the matches `access` may see, with what comes along and what was asked about them.

        `definitions` are those of the caller's tenant. Raises `BadRequest` for a cursor that is not of this search,
        `TooCostly` for a search over a bound, `Forbidden` when somebody but an administrator asks for an explanation.
        """
        caller = access.principal
        if query.explain and not caller.is_unbound:
            msg = "_explain is for administrators"
            raise Forbidden(msg)
        blinds = (await self._context.keys.tenant(caller.tenant)).blinds
        blind = blinds[0]
        common = await self._common.known()
        session = Session(
            self._reader, self._context, access, definitions, blinds, common, self._rounds
        )
        key = query.cursor_key
        position = None if key is None else cursor.decode(key, query, caller, blind)
        planned = await plan(session, query)
        if only_counted(query):
            counted = await total(session, planned, query, None, first=True)
            return SearchPage((), total=counted, outcome=await _notes(session, query, planned))
        found = await page(session, planned, query, position)
        counted = await total(session, planned, query, found, first=position is None)
        others = await included(session, query.includes, found.matches) if query.includes else ()
        return SearchPage(
            found.matches,
            others,
            counted,
            None if found.after is None else cursor.encode(found.after, query, caller, blind),
            await _notes(session, query, planned),
        )


async def _notes(session: Session, query: Query, planned: Plan) -> tuple[Problem, ...]:
    ignored = [
        Problem("warning", "not-supported", "", f"search parameter {name} was ignored")
        for name in query.ignored
    ]
    return (*ignored, *(await explained(session, planned) if query.explain else ()))
