"""Patient/[id]/$check-in: somebody says how the patient is.

It is recorded as an Observation; "not-well" calls the care team. Saying "ok" closes no alert that a
machine or a measured value has raised.
"""

from typing import Final, cast, get_args

from fhirserver.interactions.authorize import require_voice
from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import INSTANCE, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input
from fhirserver.interactions.read import read
from fhirserver.kernel.errors import BadRequest
from fhirserver.kernel.ports import Transaction
from fhirserver.wire import fhir_json
from subscriptions.core.check_in import CheckIn
from subscriptions.core.incident_task import is_simulated
from subscriptions.sessions.part import Sessions

_SAYINGS: Final = get_args(CheckIn)
_LONGEST_NOTE: Final = 2000


def check_in_operation(sessions: Sessions) -> Operation:
    """Return the operation, recorded by `sessions`."""

    async def check_in(context: Context, call: Call) -> Answer:
        """Return the Observation of what was said.

        Raises `NotFound`, `Gone`, `Forbidden`, and `BadRequest` for anything but ``ok`` and ``not-well``.
        """
        said = call.parameters.text("code")
        if said not in _SAYINGS:
            raise BadRequest(f"The parameter code is one of {', '.join(_SAYINGS)}.")
        note = call.parameters.text("note")
        if note is not None and len(note) > _LONGEST_NOTE:
            raise BadRequest(f"A note has at most {_LONGEST_NOTE} characters.")
        patient = fhir_json.read_own((await read(context, "Patient", call.id)).content)
        require_voice(context, call.id)

        async def work(tx: Transaction) -> bytes:
            return await sessions.check_in(
                tx,
                cast("CheckIn", said),
                patient=call.id,
                by=context.principal.reference or None,
                note=note,
                simulated=is_simulated(patient),
            )

        return Answer(content=await context.store.write(context.tenant, work))

    return Operation(
        "check-in",
        INSTANCE,
        frozenset({"Patient"}),
        affects_state=True,
        run=check_in,
        inputs=(Input("code", "code", least=1), Input("note")),
    )
