"""Observation/$lastn: the most recent observations of a patient, some for each code.

Observations that share a coding of `Observation.code` belong together; those coded in words alone are
put together by their text. Each code is found by one short search that leaves out the codes found
before, so that a patient with a million device readings costs no more than one with a hundred.

Spec: https://hl7.org/fhir/R4/observation-operation-lastn.html
"""

from collections.abc import Sequence
from typing import Final

from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import CORE, TYPE, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input
from fhirserver.interactions.search import search
from fhirserver.kernel.errors import BadRequest, TooCostly
from fhirserver.kernel.resource import Json, Stored
from fhirserver.kernel.search_page import SearchPage
from fhirserver.search.asked import Query, Wanted
from fhirserver.search.criterion import AllOf
from fhirserver.wire import fhir_json

MOST_EACH: Final = 100
# Searches for one answer: codes found, and pages of observations coded in words alone.
MOST_SEARCHES: Final = 400
_PAGE: Final = 20
_OF_SEARCH: Final = frozenset({"_count", "_sort", "_cursor", "_total", "_explain", "_summary"})

Pairs = Sequence[tuple[str, str]]


async def lastn(context: Context, call: Call) -> Answer:
    """Return a Bundle: of each code the `max` newest observations (one when missing), newest first.

    Raises `BadRequest` without a patient or subject, `Forbidden`, `TooCostly` (too many codes).
    """
    each = call.parameters.number("max") or 1
    if each > MOST_EACH:
        message = f"max is at most {MOST_EACH}."
        raise BadRequest(message)
    pairs = [pair for pair in call.pairs if pair[0] != "max"]
    _require_subject(pairs)
    found = await _Newest(context, pairs, each).collect()
    query = Query(wanted=(Wanted("Observation", AllOf(())),), applied=tuple(call.pairs))
    return Answer(page=SearchPage(entries=tuple(found), total=len(found)), query=query)


def _require_subject(pairs: Pairs) -> None:
    for name, _ in pairs:
        if name in _OF_SEARCH:
            message = f"$lastn has an order and a number of its own; {name} is not supported."
            raise BadRequest(message)
    if not any(name.partition(":")[0] in ("patient", "subject") for name, _ in pairs):
        message = "$lastn needs a patient or a subject."
        raise BadRequest(message)


class _Newest:
    """One collection of the newest observations of each code."""

    def __init__(self, context: Context, pairs: Pairs, each: int) -> None:
        self._context = context
        self._pairs = pairs
        self._each = each
        self._searches = 0
        # By token, and by text for those without one.
        self._groups: dict[str, dict[str, Stored]] = {}
        self._tokens: list[str] = []

    async def collect(self) -> list[Stored]:
        """Return the observations, each once, group by group."""
        while await self._next_code():
            pass
        return list(
            {one.id: one for group in self._groups.values() for one in group.values()}.values()
        )

    async def _next_code(self) -> bool:
        """Find one more code and its newest observations; False when there is none."""
        cursor: str | None = None
        while True:
            page = await self._search(self._others(), _PAGE, cursor)
            for stored in page.entries:
                token, text = _code(fhir_json.read(stored.content))
                if token is not None:
                    self._tokens.append(token)
                    same = await self._search([("code", token)], self._each)
                    self._groups[f"token {token}"] = {one.id: one for one in same.entries}
                    return True
                group = self._groups.setdefault(f"text {text}", {})
                if len(group) < self._each:
                    group[stored.id] = stored
            cursor = page.cursor
            if cursor is None:
                return False

    def _others(self) -> Pairs:
        return [("code:not", ",".join(self._tokens))] if self._tokens else []

    async def _search(self, more: Pairs, count: int, cursor: str | None = None) -> SearchPage:
        self._searches += 1
        if self._searches > MOST_SEARCHES:
            message = "There are too many codes for one answer; name some of them, or a category."
            raise TooCostly(message)
        order = [("_sort", "-date"), ("_count", str(count))]
        if cursor is not None:
            order.append(("_cursor", cursor))
        found = await search(self._context, "Observation", [*self._pairs, *more, *order])
        return found.page


def _code(observation: Json) -> tuple[str | None, str]:
    """Return the first coding with a code as a search token, and the words otherwise."""
    concept = observation.get("code", {})
    codings = concept.get("coding", ())
    for coding in codings:
        if "code" in coding:
            return f"{_escaped(coding.get('system', ''))}|{_escaped(coding['code'])}", ""
    words = [concept.get("text"), *(coding.get("display") for coding in codings)]
    return None, next((one for one in words if one), "")


def _escaped(text: str) -> str:
    """Return `text` with the characters escaped that mean something in a search value."""
    return "".join("\\" + one if one in "\\,|$" else one for one in text)


LASTN: Final = Operation(
    "lastn",
    TYPE,
    frozenset({"Observation"}),
    affects_state=False,
    run=lastn,
    inputs=(Input("max", "positiveInt"),),
    definition=CORE + "Observation-lastn",
    takes_search=True,
)
