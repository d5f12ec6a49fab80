"""`python -m subscriptions.rehearsal`: what the server would decide, told line by line.

Reads JSON lines from standard input (what arrived and when, for any number of patients) and writes
one JSON line for everything decided (`subscriptions.core.monitoring`). No server, no clock, no
store: a treatment of four hours takes a second. Times are milliseconds since 1970 UTC and may not
run backwards for a patient. Every line has `kind`, `at` (receipt) and `patient`; see the classes
below for the rest. Ends with exit code 2 and a message for a line it cannot read.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from fhirserver.kernel.readings import (
    Contact,
    DeviceEvent,
    DeviceFault,
    DeviceLimits,
    FaultKind,
    Limit,
    Mode,
    Reading,
)
from fhirserver.kernel.resource import Json
from fhirserver.wire import fhir_json
from subscriptions.core.life_cycle import Transition
from subscriptions.core.monitoring import Decided, Monitored
from subscriptions.core.parameters import BY_CODE, PARAMETERS
from subscriptions.core.rule import Rule
from subscriptions.core.rule_reader import holds, read_defaults, read_order
from subscriptions.evaluation.rule_book import shipped_plan

_TENANT: Final = 1
# Whoever waits for the end of a patient must not wait for a full buffer.
_ENDED: Final = b'{"kind":"ended"'
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PARAMETERS: Final = {parameter.name: parameter for parameter in PARAMETERS}
_MILLISECOND: Final = timedelta(milliseconds=1)


class _Line(msgspec.Struct, tag_field="kind", forbid_unknown_fields=True):
    """What every line has. `at`: when the server received it."""

    at: int
    patient: str


class Readings(_Line, tag="readings"):
    """One telemetry message: `values` by MDC or LOINC code, taken `taken`, `age` seconds old.

    `units` names those that differ from the usual unit of a code. It is a sign of life of its
    device unless `contact` is false.
    """

    device: str
    taken: int
    values: dict[str, Decimal]
    age: float = 0.0
    mode: Mode | None = None
    units: dict[str, str] = {}
    bound: bool = True
    simulated: bool = True
    observation: str = ""
    contact: bool = True


class Event(_Line, tag="event"):
    """One alarm facet message of a machine."""

    device: str
    taken: int
    event: str
    priority: str
    alarm_id: str = ""
    source: str | None = None
    phase: Literal["start", "continue", "end"] = "start"
    state: Literal["off", "inactive", "active", "latched"] = "active"
    activity: str = "enabled"
    value: Decimal | None = None
    unit: str | None = None
    age: float = 0.0
    bound: bool = True
    simulated: bool = True


class Heard(_Line, tag="contact"):
    """A sign of life that carries no values, or a goodbye (`online` false)."""

    device: str
    online: bool = True
    mode: Mode | None = None
    simulated: bool = True


class Fault(_Line, tag="fault"):
    """Something wrong with what a device sends; an `amount` of 0 says that it is over."""

    device: str
    fault: FaultKind
    amount: int
    simulated: bool = True


class Limits(_Line, tag="limits"):
    """The machine has these alarm limits from now on, by code: `low`, `high` or both."""

    device: str
    limits: dict[str, dict[Literal["low", "high"], Decimal]]
    boot: str = ""


class Release(_Line, tag="release"):
    """The device belongs to somebody else from now on, or to nobody."""

    device: str


class Order(_Line, tag="order"):
    """A ServiceRequest as it stands from now on."""

    version: int
    order: msgspec.Raw


class Answer(_Line, tag="answer"):
    """What `by` (a reference) did about every open alert."""

    transition: Transition
    by: str


class Time(_Line, tag="time"):
    """Nothing arrived, time went on until `at`."""


class End(_Line, tag="end"):
    """Time went on until `at`, and nobody asks about this patient any more."""


Line = Readings | Event | Heard | Fault | Limits | Release | Order | Answer | Time | End


class Patient:
    """One patient of the rehearsal: the state, and the second up to which time was judged."""

    def __init__(self, name: str, defaults: tuple[Rule, ...]) -> None:
        """Start with nothing open."""
        self.monitored = Monitored(name, defaults)
        self._orders: dict[str, tuple[Rule, ...]] = {}

    def take(self, line: Line) -> list[Decided]:
        """Let time pass until `line` arrived, then act on it."""
        now = _moment(line.at)
        decided = self.monitored.time_passes(now)
        match line:
            case Readings():
                decided += self._readings(line, now)
            case Event():
                decided += self.monitored.events([_event(line, now)], now)
            case Heard():
                decided += self.monitored.contact(_contact(line, now, online=line.online), now)
            case Fault():
                decided += self.monitored.faults([_fault(line, now)], now)
            case Limits():
                self.monitored.limits_announced(_limits(line, now))
            case Release():
                self.monitored.released(line.device)
            case Order():
                self._obey(fhir_json.read(bytes(line.order)), line.version)
            case Answer():
                for alert in [one for one in self.monitored.alerts if one.is_open]:
                    self.monitored.answered(alert.id, line.transition, line.by, now)
            case Time() | End():
                pass
        return decided

    def _obey(self, order: Json, version: int) -> None:
        rules = read_order(order, version).rules if holds(order) else ()
        self._orders[str(order.get("id", ""))] = rules
        self.monitored.rules_changed([one for some in self._orders.values() for one in some])

    def _readings(self, line: Readings, now: datetime) -> list[Decided]:
        taken = _moment(line.taken)
        readings = [
            Reading(
                line.patient,
                line.device,
                code,
                value,
                line.units.get(code) or (BY_CODE[code].unit if code in BY_CODE else ""),
                taken,
                now,
                line.age,
                line.observation,
                line.mode,
                line.bound,
                line.simulated,
            )
            for code, value in line.values.items()
        ]
        decided = self.monitored.readings(readings, now)
        if line.contact:
            decided += self.monitored.contact(_contact(line, now, online=True), now)
        return decided


def rehearse(lines: Iterable[bytes], plan: Json | None = None) -> Iterator[bytes]:
    """Yield a line for everything decided. Raises msgspec.DecodeError for one that says nothing.

    `plan` is the PlanDefinition of the default rules, None for the one that is shipped.
    """
    decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)
    encoder = msgspec.json.Encoder()
    defaults = read_defaults(shipped_plan() if plan is None else plan).rules
    patients: dict[str, Patient] = {}
    for text in lines:
        line = decoder.decode(text)
        patient = patients.get(line.patient)
        if patient is None:
            patient = patients[line.patient] = Patient(line.patient, defaults)
        for decided in patient.take(line):
            yield encoder.encode(told(line.patient, decided)) + b"\n"
        if isinstance(line, End):
            del patients[line.patient]
            ended = {"kind": "ended", "at": line.at, "patient": line.patient}
            yield encoder.encode(ended) + b"\n"


def told(patient: str, decided: Decided) -> dict[str, Any]:
    """Return what was decided about `patient`, or about a device in their home, as it is written.

    `source`: the first code of the parameter, or the metric the machine named.
    """
    alert, detail = decided.outcome.alert, decided.finding.detail
    parameter = _PARAMETERS.get(str(detail.get("parameter")))
    return {
        "kind": "decided",
        "at": _millis(decided.at),
        "patient": patient,
        "record": decided.outcome.record,
        "rings": decided.rings,
        "source": detail.get("source") if parameter is None else parameter.codes[0],
        "alert": {
            "id": alert.id,
            "key": alert.key,
            "system": alert.system,
            "code": alert.code,
            "display": alert.display,
            "kind": alert.kind,
            "family": alert.family,
            "priority": alert.priority,
            "condition": alert.condition,
            "incident": alert.incident,
            "onset": _millis(alert.onset),
            "raised": _millis(alert.raised),
            "delayed": alert.delayed,
            "pages": alert.pages,
            "generation": alert.generation,
            "rule": alert.rule_version,
            "device": alert.device,
        },
        "bound": alert.patient is not None,
        "detail": detail,
    }


def _event(line: Event, now: datetime) -> DeviceEvent:
    return DeviceEvent(
        line.patient if line.bound else None,
        line.device,
        line.alarm_id,
        line.event,
        line.source,
        line.phase,
        line.state,
        line.activity,
        line.priority,
        line.value,
        line.unit,
        _moment(line.taken),
        now,
        line.age,
        line.simulated,
    )


def _contact(line: Readings | Heard, now: datetime, *, online: bool) -> Contact:
    return Contact(
        _TENANT, line.device, line.patient, line.mode, online, now, simulated=line.simulated
    )


def _fault(line: Fault, now: datetime) -> DeviceFault:
    return DeviceFault(
        line.device,
        line.device,
        line.patient,
        line.fault,
        line.amount,
        now,
        simulated=line.simulated,
    )


def _limits(line: Limits, now: datetime) -> DeviceLimits:
    told = tuple(
        Limit(
            code,
            BY_CODE[code].unit,
            window.get("low"),
            window.get("high"),
            f"{line.device}.{code}",
            1,
        )
        for code, window in line.limits.items()
        if code in BY_CODE
    )
    return DeviceLimits(line.device, line.boot, now, told)


def _moment(millis: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=millis)


def _millis(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND


def main(arguments: Sequence[str]) -> int:
    """Rehearse standard input; return the exit code."""
    parser = argparse.ArgumentParser(prog="subscriptions.rehearsal", description=__doc__)
    parser.add_argument("--defaults", type=Path, help="PlanDefinition of other default rules")
    given = parser.parse_args(arguments).defaults
    plan = None if given is None else fhir_json.read(given.read_bytes())
    written = sys.stdout.buffer
    try:
        for line in rehearse(sys.stdin.buffer, plan):
            written.write(line)
            if line.startswith(_ENDED):
                written.flush()
    except msgspec.DecodeError as error:
        sys.stderr.write(f"cannot read a line: {error}\n")
        return 2
    written.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
