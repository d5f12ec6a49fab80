"""$break-glass, $end-break-glass, $emergency-accesses, $review-emergency-access: help before relationship.

A practitioner who belongs to no team of a patient opens the record in an emergency, with a reason. It
ends by itself; patient and team are told at once, and a second person looks at it afterwards.

Spec: 45 CFR 164.312(a)(2)(ii), http://terminology.hl7.org/CodeSystem/v3-ActReason (BTG)
"""

from typing import Final

from fhirserver.interactions.context import Context
from fhirserver.interactions.emergency_review import REVIEW
from fhirserver.interactions.noting import note
from fhirserver.interactions.operation import INSTANCE, SYSTEM, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input
from fhirserver.interactions.parameters import Row, groups, parameters
from fhirserver.interactions.standing import require_own_hand
from fhirserver.kernel.canonical import ACT_REASON, TASK_CODES
from fhirserver.kernel.errors import BadRequest, Conflict, Forbidden, NotFound
from fhirserver.kernel.instant import instant
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.relationships import Emergency
from fhirserver.kernel.resource import Json
from fhirserver.relations.constants import EMERGENCY_LASTS
from fhirserver.relations.on_call import reference_of

_PATIENT: Final = frozenset({"Patient"})
_BTG: Final = {"coding": [{"system": ACT_REASON, "code": "BTG", "display": "break the glass"}]}
_OPERATOR: Final = {"coding": [{"system": TASK_CODES, "code": "operator"}]}
_REVIEW: Final = {"coding": [REVIEW, *_BTG["coding"]]}
_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/communication-category"
_VERDICTS: Final = ("justified", "unjustified")
_STATES: Final[dict[str, bool | None]] = {"open": False, "reviewed": True, "all": None}
_LONGEST: Final = 2000


async def break_glass(context: Context, call: Call) -> Answer:
    """Return Parameters: id, expires, review (the Task of the second person).

    Takes reason (string). One that lasts already is returned as it is. Raises `Forbidden` for
    anybody but a practitioner, `NotFound`, `BadRequest`.
    """
    require_own_hand(context, call.id)
    principal = context.principal
    if principal.kind != "practitioner":
        raise Forbidden("Only a practitioner may open a record in an emergency.")
    reason = _text(call.parameters.text("reason"), "reason")

    async def work(tx: Transaction) -> Json:
        if await tx.get("Patient", call.id) is None:
            raise NotFound(f"Patient/{call.id} is not known.")
        rows = context.store.relationships.emergencies
        lasting = await rows.current(tx, call.id, principal.reference)
        if lasting is None:
            lasting = await _begin(context, tx, call.id, reason)
        return parameters(
            ("id", "valueId", lasting.id),
            ("expires", "valueInstant", instant(lasting.expires)),
            ("review", "valueReference", {"reference": f"Task/{lasting.task}"}),
        )

    return Answer(await context.store.write(context.tenant, work))


async def _begin(context: Context, tx: Transaction, patient: str, reason: str) -> Emergency:
    by = {"reference": context.principal.reference}
    subject = {"reference": f"Patient/{patient}"}
    told = await _told(context, tx, patient)
    await tx.put(
        {
            "resourceType": "Communication",
            "status": "completed",
            "category": [{"coding": [{"system": _CATEGORY, "code": "notification"}]}],
            "priority": "urgent",
            "subject": subject,
            "recipient": [{"reference": one} for one in told],
            "sender": by,
            "sent": instant(tx.now),
            "reasonCode": [_BTG],
            "payload": [{"contentString": f"The record was opened in an emergency: {reason}"}],
        }
    )
    task = await tx.put(
        {
            "resourceType": "Task",
            "status": "requested",
            "intent": "order",
            "priority": "urgent",
            "code": _OPERATOR,
            "description": reason,
            "for": subject,
            "authoredOn": instant(tx.now),
            "requester": by,
            "reasonCode": _REVIEW,
        }
    )
    await tx.put(
        {
            "resourceType": "Provenance",
            "target": [subject, {"reference": f"Task/{task.id}"}],
            "recorded": instant(tx.now),
            "reason": [_BTG],
            "agent": [{"who": by}],
        }
    )
    emergency = Emergency(
        tx.new_id(patient),
        patient,
        context.principal.reference,
        reason,
        tx.now,
        tx.now + EMERGENCY_LASTS,
        task.id,
    )
    await context.store.relationships.emergencies.open(tx, emergency)
    note(context, tx, "break-glass", patient, (f"Task/{task.id}",), purpose="BTG")
    return emergency


async def _told(context: Context, tx: Transaction, patient: str) -> list[str]:
    """Return the patient and everybody in the patient's teams."""
    found = {f"Patient/{patient}": None}
    for id_ in await context.store.relationships.people.teams_of(tx, patient):
        team = await tx.get("CareTeam", id_)
        members = [] if team is None else team.get("participant", ())
        found |= {member: None for one in members if (member := reference_of(one.get("member")))}
    # Communication.recipient takes each of the types that a participant can be.
    return list(found)


async def end_break_glass(context: Context, call: Call) -> Answer:
    """End it before its time: one's own, or, for administrators, everybody's. Raises `NotFound`."""
    require_own_hand(context, call.id)

    async def work(tx: Transaction) -> None:
        whose = None if context.access.everything else context.principal.reference
        if not await context.store.relationships.emergencies.end(tx, call.id, whose):
            raise NotFound("There is no emergency access to this patient that lasts.")

    await context.store.write(context.tenant, work)
    return Answer(status=204)


async def emergency_accesses(context: Context, call: Call) -> Answer:
    """Return Parameters with one `access` each, the newest first; state is open (default), reviewed or all."""
    state = call.parameters.text("state") or "open"
    if state not in _STATES:
        raise BadRequest(f"state is one of: {', '.join(_STATES)}.")

    async def work(tx: Transaction) -> Json:
        rows = context.store.relationships.emergencies
        found = await rows.listed(tx, reviewed=_STATES[state])
        return groups("access", [_listed(one) for one in found])

    return Answer(await context.store.write(context.tenant, work))


async def review_emergency_access(context: Context, call: Call) -> Answer:
    """Note what a second person finds, and complete the Task.

    Takes id, verdict (code: justified, unjustified) and note. Raises `NotFound`, `BadRequest`,
    `Forbidden` for who had the access, `Conflict` when it was reviewed before.
    """
    id_, note = call.parameters.text("id") or "", call.parameters.text("note")
    verdict = call.parameters.text("verdict") or ""
    if verdict not in _VERDICTS:
        raise BadRequest(f"verdict is one of: {', '.join(_VERDICTS)}.")
    if note is not None:
        note = _text(note, "note")

    async def work(tx: Transaction) -> None:
        rows = context.store.relationships.emergencies
        found = await rows.one(tx, id_)
        if found is None:
            raise NotFound(f"There is no emergency access {id_!r}.")
        people, access = context.store.relationships.people, context.access
        same = await people.roles_of(tx, found.practitioner)
        if access.principal.reference in same or (
            access.account is not None and await people.acts_as(tx, access.account, same)
        ):
            raise Forbidden("Nobody reviews their own emergency access.")
        if found.reviewed is not None:
            raise Conflict("This emergency access was reviewed before.")
        reviewer = access.principal.reference or access.account or access.principal.kind
        await rows.review(tx, found, reviewer, verdict, note)
        task = await tx.get("Task", found.task, lock=True)
        if task is not None:
            done = {**task, "status": "completed", "statusReason": {"text": verdict}}
            await tx.put(done, id_=found.task)

    await context.store.write(context.tenant, work)
    return Answer(status=204)


def _listed(one: Emergency) -> list[Row]:
    return [
        ("id", "valueId", one.id),
        ("patient", "valueReference", {"reference": f"Patient/{one.patient}"}),
        ("practitioner", "valueReference", {"reference": one.practitioner}),
        ("reason", "valueString", one.reason),
        ("started", "valueInstant", instant(one.started)),
        ("expires", "valueInstant", instant(one.expires)),
        ("ended", "valueInstant", one.ended and instant(one.ended)),
        ("review", "valueReference", {"reference": f"Task/{one.task}"}),
        ("reviewed", "valueInstant", one.reviewed and instant(one.reviewed)),
        ("reviewer", "valueString", one.reviewer),
        ("verdict", "valueCode", one.verdict),
        ("note", "valueString", one.note),
    ]


def _text(given: str | None, name: str) -> str:
    text = (given or "").strip()
    if not text or len(text) > _LONGEST:
        raise BadRequest(f"{name} is a text of 1 to {_LONGEST} characters.")
    return text


BREAK_GLASS: Final = Operation(
    "break-glass",
    INSTANCE,
    _PATIENT,
    affects_state=True,
    run=break_glass,
    inputs=(Input("reason", least=1),),
)
END_BREAK_GLASS: Final = Operation(
    "end-break-glass", INSTANCE, _PATIENT, affects_state=True, run=end_break_glass
)
EMERGENCY_ACCESSES: Final = Operation(
    "emergency-accesses",
    SYSTEM,
    None,
    affects_state=False,
    run=emergency_accesses,
    inputs=(Input("state", "code"),),
    administrators=True,
)
REVIEW_EMERGENCY_ACCESS: Final = Operation(
    "review-emergency-access",
    SYSTEM,
    None,
    affects_state=True,
    run=review_emergency_access,
    inputs=(Input("id", "id", least=1), Input("verdict", "code", least=1), Input("note")),
    administrators=True,
)
