"""What came of one simulated session, in the few numbers a report needs. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from conformance.alarms.case import Case
from conformance.alarms.door import millis

# [P] An alarm that comes later than this after the onset does not count as found: at 400 mL/min an
# adult has lost 15 % of the blood by then.
FOUND_WITHIN_S: Final = 110.0


@dataclass(frozen=True, slots=True)
class Page:
    """One call to people: how urgent, about what, seconds after the start of the session."""

    priority: str
    code: str
    reason: str
    at_s: float


@dataclass(frozen=True, slots=True)
class Result:
    """One session. `drop` in mm[Hg] and `after_s` (onset to the first PH page, None: none in time)
    are None for a clean one; `by` is the code of that page. `pages` are all calls, `suspected` all
    suspicions of ours that paged.
    """

    case: Case
    access: str
    access_pressure: float
    hours: float
    drop: float | None
    after_s: float | None
    by: str | None
    pages: tuple[Page, ...]

    @property
    def high(self) -> tuple[Page, ...]:
        """Return the pages of high priority."""
        return tuple(page for page in self.pages if page.priority == "PH")


def result_of(
    case: Case,
    *,
    access: str,
    access_pressure: float,
    drop: float | None,
    started: datetime,
    ended: datetime,
    onset: datetime | None,
    decided: Sequence[Mapping[str, Any]],
) -> Result:
    """Return what `decided` (as the rehearsal writes it) makes of a session."""
    begun = millis(started)
    pages = tuple(
        Page(
            one["alert"]["priority"],
            one["alert"]["code"],
            str(one["detail"].get("reason", "")),
            (one["at"] - begun) / 1000,
        )
        for one in decided
        if one["rings"]
    )
    found: Page | None = None
    after: float | None = None
    if onset is not None:
        onset_s = (onset - started).total_seconds()
        found = next(
            (page for page in pages if page.priority == "PH" and page.at_s - onset_s >= 0), None
        )
        if found is not None and found.at_s - onset_s <= FOUND_WITHIN_S:
            after = found.at_s - onset_s
    return Result(
        case=case,
        access=access,
        access_pressure=access_pressure,
        hours=(ended - started).total_seconds() / 3600,
        drop=drop,
        after_s=after,
        by=None if found is None or after is None else found.code,
        pages=pages,
    )
