"""What messages of machines leave behind beside Observations: a Provenance of each, and which told of an alarm last."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from adapters.batch import Batch, Made
from adapters.hl7v2.coming import Coming
from adapters.hl7v2.provenance import Source, provenance
from adapters.hl7v2.routing import Interpreted
from fhirserver.kernel.hl7 import AlarmTold
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.telemetry import EnrolledDevice


def made_by(state: Batch | None) -> Mapping[bytes, Sequence[Made]]:
    """Return the Observations by the message they came of."""
    made: dict[bytes, list[Made]] = {}
    for one in () if state is None else state.made:
        made.setdefault(one.incoming.payload, []).append(one)
    return made


async def account_for(
    tx: Transaction, coming: Coming, message: UUID, made: Sequence[Made]
) -> tuple[str, ...]:
    """Tell by a Provenance, one for each patient, that these Observations are of the message kept under this id.

    Return the patients. It names the patient beside the Observations: so it belongs to the record it is about.
    """
    assert coming.found is not None
    assert coming.sender is not None
    header = coming.found.header
    source = Source(str(message), coming.sender.name, header.kind, header.control_id, header.sent)
    by_patient: dict[str | None, list[str]] = {}
    for one in made:
        by_patient.setdefault(one.patient, []).append(f"Observation/{one.id}")
    for patient, observations in by_patient.items():
        about = [] if patient is None else [f"Patient/{patient}"]
        await tx.put(provenance(source, [*about, *observations], None, tx.now))
    return tuple(one for one in by_patient if one is not None)


def alarms_in(
    coming: Coming, found: Interpreted, devices: Mapping[str, EnrolledDevice]
) -> Mapping[tuple[str, str], AlarmTold]:
    """Return, by device and alarm, that this message told of it."""
    header = found.header
    return {
        (device.device, event.alarm_id): AlarmTold(
            device.device,
            event.alarm_id,
            header.key,
            header.control_id,
            report.orders.get(event.alarm_id, ""),
            coming.received,
        )
        for report in found.devices
        if (device := devices.get(report.address)) is not None
        for event in report.events
    }
