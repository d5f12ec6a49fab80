"""Which Observation template a measure of a device is stored by. Pure."""

from functools import lru_cache
from typing import Final

from adapters import observation
from adapters.metrics import Metric
from fhirserver.kernel.telemetry import OWN_MARK, ObservationForm, treatment_id

# http://terminology.hl7.org/CodeSystem/data-absent-reason, those a device can mean.
_ABSENT: Final = frozenset(("unknown", "error", "not-a-number", "not-performed", "not-permitted"))

# Device, patient, what is measured, why there are no values (None: there are), whether it is test data, the machine's
# own name of the treatment it is measured in, and what else it says of the measurement.
TemplateKey = tuple[
    str, str | None, tuple[Metric, ...], str | None, bool, str | None, tuple[str, ...]
]


def absence(reason: str | None) -> str | None:
    """Return the data-absent-reason for what a device says instead of a value; None where there is one."""
    return reason if reason is None or reason in _ABSENT else "not-performed"


def form_of(key: TemplateKey) -> ObservationForm:
    """Return the Observation of a measure (one metric, or the parts of a blood pressure) with its marks.

    It is the same for all devices, patients and treatments.
    """
    _, patient, shape, absent, simulated, therapy, flags = key
    bound = patient is not None
    return _form(shape, absent, simulated, flags, bound, bound and therapy is not None)


def references_of(key: TemplateKey) -> tuple[str, ...]:
    """Return what stands in the place of the marks of the form: what measured, whom, and in which treatment.

    What is measured in a treatment is part of its Procedure.
    """
    device, patient, shape, _, _, therapy, _ = key
    measuring = observation.measuring(shape[0], device)
    if patient is None:
        return (measuring,)
    if therapy is None:
        return measuring, f"Patient/{patient}"
    procedure = treatment_id(device, patient, therapy)
    return measuring, f"Patient/{patient}", f"Procedure/{procedure}"


@lru_cache(maxsize=1024)
def _form(
    shape: tuple[Metric, ...],
    absent: str | None,
    simulated: bool,  # noqa: FBT001 - part of what is remembered
    flags: tuple[str, ...],
    bound: bool,  # noqa: FBT001 - as above
    treated: bool,  # noqa: FBT001 - as above
) -> ObservationForm:
    codes = tuple(metric.code for metric in shape)
    patient = OWN_MARK if bound else None
    if absent is not None:
        content = observation.absent(shape[0], OWN_MARK, patient, absent, simulated=simulated)
    elif codes[0] in observation.BLOOD_PRESSURE_CODES:
        content = observation.blood_pressure(codes, OWN_MARK, patient, simulated=simulated)
    else:
        content = observation.measure(shape[0], OWN_MARK, patient, simulated=simulated)
    marks = [observation.measuring(shape[0], OWN_MARK)]
    if bound:
        marks.append(f"Patient/{OWN_MARK}")
    if flags:
        content["interpretation"] = observation.statuses(flags)
    if treated:
        marks.append(f"Procedure/{OWN_MARK}")
        content["partOf"] = [{"reference": marks[-1]}]
    return ObservationForm(content, 0 if absent is not None else len(shape), tuple(marks))
