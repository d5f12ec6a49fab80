"""ORU^R01 of IHE PCD-01: what a device measured, as the telemetry of that device.

A group of lines below one OBR is a treatment (OBR-3); values of one moment (OBX-14, else OBR-7) are one sample. Ages
are told within the device's own clock: a moment against MSH-7. Events that stand here as true or false alarm nobody, as
the dialysis guide says: alarms come as PCD-04.

Spec: IHE Devices TF-2, PCD-01 Communicate PCD Data.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final, get_args

from adapters.hl7v2.device import codes, identity
from adapters.hl7v2.device.measured import told_of, unit_of_line
from adapters.hl7v2.device.numbers import NotANumber, value_of
from adapters.hl7v2.device.plain import plain_line, plain_number
from adapters.hl7v2.device.reported import BOOT, DeviceReport, MetricTold
from adapters.hl7v2.device.sender import Sender
from adapters.hl7v2.device.status import CORRECTION, ValueStatus, status_of
from adapters.hl7v2.report import Report
from adapters.metrics import METRICS, MODE, Metric
from adapters.mqtt.messages import (
    NOT_A_NUMBER,
    NULL_VALUE,
    UNKNOWN_METRIC,
    WRONG_UNIT,
    Sample,
    Telemetry,
)
from fhirserver.kernel.readings import Mode
from fhirserver.wire.hl7v2.message import Message, Segment

_MODES: Final = frozenset(get_args(Mode))
_LONGEST_SESSION: Final = 128
# Segments that only hold the message together; what else is not read is told.
_READ: Final = frozenset(
    ("MSH", "SFT", "UAC", "PID", "PV1", "OBR", "OBX", "ORC", "TQ1", "TQ2", "DSC")
)


@dataclass(slots=True)
class _Moment:
    """The values of one moment."""

    values: dict[str, Decimal | int | None] = field(default_factory=dict)
    quality: dict[str, str] = field(default_factory=dict)
    flags: dict[str, tuple[str, ...]] = field(default_factory=dict)
    test: bool = False


@dataclass(slots=True)
class _Device:
    """What is gathered of one device."""

    told: dict[str, MetricTold] = field(default_factory=dict)
    telemetry: list[Telemetry] = field(default_factory=list)
    serial: str | None = None
    model: str | None = None


def read_pcd01(
    message: Message, sender: Sender, report: Report, *, believed: bool
) -> tuple[DeviceReport, ...]:
    """Return what `message` says of each device in it; devices that nothing names are left out.

    `believed`: its times are history or of a clock in step with ours. What cannot be taken goes to `report`.
    """
    report.leave_all(one.id for one in message.segments if one.id not in _READ)
    sent = sender.moment(message.header, 7)
    test = message.header.text(11, 1) in ("T", "D")
    devices: dict[str, _Device] = {}
    for obr, lines in groups(message):
        address = identity.address_of(message, obr, lines, sender)
        if address is None:
            continue
        device = devices.setdefault(address, _Device())
        group = _Group(sender, report, device)
        moments = group.moments(obr, lines)
        for at, moment in sorted(moments.items(), key=lambda one: (one[0] is None, one[0])):
            device.telemetry.append(
                Telemetry(
                    address, BOOT, None, sent or at, None, group.mode, test or moment.test,
                    (Sample(_offset(at, sent), moment.values),), moment.quality, {}, _session(obr),
                    moment.flags, believed,
                )
            )  # fmt: skip
    patients = identity.patients_of(message)
    model, _, serial = (identity.machine_name(message) or "").partition("/")
    return tuple(
        DeviceReport(
            address, device.model or model or None, device.serial or serial or None, device.told,
            tuple(device.telemetry), (), patients, sender.interval, test,
        )
        for address, device in devices.items()
    )  # fmt: skip


def groups(message: Message) -> Iterator[tuple[Segment | None, Sequence[Segment]]]:
    """Yield each OBR with its OBX; lines before the first OBR have none."""
    obr: Segment | None = None
    lines: list[Segment] = []
    for one in message.segments:
        if one.id == "OBR":
            if obr is not None or lines:
                yield obr, lines
            obr, lines = one, []
        elif one.id == "OBX":
            lines.append(one)
    if obr is not None or lines:
        yield obr, lines


class _Group:
    """Reads the lines below one OBR."""

    def __init__(self, sender: Sender, report: Report, device: _Device) -> None:
        self._sender = sender
        self._report = report
        self._device = device
        self.mode: Mode | None = None

    def moments(
        self, obr: Segment | None, lines: Sequence[Segment]
    ) -> dict[datetime | None, _Moment]:
        """Return the samples by their time; a group without measures has one without values."""
        usual = None if obr is None else self._sender.moment(obr, 7)
        found: dict[datetime | None, _Moment] = {}
        sender, told = self._sender, self._device.told
        for obx in lines:
            at = (sender.moment(obx, 14) if obx.raw(14) else None) or usual
            known = plain_line(obx, sender)
            value = None if known is None else plain_number(obx.raw(5))
            if known is None or value is None:
                self._line(obx, found, at)
                continue
            moment = found.get(at)
            if moment is None:
                moment = found[at] = _Moment()
            told[known.code] = known.told
            if known.code in moment.values:
                self._report.leave(f"{known.code} once more")
            else:
                moment.values[known.code] = value
        return found or {usual: _Moment()}

    def _line(
        self, obx: Segment, found: dict[datetime | None, _Moment], at: datetime | None
    ) -> None:
        code = codes.code_of(obx.field(3), self._sender)
        metric = METRICS.get(code or "")
        if metric is not None:
            moment = found.get(at)
            if moment is None:
                moment = found[at] = _Moment()
            self._measure(obx, metric, moment)
        elif code == MODE:
            text = (obx.text(5) or "").upper()
            self.mode = text if text in _MODES else None  # type: ignore[assignment]  # one of the literal's values
        elif code == codes.SERIAL:
            self._device.serial = obx.text(5) or None
        elif code == codes.MODEL:
            self._device.model = obx.text(5) or None
        elif code is None or not (codes.is_said(code) or codes.is_event(code)):
            self._unknown(obx)

    def _unknown(self, obx: Segment) -> None:
        shown = codes.shown(obx.field(3))
        self._report.leave(shown)
        if obx.raw(2) in ("NM", "SN"):
            self._report.refuse(UNKNOWN_METRIC, shown)

    def _measure(self, obx: Segment, metric: Metric, moment: _Moment) -> None:
        code = metric.code
        if unit_of_line(obx, self._sender) not in (None, metric.unit):
            self._report.refuse(WRONG_UNIT, code)
            return
        status = status_of(obx)
        self._report.leave_all(f"OBX-8 {one}" for one in status.unknown)
        if status.taken_back:
            # A correction names no earlier message; what the device said first stays as it was said.
            self._report.refuse(CORRECTION, code)
            return
        self._device.told[code] = told_of(obx, metric, self._sender)
        if code in moment.values:
            self._report.leave(f"{code} once more")
            return
        self._take(obx, code, status, moment)

    def _take(self, obx: Segment, code: str, status: ValueStatus, moment: _Moment) -> None:
        try:
            value = None if status.absent is not None else value_of(obx)
        except NotANumber:
            self._report.refuse(NOT_A_NUMBER, code)
            return
        if value is None and status.absent is None:
            self._report.refuse(NULL_VALUE, code)
            return
        moment.values[code] = value
        moment.test |= status.is_test
        if status.absent is not None:
            moment.quality[code] = status.absent
        if status.flags:
            moment.flags[code] = status.flags


def _offset(at: datetime | None, sent: datetime | None) -> int:
    """Return how many milliseconds a moment lies before the message (0 or negative)."""
    if at is None or sent is None:
        return 0
    return min(0, round((at - sent).total_seconds() * 1000))


def _session(obr: Segment | None) -> str | None:
    text = None if obr is None else obr.text(3)
    return text if text and len(text) <= _LONGEST_SESSION else None
