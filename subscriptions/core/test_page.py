"""The Tasks of a test page: one for the test as a whole, one for each person asked. Pure.

A person's Task is an ordinary page Task of purpose ``test``: it reaches its owner by the managed
Subscription that alarms reach them by, which is what is tested. All of it is test data (HTEST).
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from fhirserver.kernel.canonical import TASK_CODES
from fhirserver.kernel.resource import Json
from subscriptions.core.incident_task import Incident, page_of, parent_task
from subscriptions.core.ladder_commands import TaskStatus
from subscriptions.core.ladder_state import Answer

# What an answer to a test page makes of its Task; everything but ``n`` shows that it arrived.
STATUSES: Final[dict[Answer, TaskStatus]] = {
    "a": "received",
    "y": "accepted",
    "h": "completed",
    "n": "rejected",
}
_SHOWN: Final = frozenset(STATUSES[answer] for answer in ("a", "y", "h"))


def test_incident(incident: UUID, patient: str, care_team: str | None) -> Incident:
    """Return what the Tasks of a test page have in common."""
    return Incident(
        id=incident,
        patient=patient,
        flag=None,
        care_team=care_team,
        priority="PM",
        simulated=True,
    )


def test_task(incident: Incident, now: datetime) -> Json:
    """Return the Task of the test as a whole."""
    code = {"coding": [{"system": TASK_CODES, "code": "test-page"}]}
    return {**parent_task(incident, now), "code": code}


def is_test(task: Json) -> bool:
    """Return whether `task` asks a person to acknowledge a test page."""
    page = page_of(task)
    return page is not None and page.purpose == "test"


def shows_arrival(task: Json) -> bool:
    """Return whether the person of a test page's Task has answered that it arrived."""
    return task.get("status") in _SHOWN


def parent_of(task: Json) -> str | None:
    """Return the id of the Task of the test as a whole that a person's Task is part of."""
    for part in task.get("partOf", []):
        type_, _, id_ = str(part.get("reference", "")).partition("/")
        if type_ == "Task" and id_:
            return id_
    return None
