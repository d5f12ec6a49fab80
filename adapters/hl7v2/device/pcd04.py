"""ORU^R40 of IHE PCD-04: an alarm of a machine, one below each OBR, by its facets.

Each facet is known by its code: what kind of alarm (an event; its value is the event meant, or the measure that is out
of bounds), its source with value and unit, its phase, its state and its activity. What is missing is taken in the way
that tells people: an alarm without priority rings, one without phase goes on.

Spec: IHE Devices TF-2, PCD-04 Report Alert, and its appendix B.8.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, Literal

from adapters.hl7v2.device import codes, identity
from adapters.hl7v2.device.numbers import NotANumber, value_of
from adapters.hl7v2.device.pcd01 import groups
from adapters.hl7v2.device.reported import BOOT, DeviceReport
from adapters.hl7v2.device.sender import Sender
from adapters.hl7v2.report import Report
from adapters.metrics import METRICS
from adapters.mqtt.messages import NOT_A_NUMBER, WRONG_UNIT, Event
from fhirserver.wire.hl7v2 import nomenclature
from fhirserver.wire.hl7v2.acknowledgement import REQUIRED_FIELD, Fault, Place
from fhirserver.wire.hl7v2.message import Message, Segment

Phase = Literal["start", "continue", "end"]
State = Literal["off", "inactive", "active", "latched"]
_PHASES: Final[Mapping[str, Phase]] = {
    "start": "start",
    "tpoint": "start",
    "continue": "continue",
    "update": "continue",
    "escalate": "continue",
    "de-escalate": "continue",
    "present": "continue",
    "end": "end",
    "stop": "end",
    "reset": "end",
    "absent": "end",
}
_STATES: Final[Mapping[str, State]] = {
    "off": "off",
    "inactive": "inactive",
    "active": "active",
    "latched": "latched",
}
_LONGEST_ORDER: Final = 199
_PRIORITIES: Final = ("PH", "PM", "PL", "PI", "PN", "PU")


class NoAlarm(Exception):
    """A message of alarms names none. `fault` says where."""

    def __init__(self, fault: Fault) -> None:
        """Carry `fault`."""
        super().__init__(fault.text)
        self.fault = fault


def read_pcd04(
    message: Message, sender: Sender, report: Report, *, believed: bool
) -> tuple[DeviceReport, ...]:
    """Return the alarms of each device in `message`; devices that nothing names are left out. Raises `NoAlarm`."""
    found: dict[str, list[Event]] = {}
    orders: dict[str, dict[str, str]] = {}
    test = message.header.text(11, 1) in ("T", "D")
    for obr, lines in groups(message):
        alarm = _Alarm(lines, sender, report)
        address = identity.address_of(message, obr, lines, sender)
        if address is None:
            continue
        value, unit = alarm.value()
        sent = sender.moment(message.header, 7)
        if sent is None and obr is not None:
            sent = sender.moment(obr, 7)
        if obr is not None:
            orders.setdefault(address, {})[alarm.id] = obr.raw(3)[:_LONGEST_ORDER]
        found.setdefault(address, []).append(
            Event(
                address, BOOT, None, alarm.id, sent, None, alarm.event, alarm.source, alarm.phase, alarm.state,
                alarm.activity, alarm.priority, value, unit, test, believed,
            )
        )  # fmt: skip
    patients = identity.patients_of(message)
    model, _, serial = (identity.machine_name(message) or "").partition("/")
    return tuple(
        DeviceReport(
            address, model or None, serial or None, {}, (), tuple(events), patients, sender.interval, test,
            orders.get(address, {}),
        )
        for address, events in found.items()
    )  # fmt: skip


class _Alarm:
    """The facets below one OBR."""

    def __init__(self, lines: Sequence[Segment], sender: Sender, report: Report) -> None:
        self._sender = sender
        self._report = report
        self._by_code: dict[str, Segment] = {}
        for obx in lines:
            code = codes.code_of(obx.field(3), sender)
            if code is None or not codes.is_known(code):
                report.leave(codes.shown(obx.field(3)))
            else:
                self._by_code.setdefault(code, obx)
        kind = next((code for code in self._by_code if codes.is_event(code)), None)
        if kind is None:
            raise NoAlarm(Fault(REQUIRED_FIELD, "no line names an alarm", Place("OBX", 1, 3)))
        self._kind = self._by_code[kind]
        meant = codes.code_of(self._kind.field(5), sender) if self._kind.raw(5) else None
        named = kind == nomenclature.ALARM and meant is not None and codes.is_event(meant)
        self.event = meant if named and meant is not None else kind
        self.source = self._source(meant)
        self.phase, self.state = self._course()
        activity = self._text(nomenclature.ACTIVITY)
        self.activity = activity or "enabled"
        # Of what a machine calls an alarm, only this is the same in its start, its repetitions and its end.
        self.id = f"{self.event}:{self.source or ''}"

    @property
    def priority(self) -> str:
        """What the machine states, ``PU`` (unknown, which rings) where it states nothing."""
        stated = [(part.text() or "").upper() for part in self._kind.field(8).repetitions()]
        return next((one for one in stated if one in _PRIORITIES), "PU")

    def value(self) -> tuple[Decimal | None, str | None]:
        """Return what the source measured and in which unit; an alarm is never lost for a number."""
        metric = METRICS.get(self.source or "")
        obx = self._by_code.get(self.source or "")
        if metric is None or obx is None:
            return None, None
        unit = obx.text(6)
        if unit and self._sender.unit(unit) != metric.unit:
            self._report.refuse(WRONG_UNIT, metric.code)
            return None, None
        try:
            value = value_of(obx)
        except NotANumber:
            self._report.refuse(NOT_A_NUMBER, metric.code)
            return None, None
        return value, None if value is None else metric.unit

    def _source(self, meant: str | None) -> str | None:
        """Return the measure the alarm is about: named by the alarm, by its own line, or simply the one that is there."""
        if meant is not None and not codes.is_event(meant):
            return meant
        said = self._by_code.get(nomenclature.SOURCE)
        if said is not None and said.raw(5):
            return codes.code_of(said.field(5), self._sender)
        return next((code for code in self._by_code if code in METRICS), None)

    def _course(self) -> tuple[Phase, State]:
        told_phase, told_state = self._text(nomenclature.PHASE), self._text(nomenclature.STATE)
        phase, state = _PHASES.get(told_phase or ""), _STATES.get(told_state or "")
        if phase is None:
            phase = "end" if state in ("inactive", "off") else "continue"
        if state is None:
            state = "inactive" if phase == "end" else "active"
        return phase, state

    def _text(self, code: str) -> str | None:
        obx = self._by_code.get(code)
        return None if obx is None else (obx.text(5) or "").strip().lower() or None
