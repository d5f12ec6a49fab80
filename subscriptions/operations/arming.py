"""Patient/[id]/$test-page and Patient/[id]/$armed: would anybody hear an alarm?

$test-page asks everybody of the first tier to acknowledge a message that reaches them the way an alarm
does; $armed says whether somebody has, and whether that person can still be reached. Both are for
whoever may see the patient: the one who starts a treatment is often the patient. Who that person is, is told to those
who see the care team, and which treatment goes on to those who see treatments.
"""

from typing import Final

from fhirserver.interactions.authorize import reads_every, require_voice
from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import INSTANCE, Answer, Call, Operation
from fhirserver.interactions.parameters import parameters
from fhirserver.interactions.read import read
from fhirserver.kernel.instant import instant
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from subscriptions.core.arming import able
from subscriptions.response.rosters import roster_of
from subscriptions.sessions.part import Sessions
from subscriptions.store import session_rows
from subscriptions.store.session_rows import ArmingRow

_PATIENT: Final = frozenset({"Patient"})


async def armed(context: Context, call: Call) -> Answer:
    """Return Parameters: how monitoring stands now. Raises `NotFound`, `Gone`."""
    await read(context, "Patient", call.id)
    async with context.store.transaction(context.tenant) as tx:
        row = await session_rows.arming_of(tx, call.id)
        return Answer(await _told(context, tx, call.id, row))


def test_page_operation(sessions: Sessions) -> Operation:
    """Return the operation that sends test pages by `sessions`."""

    async def test_page(context: Context, call: Call) -> Answer:
        """Send the test page; return Parameters as $armed does.

        Raises `NotFound`, `Gone`, `Forbidden`, and `Unprocessable` for a patient who may not be armed.
        """
        await read(context, "Patient", call.id)
        require_voice(context, call.id)

        async def work(tx: Transaction) -> Json:
            return await _told(context, tx, call.id, await sessions.armings.ask(tx, call.id))

        return Answer(await context.store.write(context.tenant, work))

    return Operation("test-page", INSTANCE, _PATIENT, affects_state=True, run=test_page)


async def _told(context: Context, tx: Transaction, patient: str, row: ArmingRow) -> Json:
    arming = row.arming
    rows: list[tuple[str, str, object]] = [
        ("state", "valueCode", arming.state),
        ("reachable", "valueUnsignedInt", len(able(await roster_of(tx, patient)))),
    ]
    if arming.reason is not None:
        rows.append(("reason", "valueCode", arming.reason))
    if arming.asked is not None:
        rows.append(("asked", "valueInstant", instant(arming.asked)))
    if arming.armed is not None:
        rows.append(("since", "valueInstant", instant(arming.armed)))
    if reads_every(context, "CareTeam", patient):
        rows += [("by", "valueReference", {"reference": member}) for member in arming.by]
    if reads_every(context, "Procedure", patient):
        rows += [
            ("treatment", "valueReference", {"reference": f"Procedure/{procedure}"})
            for procedure in await session_rows.going_on(tx, patient)
        ]
    return parameters(*rows)


ARMED: Final = Operation("armed", INSTANCE, _PATIENT, affects_state=False, run=armed)
