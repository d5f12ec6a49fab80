"""What clients may write of the Tasks by which people are told of alerts.

The person a Task was given to answers it by its status; a professional closes an incident, with a
reason. Care partners and patients change of a Task what an answer is made of, and nothing else. Nobody
answers in a partner's or the patient's name: a tap far away is not somebody at the patient's side.
"""

from datetime import datetime
from typing import Final

from fhirserver.kernel.errors import Forbidden, Problem, Unprocessable
from fhirserver.kernel.instant import instant
from fhirserver.kernel.principal import Principal
from fhirserver.kernel.resource import Json
from subscriptions.core.care_team import is_professional
from subscriptions.core.incident_task import is_ours

_STAFF: Final = ("admin", "practitioner", "system")
_OVER: Final = ("completed", "cancelled", "failed")
# Who has no profession here: they act for themselves alone.
LAYPEOPLE: Final = ("related-person", "patient")
_ANSWER: Final = frozenset(
    ("status", "statusReason", "businessStatus", "note", "output", "restriction", "executionPeriod")
) | {"meta", "lastModified"}
_SET_BY_US: Final = ("code", "groupIdentifier", "for", "focus", "owner", "partOf", "input")


def task_to_store(principal: Principal, task: Json, previous: Json | None, now: datetime) -> Json:
    """Return the Task as it shall be stored; one that is none of an incident's as it is.

    Raises `Forbidden` for an answer in somebody else's name, for more than an answer by a care partner
    or a patient, and for closing by anybody but a professional, `Unprocessable` for a change of what
    the server has set and for closing without a reason.
    """
    if previous is not None and principal.kind in LAYPEOPLE:
        _refuse_more_than_an_answer(task, previous)
    if not _is_of_incident(previous):
        if _is_of_incident(task):
            raise Unprocessable("Tasks of an incident are made by the server", expression="Task")
        return task
    assert previous is not None
    changed = task.get("status") != previous.get("status")
    if is_ours(previous, "incident"):
        _refuse_changes(task, previous)
        return _closing(principal, task, now) if changed else task
    if is_ours(previous, "page"):
        _refuse_changes(task, previous)
        owner = str(previous.get("owner", {}).get("reference"))
        # A nurse is told as a PractitionerRole and signs in as the Practitioner behind it.
        colleague = principal.kind in _STAFF and is_professional(owner)
        if changed and not colleague and principal.reference != owner:
            raise Forbidden("only the person this Task was given to may answer it")
    return task


def _is_of_incident(task: Json | None) -> bool:
    return task is not None and (is_ours(task, "incident") or is_ours(task, "page"))


def _refuse_more_than_an_answer(task: Json, previous: Json) -> None:
    changed = {
        element for element in task.keys() | previous.keys()
        if task.get(element) != previous.get(element)
    }  # fmt: skip
    if more := sorted(changed - _ANSWER):
        message = "You answer a Task by its status; the rest was written by whoever gave it to you."
        raise Forbidden(message, expression=f"Task.{more[0]}")


def _refuse_changes(task: Json, previous: Json) -> None:
    for element in _SET_BY_US:
        if task.get(element) != previous.get(element):
            problem = Problem(
                "error", "business-rule", f"Task.{element}", "set by the server, not to be changed"
            )
            raise Unprocessable("set by the server", problems=[problem])


def _closing(principal: Principal, task: Json, now: datetime) -> Json:
    if principal.kind not in _STAFF:
        raise Forbidden("an incident is closed by a professional, with a reason")
    if task.get("status") in _OVER and not task.get("statusReason"):
        problem = Problem("error", "required", "Task.statusReason", "closing needs a reason")
        raise Unprocessable("closing needs a reason", problems=[problem])
    note: Json = {"time": instant(now), "text": f"status {task.get('status')}"}
    if principal.reference:
        note["authorReference"] = {"reference": principal.reference}
    return {**task, "note": [*task.get("note", []), note]}
