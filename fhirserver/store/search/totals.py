"""How many matches there are.

Spec: https://hl7.org/fhir/R4/search.html#total
"""

from fhirserver.search.query import Query
from fhirserver.store.search import pages, statement
from fhirserver.store.search.pages import Found
from fhirserver.store.search.session import Session
from fhirserver.store.search.statement import Plan


def only_counted(query: Query) -> bool:
    """Return whether nothing but the number of matches is wanted."""
    return query.count == 0 or query.shape.summary == "count"


async def total(
    session: Session, planned: Plan, query: Query, found: Found | None, *, first: bool
) -> int | None:
    """Return the total that `query` asks for; `found` is its page, `first` says that nothing comes before it.

    An estimate is the planner's, which counts rows of everybody: it is for callers who may see everything.
    """
    if found is not None and query.total == "none":
        return None
    if found is not None and first and found.after is None:
        return len(found.matches)
    if found is not None and query.total == "estimate" and session.access.everything:
        return await _estimated(session, planned)
    return await pages.counted(session, planned)


async def _estimated(session: Session, planned: Plan) -> int:
    plans = await session.ask_all(statement.estimates(planned))
    return sum(int(rows[0][0][0]["Plan"]["Plan Rows"]) for rows in plans)
