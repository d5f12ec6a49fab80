"""Whether what a message says of devices may be taken: they are enrolled, and in use for the patient it names."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from adapters.hl7v2.bound_patient import is_somebody_else
from adapters.hl7v2.coming import Coming
from adapters.hl7v2.device.reported import DeviceReport
from adapters.hl7v2.routing import UNKNOWN_DEVICE, Interpreted, Refusal
from fhirserver.kernel.resource import Json
from fhirserver.kernel.telemetry import EnrolledDevice, TelemetryTransaction
from fhirserver.wire import fhir_json
from fhirserver.wire.hl7v2.acknowledgement import UNKNOWN_KEY, Fault, Place

WRONG_PATIENT: Final = "wrong-patient"
# Records that were merged one after another are followed so far.
_MERGES: Final = 4


def not_ours(
    coming: Coming,
    found: Interpreted,
    devices: Mapping[str, EnrolledDevice],
    patients: Mapping[str, Json],
) -> Refusal | None:
    """Return why what a message says of its devices is not taken, None when it may be."""
    for report in found.devices:
        device = devices.get(report.address)
        if device is None:
            fault = Fault(UNKNOWN_KEY, "the device is not enrolled", Place("OBR", 1, 3))
            return Refusal("error", UNKNOWN_DEVICE, (fault,))
        patient = patients.get(device.patient_at(coming.received) or "")
        if (
            patient is not None
            and coming.sender is not None
            and is_somebody_else(report.patients, coming.sender, patient)
        ):
            fault = Fault(
                UNKNOWN_KEY, "the device is not in use for this patient", Place("PID", 1, 3)
            )
            return Refusal("error", WRONG_PATIENT, (fault,))
    return None


async def bound_patients(
    tx: TelemetryTransaction,
    reports: Sequence[DeviceReport],
    devices: Mapping[str, EnrolledDevice],
) -> Mapping[str, Json]:
    """Return the patients of the devices whose messages name one, each with the identifiers of all records of theirs.

    Two records that were merged are one patient: a machine stays bound to the one it was bound to, while whoever sends for
    it names the other.
    """
    wanted = {
        binding.patient
        for report in reports
        if report.patients and (device := devices.get(report.address)) is not None
        for binding in device.bindings
    }
    known = await _patients(tx, wanted)
    others = known
    for _ in range(_MERGES):
        linked = {one for patient in others.values() for one in _linked(patient)} - known.keys()
        if not linked:
            break
        others = await _patients(tx, linked)
        known = {**known, **others}
    return {id_: _whole(known, id_) for id_ in wanted if id_ in known}


async def _patients(tx: TelemetryTransaction, wanted: Collection[str]) -> dict[str, Json]:
    if not wanted:
        return {}
    found = await tx.versions({("Patient", one): frozenset() for one in wanted})
    return {
        id_: fhir_json.read(current.content)
        for (_, id_), (current, *_) in found.items()
        if not current.deleted
    }


def _linked(patient: Json) -> Iterator[str]:
    """Yield the ids of records that were merged with this one."""
    for link in patient.get("link", ()):
        type_, _, id_ = str(link.get("other", {}).get("reference", "")).partition("/")
        if link.get("type") in ("replaced-by", "replaces") and type_ == "Patient" and id_:
            yield id_


def _whole(known: Mapping[str, Json], id_: str) -> Json:
    """Return a patient with the identifiers of every record that is linked with it."""
    found, reached = [id_], {id_}
    for one in found:
        for other in _linked(known[one]):
            if other in known and other not in reached:
                reached.add(other)
                found.append(other)
    identifiers = [one for each in found for one in known[each].get("identifier", ())]
    return {**known[id_], "identifier": identifiers}


def in_use_for(
    found: Interpreted, devices: Mapping[str, EnrolledDevice], moment: datetime
) -> tuple[str, ...]:
    """Return the patients the devices of a message are in use for at `moment`, each once."""
    known = (devices[one.address] for one in found.devices if one.address in devices)
    return tuple(dict.fromkeys(one for device in known if (one := device.patient_at(moment))))
