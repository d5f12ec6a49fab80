"""$appoint-guardian, $keep-guardian, $end-guardian, $guardians: who sees a minor's whole record, and until when.

A guardian is appointed by staff who have seen the paper. At majority their view of the record ends; their
place in the care team, and with it the alarms, does not. The patient, who is of age then, may keep them.
"""

from typing import Final

from fhirserver.interactions.authorize import absent
from fhirserver.interactions.context import Context
from fhirserver.interactions.noting import note
from fhirserver.interactions.operation import INSTANCE, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input
from fhirserver.interactions.parameters import groups
from fhirserver.interactions.standing import require_own_hand, standing_of, team_of
from fhirserver.kernel.errors import Forbidden, NotFound, Unprocessable
from fhirserver.kernel.instant import instant
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from fhirserver.relations.invitations import Standing
from fhirserver.relations.majority import majority_of
from fhirserver.relations.on_call import reference_of

_PATIENT: Final = frozenset({"Patient"})
_GUARDIAN: Final = (Input("guardian", least=1),)
_STAFF: Final = frozenset[Standing]({"administrator", "clinic-admin"})


async def appoint_guardian(context: Context, call: Call) -> Answer:
    """Make `guardian` (a RelatedPerson of this patient) one until the patient comes of age.

    For administrators, and those of an organization that manages the patient's team. Raises
    `Forbidden`, `NotFound`, `Unprocessable` for somebody who is no RelatedPerson of this patient.
    """
    require_own_hand(context, call.id)
    guardian = call.parameters.text("guardian") or ""

    async def work(tx: Transaction) -> None:
        await _require_patient(context, tx, call.id)
        if await _standing(context, tx, call.id) not in _STAFF:
            raise Forbidden("A guardian is appointed by administrators.")
        type_, _, id_ = guardian.partition("/")
        related = await tx.get("RelatedPerson", id_) if type_ == "RelatedPerson" else None
        if related is None or reference_of(related.get("patient")) != f"Patient/{call.id}":
            raise Unprocessable("A guardian is a RelatedPerson of this patient.")
        await context.store.relationships.guardians.appoint(tx, call.id, guardian)
        note(context, tx, "access-changed", call.id, (guardian,), detail="guardian appointed")

    await context.store.write(context.tenant, work)
    return Answer(status=204)


async def keep_guardian(context: Context, call: Call) -> Answer:
    """Let `guardian` see the record beyond majority: the patient's own word, or an administrator's.

    Raises `Forbidden` (also for a patient who is not of age yet) and `NotFound`.
    """
    require_own_hand(context, call.id)
    guardian = call.parameters.text("guardian") or ""

    async def work(tx: Transaction) -> None:
        patient = await _require_patient(context, tx, call.id)
        standing = await _standing(context, tx, call.id)
        if standing != "administrator" and not (standing == "patient" and _is_of_age(patient, tx)):
            raise Forbidden("A guardian is kept by the patient, once of age, or an administrator.")
        if not await context.store.relationships.guardians.keep(tx, call.id, guardian):
            raise NotFound(f"{guardian} is no guardian of this patient.")
        note(context, tx, "access-changed", call.id, (guardian,), detail="guardian kept")

    await context.store.write(context.tenant, work)
    return Answer(status=204)


async def end_guardian(context: Context, call: Call) -> Answer:
    """End what `guardian` sees as one: administrators, the patient once of age, and the guardian.

    Raises `Forbidden`, `NotFound`.
    """
    require_own_hand(context, call.id)
    guardian = call.parameters.text("guardian") or ""

    async def work(tx: Transaction) -> None:
        patient = await _require_patient(context, tx, call.id)
        standing = await _standing(context, tx, call.id)
        may = (
            standing in _STAFF
            or guardian == context.principal.reference
            or (standing == "patient" and _is_of_age(patient, tx))
        )
        if not may:
            raise Forbidden("You may not end this.")
        if not await context.store.relationships.guardians.end(tx, call.id, guardian):
            raise NotFound(f"{guardian} is no guardian of this patient.")
        note(context, tx, "access-changed", call.id, (guardian,), detail="guardian ended")

    await context.store.write(context.tenant, work)
    return Answer(status=204)


async def guardians(context: Context, call: Call) -> Answer:
    """Return Parameters with one `guardian` each: reference, since, until, kept. Raises `NotFound`."""

    async def work(tx: Transaction) -> Json:
        await _require_patient(context, tx, call.id)
        rows = await context.store.relationships.guardians.of(tx, call.id)
        return groups(
            "guardian",
            [
                [
                    ("reference", "valueReference", {"reference": one.member}),
                    ("since", "valueInstant", instant(one.since)),
                    ("until", "valueInstant", one.until and instant(one.until)),
                    ("kept", "valueBoolean", one.kept),
                ]
                for one in rows
            ],
        )

    return Answer(await context.store.write(context.tenant, work))


async def _require_patient(context: Context, tx: Transaction, id_: str) -> Json:
    """Return the patient, where the caller has to do with them. Raises `NotFound`."""
    patient = await tx.get("Patient", id_)
    if patient is None or not (context.access.everything or id_ in context.access.patients):
        raise absent("Patient", id_)
    return patient


async def _standing(context: Context, tx: Transaction, patient: str) -> Standing | None:
    store, who = context.store, context.principal
    if who.kind != "clinic-admin":
        return await standing_of(store, tx, who, patient, None)
    for team in await store.relationships.people.teams_of(tx, patient):
        named = await team_of(store, tx, patient, team)
        if await standing_of(store, tx, who, patient, named) is not None:
            return "clinic-admin"
    return None


def _is_of_age(patient: Json, tx: Transaction) -> bool:
    majority = majority_of(patient.get("birthDate"))
    return majority is not None and majority <= tx.now


APPOINT_GUARDIAN: Final = Operation(
    "appoint-guardian",
    INSTANCE,
    _PATIENT,
    affects_state=True,
    run=appoint_guardian,
    inputs=_GUARDIAN,
)
KEEP_GUARDIAN: Final = Operation(
    "keep-guardian", INSTANCE, _PATIENT, affects_state=True, run=keep_guardian, inputs=_GUARDIAN
)
END_GUARDIAN: Final = Operation(
    "end-guardian", INSTANCE, _PATIENT, affects_state=True, run=end_guardian, inputs=_GUARDIAN
)
GUARDIANS: Final = Operation("guardians", INSTANCE, _PATIENT, affects_state=False, run=guardians)
