"""What a message is, and which way it goes: readings and alarms of devices, or resources by a mapping. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from adapters.hl7v2.device import codes
from adapters.hl7v2.device.pcd01 import read_pcd01
from adapters.hl7v2.device.pcd04 import NoAlarm, read_pcd04
from adapters.hl7v2.device.reported import DeviceReport
from adapters.hl7v2.device.sender import Sender
from adapters.hl7v2.device.status import CORRECTION
from adapters.hl7v2.mapping.errors import MappingRefuses
from adapters.hl7v2.mapping.mapped import Mapped
from adapters.hl7v2.mapping.plan import Plans
from adapters.hl7v2.report import Report
from fhirserver.wire.hl7v2.acknowledgement import (
    DATA_TYPE,
    REQUIRED_FIELD,
    SEGMENT_SEQUENCE,
    TABLE_VALUE,
    UNKNOWN_KEY,
    UNSUPPORTED_EVENT,
    UNSUPPORTED_MESSAGE,
    UNSUPPORTED_PROCESSING,
    UNSUPPORTED_VERSION,
    Fault,
    Place,
)
from fhirserver.wire.hl7v2.alarm_status import (
    AlarmStatus,
    is_alarm_status,
    read_alarm_status,
)
from fhirserver.wire.hl7v2.message import Message, Segment

# Reasons of dead letters of this door, beside those of measures (`adapters.mqtt.messages`).
MALFORMED: Final = "malformed"
UNSUPPORTED: Final = "unsupported"
INCOMPLETE: Final = "incomplete"
UNMAPPED: Final = "unmapped"
NOT_AGREED: Final = "not-agreed"
TOO_LONG: Final = "too-long"
UNKNOWN_DEVICE: Final = "unknown-device"

PCD_01: Final = "1.3.6.1.4.1.19376.1.6.1.1.1"
_PCD_01_NAMES: Final = ("IHE_PCD_001", "IHE_PCD_ORU_R01", "IHE_DEC_001")
_LONGEST_ID: Final = 199


@dataclass(frozen=True, slots=True)
class Header:
    """What MSH says. `key` names the sender for whom `control_id` is unique; `kind` is ``ORU^R01``."""

    kind: str
    control_id: str
    key: str
    version: str
    sent: datetime | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message is not taken: AE (``error``) or AR (``rejected``); `reason` is that of its dead letter."""

    verdict: Literal["error", "rejected"]
    reason: str
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Interpreted:
    """What a message means. With a `refusal` nothing of it may be stored; `header` is as far as it could be read."""

    header: Header
    report: Report
    devices: tuple[DeviceReport, ...] = ()
    mapped: Mapped | None = None
    status: AlarmStatus | None = None
    refusal: Refusal | None = None


def header_of(message: Message, sender: Sender) -> Header:
    """Return what the MSH of `message` says."""
    msh = message.header
    kind = "^".join(text for number in (1, 2) if (text := (msh.text(9, number) or "").strip()))
    key = f"{sender.name}|{msh.raw(3)}|{msh.raw(4)}"
    return Header(
        kind,
        (msh.text(10) or "").strip()[:_LONGEST_ID],
        key[:_LONGEST_ID],
        msh.text(12) or "",
        sender.moment(msh, 7),
    )


def interpret(
    message: Message, sender: Sender, plans: Plans, *, historic: bool = False, guessed: bool = False
) -> Interpreted:
    """Return what `message` means; never raises for what stands in it.

    `historic`: it came in a batch, so its times are what happened then. `guessed`: its character set was.
    """
    header, report = header_of(message, sender), Report()
    if guessed:
        text = "the character set is not named and was guessed"
        report.warn(Fault(DATA_TYPE, text, Place("MSH", 1, 18), "W"))
    refusal = _unusable(message.header, header)
    if refusal is None and not sender.may_send(header.kind):
        fault = Fault(UNSUPPORTED_EVENT, "not agreed with this sender", Place("MSH", 1, 9))
        refusal = Refusal("rejected", NOT_AGREED, (fault,))
    if refusal is not None:
        return Interpreted(header, report, refusal=refusal)
    if is_alarm_status(message):
        return _of_alarm(header, report, read_alarm_status(message))
    believed = historic or sender.clock == "synchronized"
    try:
        if header.kind == "ORU^R40":
            found = read_pcd04(message, sender, report, believed=believed)
            return _of_devices(header, report, found)
        if header.kind == "ORU^R01" and is_of_device(message):
            found = read_pcd01(message, sender, report, believed=believed)
            return _of_devices(header, report, found)
        if plans.of(header.kind):
            mapped = plans.run(message, header.kind, sender, report)
            return Interpreted(header, report, mapped=mapped)
    except NoAlarm as problem:
        return Interpreted(header, report, refusal=Refusal("error", INCOMPLETE, (problem.fault,)))
    except MappingRefuses as problem:
        if problem.fault.code == SEGMENT_SEQUENCE:
            refusal = Refusal("rejected", TOO_LONG, (problem.fault,))
        else:
            reason = INCOMPLETE if problem.fault.code == REQUIRED_FIELD else UNMAPPED
            refusal = Refusal("error", reason, (problem.fault,))
        return Interpreted(header, report, refusal=refusal)
    return Interpreted(header, report, refusal=_unsupported(plans, header.kind))


def is_of_device(message: Message) -> bool:
    """Return whether an ORU^R01 is of IHE PCD-01: it says so, or speaks in codes of 11073."""
    for part in message.header.field(21).repetitions():
        if part.text() in _PCD_01_NAMES or PCD_01 in (part.text(1), part.text(3)):
            return True
    if any(codes.is_container(obr.text(4) or "") for obr in message.all("OBR")):
        return True
    return any(obx.text(3, 3) == "MDC" for obx in message.all("OBX"))


def _of_devices(header: Header, report: Report, found: tuple[DeviceReport, ...]) -> Interpreted:
    if found and _only_corrects(found, report):
        place = Place("OBX", 1, 11)
        fault = Fault(TABLE_VALUE, "a measure that was taken is not corrected from here", place)
        return Interpreted(header, report, refusal=Refusal("error", CORRECTION, (fault,)))
    if found:
        return Interpreted(header, report, devices=found)
    fault = Fault(UNKNOWN_KEY, "no device is named by an EUI-64", Place("MSH", 1, 3))
    return Interpreted(header, report, refusal=Refusal("error", UNKNOWN_DEVICE, (fault,)))


def _of_alarm(header: Header, report: Report, status: AlarmStatus | None) -> Interpreted:
    if status is not None:
        return Interpreted(header, report, status=status)
    fault = Fault(REQUIRED_FIELD, "MSA-2 is missing", Place("MSA", 1, 2))
    return Interpreted(header, report, refusal=Refusal("error", INCOMPLETE, (fault,)))


def _only_corrects(found: tuple[DeviceReport, ...], report: Report) -> bool:
    """Return whether all that a message says of its devices is that earlier measures were wrong."""
    says_more = any(
        device.events or any(sample.values for one in device.telemetry for sample in one.samples)
        for device in found
    )
    return not says_more and {one.reason for one in report.refused} == {CORRECTION}


def _unusable(msh: Segment, header: Header) -> Refusal | None:
    """Return why no message with such an MSH is taken, None when it may be."""
    for field, text in ((9, header.kind), (10, header.control_id)):
        if not text:
            fault = Fault(REQUIRED_FIELD, f"MSH-{field} is missing", Place("MSH", 1, field))
            return Refusal("rejected", INCOMPLETE, (fault,))
    if header.version and not header.version.startswith("2"):
        fault = Fault(UNSUPPORTED_VERSION, "this is HL7 v2", Place("MSH", 1, 12))
        return Refusal("rejected", UNSUPPORTED, (fault,))
    if (msh.text(11) or "P") not in ("P", "T", "D"):
        fault = Fault(UNSUPPORTED_PROCESSING, "P, T or D", Place("MSH", 1, 11))
        return Refusal("rejected", UNSUPPORTED, (fault,))
    return None


def _unsupported(plans: Plans, kind: str) -> Refusal:
    message, _, event = kind.partition("^")
    known = event and (message == "ORU" or plans.knows(message))
    code = UNSUPPORTED_EVENT if known else UNSUPPORTED_MESSAGE
    fault = Fault(code, "no mapping is about messages of this kind", Place("MSH", 1, 9))
    return Refusal("rejected", UNSUPPORTED, (fault,))
