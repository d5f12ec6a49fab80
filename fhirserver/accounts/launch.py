"""$launch: an EHR says what it starts an app for, and gets the handle to hand to the app.

The app brings the handle back in its authorization request; it is good once, for minutes, for the person who called
this, and for one client where one is named. Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch
"""

import secrets
from datetime import timedelta
from typing import Any, Final

from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import SYSTEM, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input
from fhirserver.interactions.parameters import parameters
from fhirserver.interactions.read import read
from fhirserver.kernel.errors import BadRequest, Gone, NotFound, Unprocessable
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from fhirserver.store import launches
from fhirserver.wire import fhir_json

LIFETIME: Final = timedelta(minutes=5)
_HANDLE_BYTES: Final = 32
_MOST_CONTEXT: Final = 20


async def launch(context: Context, call: Call) -> Answer:
    """Return Parameters: launch (the handle, shown this once) and expires.

    Takes patient (id), encounter (id), client (the one app it is for), intent, needPatientBanner and fhirContext
    (Reference, several). Raises `Unprocessable` for what the caller cannot read.
    """
    given = call.parameters
    wanted: dict[str, Any] = {}
    patient, encounter = given.text("patient"), given.text("encounter")
    if patient is not None:
        await _readable(context, "Patient", patient)
        wanted["patient"] = patient
    if encounter is not None:
        visit = await _readable(context, "Encounter", encounter)
        subject = str((visit.get("subject") or {}).get("reference", ""))
        if patient is not None and subject != f"Patient/{patient}":
            message = f"Encounter/{encounter} is not of Patient/{patient}."
            raise Unprocessable(message)
        wanted["encounter"] = f"Encounter/{encounter}"
    if given.text("intent") is not None:
        wanted["intent"] = given.text("intent")
    if "needPatientBanner" in given:
        wanted["needPatientBanner"] = given.flag("needPatientBanner")
    others = [await _context(context, one) for one in given.all("fhirContext")]
    if others:
        wanted["fhirContext"] = others
    handle = secrets.token_urlsafe(_HANDLE_BYTES)
    principal = context.principal
    is_person = principal.kind not in ("admin", "system", "client", "device")

    async def keep(tx: Transaction) -> str:
        expires = tx.now + LIFETIME
        await launches.remember(
            tx,
            handle,
            wanted,
            client=given.text("client"),
            reference=principal.reference if is_person else None,
            expires=expires,
        )
        return expires.isoformat(timespec="seconds")

    expires = await context.store.write(context.tenant, keep)
    return Answer(
        parameters(("launch", "valueString", handle), ("expires", "valueInstant", expires))
    )


async def _context(context: Context, reference: Any) -> Json:
    """Return an entry of fhirContext (STU2.2): a relative reference the caller can read."""
    written = reference.get("reference") if isinstance(reference, dict) else None
    type_, _, id_ = str(written or "").partition("/")
    if not id_ or type_ not in context.definitions.resource_types:
        message = "fhirContext is a Reference to a resource here: Type/id."
        raise BadRequest(message)
    await _readable(context, type_, id_)
    return {"reference": f"{type_}/{id_}"}


async def _readable(context: Context, type_: str, id_: str) -> Json:
    try:
        return fhir_json.read_own((await read(context, type_, id_)).content)
    except (NotFound, Gone):
        message = f"{type_}/{id_} is not known."
        raise Unprocessable(message) from None


LAUNCH: Final = Operation(
    "launch",
    SYSTEM,
    None,
    affects_state=True,
    run=launch,
    inputs=(
        Input("client"),
        Input("patient", "id"),
        Input("encounter", "id"),
        Input("intent"),
        Input("needPatientBanner", "boolean"),
        Input("fhirContext", "Reference", most=_MOST_CONTEXT),
    ),
)
