"""Which rows a search has to look at: those that one of its conditions finds, or all in the order of its page.

A statement that is planned once is planned without its values, so the choice between the two is made here, out of what
is known of how frequent they are. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from fhirserver.search.query import SortKey
from fhirserver.store.search.clause import EVERY, Clause, Estimate, ends_behind
from fhirserver.store.search.scope import Scope
from fhirserver.store.search.statistics import Statistics

# So few rows are found and put in order whatever else is asked of them.
FEW: Final = 500
# More rows than these are not looked at without the planner's advice.
_MANY: Final = 5000


@dataclass(frozen=True, slots=True)
class Finder:
    """A condition that an index finds its rows by: `parts` of the search say it, about `rows` meet it."""

    clause: Clause
    parts: tuple[Clause, ...]
    rows: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """The best `finder`; the `share` of rows that meet everything, None where nobody knows, and the `cost` of asking one.

    `of_patient` rows are those of the one patient that is asked for, which an index has in the order of time as well.
    Rows of a time (`timed`) are likely to have come together.
    """

    finder: Finder | None = None
    share: float | None = None
    cost: float = 1.0
    of_patient: Estimate | None = None
    timed: bool = False

    @property
    def few(self) -> bool:
        """Whether the finder's rows are few, whatever else is asked."""
        return self.finder is not None and self.finder.rows <= FEW

    def finds(self, sort: Sequence[SortKey], limit: int) -> bool:
        """Return whether the finder's rows are few enough to be put in order.

        A row that is found costs twice as much as one that is come across; but where rows of a kind are bunched, going
        along may come across none of them for long.
        """
        if self.finder is None or self.share is None:
            return self.few
        return self.finder.rows <= min(self._walked(sort, limit), _MANY)

    def walks(self, sort: Sequence[SortKey], limit: int) -> bool:
        """Return whether going through the rows in order, asking each, fills the page soon."""
        return self._walked(sort, limit) <= _MANY

    def _walked(self, sort: Sequence[SortKey], limit: int) -> float:
        """Return about how many rows are looked at; infinitely many where that is not known."""
        by_time = sort[0].by == "time"
        if not self.share or any(key.by == "range" for key in sort):
            return inf
        if self.timed and not by_time:
            return inf
        among = self.of_patient if by_time else None
        if among is None:
            return limit / self.share * self.cost
        return min(limit / self.share * among.share, among.rows) * self.cost


def outlook(scope: Scope, where: Clause, known: Statistics) -> Outlook:
    """Return the outlook of the rows of `scope` that meet `where`."""
    spans = tuple(one for one in where.conjuncts if one.span is not None)
    parts = [one for one in where.conjuncts if one.span is None and one.estimate is not EVERY]
    finders = [
        Finder(one, (one,), 0.0 if one.rare or one.estimate is None else one.estimate.rows)
        for one in parts
        if one.rare or one.estimate is not None
    ]
    estimates = [one.estimate for one in parts]
    if spans:
        span, finder = _of_time(scope, spans, known)
        estimates.append(span)
        finders += [] if finder is None else [finder]
    best = min(finders, key=lambda one: one.rows, default=None)
    share, cost = 1.0, 1.0
    for one in estimates:
        if one is None:
            return Outlook(best)
        share, cost = share * one.share, cost + one.cost - 1.0
    of_patient = next((one.estimate for one in parts if one.patient is not None), None)
    return Outlook(best, share, cost, of_patient, timed=bool(spans))


def _of_time(
    scope: Scope, parts: tuple[Clause, ...], known: Statistics
) -> tuple[Estimate | None, Finder | None]:
    """Return how many rows meet all of the spans in `parts`, and what finds them."""
    given = [one.span for one in parts if one.span is not None]
    start = max((one.start for one in given if one.start is not None), default=None)
    after = max((one.after for one in given if one.after is not None), default=None)
    before = min((one.before for one in given if one.before is not None), default=None)
    found = known.time(scope.type, start, before)
    if found is None or (after is None and before is None):
        return found, None
    bounds: list[str] = []
    if before is not None:
        bounds.append(f"{scope.alias}.time < %s")
    if after is not None:
        bounds.append(ends_behind(scope.alias))
    args = tuple(one for one in (before, start, after) if one is not None)
    return found, Finder(Clause(" AND ".join(bounds), args), parts, found.rows)
