"""GET _history on one resource, a type, or everything.

Spec: https://hl7.org/fhir/R4/http.html#history
"""

from datetime import datetime
from typing import Final

from fhirserver.interactions.context import Context
from fhirserver.interactions.history import history
from fhirserver.kernel.errors import BadRequest
from fhirserver.kernel.history import HistoryQuery
from fhirserver.rest import bundles
from fhirserver.rest.replies import Reply
from fhirserver.rest.requests import Pairs, Request
from fhirserver.search.period import Span, as_datetime, parse_span

DEFAULT_COUNT: Final = 50
MAX_COUNT: Final = 500
_NAMES: Final = ("_count", "_since", "_at", "_cursor")
_MAX_CURSOR: Final = 1000


async def get_history(request: Request, context: Context) -> Reply:
    """Answer with one page of versions."""
    pairs = request.pairs()
    asked = _asked(pairs, request.resource_type or None, request.id or None)
    page = await history(context, asked)
    path = "/".join(one for one in (asked.type, asked.id, "_history") if one)
    return bundles.history_bundle(page, context.base, path, pairs)


def _asked(pairs: Pairs, type_: str | None, id_: str | None) -> HistoryQuery:
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in _NAMES:
            message = f"The parameter {name!r} is not supported by history."
            raise BadRequest(message)
        if name in given:
            message = f"The parameter {name} may be given once."
            raise BadRequest(message)
        given[name] = value
    cursor = given.get("_cursor")
    if cursor is not None and len(cursor) > _MAX_CURSOR:
        raise BadRequest("parameter _cursor: not a cursor of this history")
    since = _moments("_since", given["_since"])[0] if "_since" in given else None
    at = _moments("_at", given["_at"]) if "_at" in given else None
    return HistoryQuery(type_, id_, _count(given.get("_count")), cursor, since, at)


def _count(text: str | None) -> int:
    if text is None:
        return DEFAULT_COUNT
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) >= 1):
        raise BadRequest("_count is a positive number.")
    # The specification lets a page be smaller than asked for, never larger.
    return min(int(text), MAX_COUNT)


def _moments(name: str, text: str) -> tuple[datetime, datetime]:
    """Return [begin, end) of a FHIR date or time."""
    try:
        # "+" in a query string means a blank, and callers forget to escape it.
        span: Span = parse_span(text.replace(" ", "+"))
    except ValueError:
        message = f"{name} is a date and time such as 2026-03-04T05:06:07Z."
        raise BadRequest(message) from None
    return as_datetime(span.lo), as_datetime(span.hi)
