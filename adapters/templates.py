"""Which Observation template a measure of a device is stored by. Pure."""

from typing import Final

from adapters import observation
from adapters.metrics import Metric
from fhirserver.kernel.resource import Json
from fhirserver.kernel.telemetry import EnrolledDevice, treatment_id

# http://terminology.hl7.org/CodeSystem/data-absent-reason, those a device can mean.
_ABSENT: Final = frozenset(("unknown", "error", "not-a-number", "not-performed", "not-permitted"))

# Tenant, device, patient, what is measured, why there are no values (None: there are), whether it is test data, the
# machine's own name of the treatment it is measured in, and what else it says of the measurement.
TemplateKey = tuple[
    int, str, str | None, tuple[Metric, ...], str | None, bool, str | None, tuple[str, ...]
]


class TemplateNames:
    """The templates a process has prepared, by what they depend on.

    A device's templates of one treatment are of no use in the next: they are handed out to be forgotten.
    """

    def __init__(self) -> None:
        """Know none yet."""
        self._names: dict[TemplateKey, str] = {}
        self._of_device: dict[tuple[int, str], tuple[str | None, list[TemplateKey]]] = {}
        self._outdated: dict[int, list[str]] = {}

    def find(self, key: TemplateKey) -> str | None:
        """Return the name of the template prepared for `key`."""
        return self._names.get(key)

    def add(self, key: TemplateKey, name: str) -> None:
        """Remember that the template `name` is prepared for `key`."""
        self._names[key] = name
        self._of_device.setdefault((key[0], key[1]), (key[6], []))[1].append(key)

    def turn_to(self, tenant: int, device: str, therapy: str | None) -> None:
        """Note which treatment `device` measures in now; what it has of another is outdated."""
        known = self._of_device.get((tenant, device))
        if known is not None and known[0] != therapy:
            self._of_device[tenant, device] = (therapy, [])
            names = [self._names.pop(key) for key in known[1] if key in self._names]
            self._outdated.setdefault(tenant, []).extend(names)

    def outdated(self, tenant: int) -> list[str]:
        """Return what no row of `tenant` is made of any more, each once."""
        return self._outdated.pop(tenant, [])


def template_name(key: TemplateKey) -> str:
    """Return a name that says everything the template depends on."""
    tenant, device, patient, shape, absent, simulated, therapy, flags = key
    codes = "+".join(metric.code for metric in shape)
    said = "+".join(flags)
    return f"{tenant}|{device}|{patient}|{codes}|{absent}|{simulated}|{said}|{therapy}"


def absence(reason: str | None) -> str | None:
    """Return the data-absent-reason for what a device says instead of a value; None where there is one."""
    return reason if reason is None or reason in _ABSENT else "not-performed"


def template(device: EnrolledDevice, key: TemplateKey) -> Json:
    """Return the Observation of a measure (one metric, or the parts of a blood pressure) with its marks.

    What is measured in a treatment is part of its Procedure.
    """
    _, _, patient, shape, absent, simulated, therapy, flags = key
    codes = tuple(metric.code for metric in shape)
    if absent is not None:
        content = observation.absent(shape[0], device.device, patient, absent, simulated=simulated)
    elif codes[0] in observation.BLOOD_PRESSURE_CODES:
        content = observation.blood_pressure(codes, device.device, patient, simulated=simulated)
    else:
        content = observation.measure(shape[0], device.device, patient, simulated=simulated)
    if flags:
        content["interpretation"] = observation.statuses(flags)
    if patient is not None and therapy is not None:
        procedure = treatment_id(device.device, patient, therapy)
        content["partOf"] = [{"reference": f"Procedure/{procedure}"}]
    return content
