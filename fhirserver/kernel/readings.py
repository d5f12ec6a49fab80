"""What devices say, after decoding and before any judgement."""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple, Protocol

from fhirserver.kernel.resource import Json

Mode = Literal["PRETX", "TX", "POSTTX", "DIS", "IDL", "SVC"]
Priority = Literal["PH", "PM", "PL"]


class Reading(NamedTuple):
    """One measured value of one patient, committed with the Observation that carries it.

    `code` is an MDC code as decimal text (``158776``) or a LOINC code (``8480-6``) when no MDC is known; `unit` is
    UCUM. `age` is how old the sample was on receipt, in seconds, judged by the device's monotonic clock and the
    server's receipt time, never by the device's wall clock. `mode` is the machine mode at the sample, None when
    unknown or older than 10 s. `bound` says whether a DeviceUseStatement covers `effective`; `simulated` marks
    simulator and test data (HTEST).
    """

    patient: str
    device: str
    code: str
    value: Decimal
    unit: str
    effective: datetime
    received: datetime
    age: float
    observation: str
    mode: Mode | None
    bound: bool
    simulated: bool


class StreamedObservation(Protocol):
    """An Observation that was stored from a device's stream, in its first version.

    Those of one `kind` differ in id, times and numbers only. `patient` is None when the device was unbound.
    """

    @property
    def id(self) -> str:
        """The resource id."""

    @property
    def kind(self) -> Hashable:
        """What it has in common with others."""

    @property
    def patient(self) -> str | None:
        """The id of the patient it is about."""

    def resource(self) -> Json:
        """Return the resource as it was stored; made when it is asked for."""


@dataclass(frozen=True, slots=True)
class DeviceEvent:
    """One alarm facet message of a machine (IHE PCD-04 shaped). `patient` is None when the device is unbound."""

    patient: str | None
    device: str
    alarm_id: str
    event: str
    source: str | None
    phase: Literal["start", "continue", "end"]
    state: Literal["off", "inactive", "active", "latched"]
    activity: str
    priority: str
    value: Decimal | None
    unit: str | None
    effective: datetime
    received: datetime
    age: float
    simulated: bool


@dataclass(frozen=True, slots=True)
class Contact:
    """A sign of life of a device: any message, or its broker status. `online` False is a last will or a goodbye.

    `session` is the machine's own name of the treatment, None where it gave none; `at` is when the device said so,
    mapped to the server's time, None for a status, which is of now. `every` is how many seconds apart it promised its
    messages, None where it promised nothing. `by_gateway`: the line of its gateway is lost, or back; of the device
    itself nothing is known.
    """

    tenant: int
    device: str
    patient: str | None
    mode: Mode | None
    online: bool
    received: datetime
    simulated: bool
    session: str | None = None
    at: datetime | None = None
    every: float | None = None
    by_gateway: bool = False


@dataclass(frozen=True, slots=True)
class Limit:
    """Beyond which values (UCUM `unit`) a machine itself gives an alarm about one measure, an MDC code; None is open.

    `metric` and `version` are the id and the version of the DeviceMetric that says so.
    """

    code: str
    unit: str
    low: Decimal | None
    high: Decimal | None
    metric: str
    version: int


@dataclass(frozen=True, slots=True)
class DeviceLimits:
    """The limits a machine has now, all of them: whatever it announced before is over.

    `announced` is when the server heard of them, `boot` the machine's name of its present boot.
    """

    device: str
    boot: str
    announced: datetime
    limits: tuple[Limit, ...]


FaultKind = Literal["gap-tel", "gap-evt", "clock", "data", "event"]


@dataclass(frozen=True, slots=True)
class DeviceFault:
    """Something wrong with what a device sends, whatever it measures.

    ``gap-tel`` and ``gap-evt``: numbers are missing from its messages. ``clock``: its wall clock is wrong. ``data``:
    messages were refused; ``event``: among them an alarm, which nobody can read now. `device` is None for an address
    that is no device of ours. `amount`: messages missing now, seconds the clock is off, messages refused just now; 0
    says that it is over.
    """

    device: str | None
    address: str
    patient: str | None
    kind: FaultKind
    amount: int
    received: datetime
    simulated: bool
