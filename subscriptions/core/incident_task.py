"""Tasks and Communications of an incident, as FHIR.

https://hl7.org/fhir/R4/task.html, https://hl7.org/fhir/R4/communication.html. One parent Task per
incident (what is wrong, for whom, which team answers) and one child Task per person told (who, and
how far they are). Each page of a person is a create or an update of the child with a higher page
number; the managed Subscription that is filtered by the Task's owner sends it. One Communication
per message. None of them carries a name, a number or a text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

from fhirserver.kernel.canonical import ACT_REASON, PAGE_INPUTS, REQUESTED_PERIOD, TASK_CODES
from fhirserver.kernel.instant import instant
from fhirserver.kernel.readings import Priority
from fhirserver.kernel.resource import Json
from subscriptions.core.ladder_commands import Purpose
from subscriptions.core.timing import Medium

SERVER_DEVICE: Final = "Device/fhirserver"
PRIORITIES: Final[dict[Priority, str]] = {"PH": "stat", "PM": "asap", "PL": "urgent"}
_PARTICIPATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationMode"
_MEDIA: Final[dict[Medium, tuple[str, str]]] = {
    "sms": ("SMSWRIT", "SMS message"),
    "voice": ("PHONE", "telephone"),
}
_NOT_DONE: Final = "http://terminology.hl7.org/CodeSystem/communication-not-done-reason"


@dataclass(frozen=True, slots=True)
class Incident:
    """What the Tasks of one incident have in common. `flag` and `care_team` are ids.

    `patient` is None where a device raised the alarm that nobody is bound to.
    """

    id: UUID
    patient: str | None
    flag: str | None
    care_team: str | None
    priority: Priority
    simulated: bool


@dataclass(frozen=True, slots=True)
class PageInput:
    """What a page Task says must be sent: each message is a medium and its Communication's id."""

    number: int
    purpose: Purpose
    messages: tuple[tuple[Medium, str], ...]


def parent_task(incident: Incident, now: datetime) -> Json:
    """Return the Task of the incident as a whole."""
    task = _task(incident, "incident", "in-progress", now)
    if incident.care_team is not None:
        task["owner"] = {"reference": f"CareTeam/{incident.care_team}"}
    return task


def page_task(
    incident: Incident,
    parent: str,
    member: str,
    page: PageInput,
    deadline: datetime | None,
    now: datetime,
) -> Json:
    """Return the Task of one person; `deadline` is when the next rung is told."""
    task = _task(incident, "page", "requested", now)
    task["partOf"] = [{"reference": f"Task/{parent}"}]
    task["owner"] = {"reference": member}
    return with_page(task, page, deadline, now)


def with_page(task: Json, page: PageInput, deadline: datetime | None, now: datetime) -> Json:
    """Return the Task asking for one more page."""
    inputs: list[Json] = [
        {"type": _code(PAGE_INPUTS, "page"), "valuePositiveInt": page.number},
        {"type": _code(PAGE_INPUTS, "purpose"), "valueCode": page.purpose},
    ]
    for medium, communication in page.messages:
        inputs.append({"type": _code(PAGE_INPUTS, "channel"), "valueCode": medium})
        inputs.append(
            {
                "type": _code(PAGE_INPUTS, "message"),
                "valueReference": {"reference": f"Communication/{communication}"},
            }
        )
    after = {**task, "input": inputs, "lastModified": instant(now)}
    kept = [e for e in task.get("extension", []) if e.get("url") != REQUESTED_PERIOD]
    if deadline is not None:
        period = {"start": instant(now), "end": instant(deadline)}
        kept.append({"url": REQUESTED_PERIOD, "valuePeriod": period})
    if kept:
        after["extension"] = kept
    else:
        after.pop("extension", None)
    return after


def operator_task(incident: Incident | None, reason: str, now: datetime) -> Json:
    """Return a Task for whoever runs the server; `reason` is a code, never text about a person."""
    task: Json = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "priority": "stat",
        "code": _code(TASK_CODES, "operator"),
        "authoredOn": instant(now),
        "requester": {"reference": SERVER_DEVICE},
        "reasonCode": _code(TASK_CODES, reason),
    }
    if incident is None:
        return task
    shared = _task(incident, "operator", "requested", now)
    return {**shared, **task, "priority": PRIORITIES[incident.priority]}


def communication(incident: Incident, task: str, member: str, medium: Medium) -> Json:
    """Return the Communication of one message, not sent yet."""
    code, display = _MEDIA[medium]
    concept = {"coding": [{"system": _PARTICIPATION, "code": code, "display": display}]}
    content: Json = {
        "resourceType": "Communication",
        "status": "preparation",
        "partOf": [{"reference": f"Task/{task}"}],
        "category": [
            _code("http://terminology.hl7.org/CodeSystem/communication-category", "alert")
        ],
        "priority": PRIORITIES[incident.priority],
        "medium": [concept],
        "recipient": [{"reference": member}],
        "sender": {"reference": SERVER_DEVICE},
    }
    if incident.patient is not None:
        content["subject"] = {"reference": f"Patient/{incident.patient}"}
    if incident.flag is not None:
        content["about"] = [{"reference": f"Flag/{incident.flag}"}]
    return _tested(content, simulated=incident.simulated)


def answer_communication(
    task: Json, task_id: str, member: str, in_response_to: str | None, now: datetime
) -> Json:
    """Return the Communication of a reply from a telephone: that there was one, not its words."""
    content: Json = {
        "resourceType": "Communication",
        "status": "completed",
        "partOf": [{"reference": f"Task/{task_id}"}],
        "sender": {"reference": member},
        "recipient": [{"reference": SERVER_DEVICE}],
        "received": instant(now),
    }
    if "for" in task:
        content["subject"] = task["for"]
    if in_response_to is not None:
        content["inResponseTo"] = [{"reference": f"Communication/{in_response_to}"}]
    if "focus" in task:
        content["about"] = [task["focus"]]
    return _tested(content, simulated=is_simulated(task))


def sent(content: Json, now: datetime) -> Json:
    """Return a Communication that was handed over to the telephone company."""
    return {**content, "status": "in-progress", "sent": instant(now)}


def received(content: Json, now: datetime) -> Json:
    """Return a Communication that arrived."""
    return {**content, "status": "completed", "received": instant(now)}


def not_done(content: Json, reason: str) -> Json:
    """Return a Communication that was not, or could not be, sent; `reason` is a code of ours."""
    known = "invalid-phone-number" if reason == "number-dead" else "system-error"
    coding = [{"system": _NOT_DONE, "code": known}]
    concept: Json = {"coding": coding, "text": reason}
    return {**content, "status": "not-done", "statusReason": concept}


def page_of(task: Json) -> PageInput | None:
    """Return what a page Task asks to send, None when it is not one of ours."""
    if not is_ours(task, "page"):
        return None
    number, purpose = 0, ""
    media: list[str] = []
    messages: list[str] = []
    for entry in task.get("input", []):
        kind = _codes(entry.get("type"), PAGE_INPUTS)
        if kind == "page":
            number = entry["valuePositiveInt"]
        elif kind == "purpose":
            purpose = entry["valueCode"]
        elif kind == "channel":
            media.append(entry["valueCode"])
        elif kind == "message":
            messages.append(entry["valueReference"]["reference"].rsplit("/", 1)[-1])
    pairs = cast("tuple[tuple[Medium, str], ...]", tuple(zip(media, messages, strict=True)))
    return PageInput(number, cast("Purpose", purpose), pairs)


def is_ours(task: Json, code: str) -> bool:
    """Return whether `task` is an ``incident``, ``page`` or ``operator`` Task of this server."""
    return _codes(task.get("code"), TASK_CODES) == code


def is_simulated(resource: Json) -> bool:
    """Return whether `resource` is marked as test data (HTEST)."""
    security: Sequence[Any] = resource.get("meta", {}).get("security", [])
    return any(s.get("system") == ACT_REASON and s.get("code") == "HTEST" for s in security)


def incident_of(task: Json) -> UUID | None:
    """Return the incident a Task belongs to, None for a Task that is about none."""
    value = str(task.get("groupIdentifier", {}).get("value", ""))
    try:
        return UUID(value.removeprefix("urn:uuid:")) if value.startswith("urn:uuid:") else None
    except ValueError:
        return None


def patient_of(task: Json) -> str | None:
    """Return the id of the patient a Task is for, None for the incident of a device of nobody."""
    reference = str(task.get("for", {}).get("reference", ""))
    return reference.partition("/")[2] if reference.startswith("Patient/") else None


def urgency_of(task: Json) -> Priority:
    """Return the alert priority behind a Task's priority."""
    return "PH" if task.get("priority") == "stat" else "PM"


def _task(incident: Incident, code: str, status: str, now: datetime) -> Json:
    task: Json = {
        "resourceType": "Task",
        "groupIdentifier": {
            "system": "urn:ietf:rfc:3986",
            "value": f"urn:uuid:{incident.id}",
        },
        "status": status,
        "intent": "order",
        "priority": PRIORITIES[incident.priority],
        "code": _code(TASK_CODES, code),
        "authoredOn": instant(now),
        "lastModified": instant(now),
        "requester": {"reference": SERVER_DEVICE},
    }
    if incident.patient is not None:
        task["for"] = {"reference": f"Patient/{incident.patient}"}
    if incident.flag is not None:
        task["focus"] = {"reference": f"Flag/{incident.flag}"}
    return _tested(task, simulated=incident.simulated)


def _tested(resource: Json, *, simulated: bool) -> Json:
    if not simulated:
        return resource
    return {**resource, "meta": {"security": [{"system": ACT_REASON, "code": "HTEST"}]}}


def _code(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def _codes(concept: Any, system: str) -> str | None:
    codings = concept.get("coding", []) if isinstance(concept, dict) else []
    return next((c.get("code") for c in codings if c.get("system") == system), None)
