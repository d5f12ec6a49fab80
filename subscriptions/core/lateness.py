"""Evaluation that is late: what the server's own backlog means for people in treatment. Pure.

A device whose messages wait in our backlog is not silent, so silence is judged anew from the moment
evaluation caught up. But a treatment that nobody evaluates for a minute is not monitored, and everybody
of that patient must know.
"""

from datetime import datetime

from subscriptions.core.constants import PEOPLE_TOLD_LATE_AFTER
from subscriptions.core.event_codes import EVALUATION_LATE
from subscriptions.core.findings import Finding, What, own_finding

KEY = "evaluation-late"


def listening_since(
    began: datetime, late_since: datetime | None, before: datetime, now: datetime
) -> datetime:
    """Return since when devices' silence is theirs; `before` is what was returned the last time."""
    return now if late_since is not None else max(began, before)


def is_told(late_since: datetime | None, now: datetime) -> bool:
    """Return whether people are to be told of a lateness that began then."""
    if late_since is None:
        return False
    return (now - late_since).total_seconds() >= PEOPLE_TOLD_LATE_AFTER.value


def late_finding(
    patient: str, device: str | None, what: What, at: datetime, *, simulated: bool
) -> Finding:
    """Return the finding that a patient's readings are evaluated late, or (``ended``) in time again."""
    return own_finding(
        what,
        EVALUATION_LATE,
        key=KEY,
        patient=patient,
        device=device,
        priority="PM",
        at=at,
        simulated=simulated,
        detail={"reason": "the server's own backlog", "since": at.isoformat()},
    )
