"""Which device a message is about: its EUI-64, wherever a sender puts it.

The nearer to the data the better: an engine or a gateway has an EUI-64 of its own in MSH-3.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from adapters.hl7v2.device import codes
from adapters.hl7v2.device.reported import PatientId
from adapters.hl7v2.device.sender import Sender
from fhirserver.wire.hl7v2.message import Message, Part, Segment

_EUI64: Final = re.compile(r"[0-9A-F]{16}")
# The identifier of a machine among those of a patient (PID-3): model/serial, of type "unspecified".
_MACHINE: Final = "U"


def eui64(text: str | None) -> str | None:
    """Return an EUI-64 as an address: capitals, no dashes; None for anything else."""
    if not text:
        return None
    plain = text.strip().upper().replace("-", "").replace(":", "")
    return plain if _EUI64.fullmatch(plain) is not None else None


def address_of(
    message: Message, obr: Segment | None, lines: Iterable[Segment], sender: Sender
) -> str | None:
    """Return the address of the device a group of lines is about; None where nothing names one.

    Looked for in OBX-18 of the line of a device, in OBR-3, in MSH-3, then in what the sender is known to have.
    """
    for obx in lines:
        if _is_of_container(obx):
            for part in obx.field(18).repetitions():
                if (found := _of_entity(part)) is not None:
                    return found
    if obr is not None and (found := _of_entity(obr.field(3))) is not None:
        return found
    if (found := _of_entity(message.header.field(3))) is not None:
        return found
    names = (machine_name(message), message.header.text(3))
    return next((sender.devices[name] for name in names if name and name in sender.devices), None)


def _is_of_container(obx: Segment) -> bool:
    raw = obx.raw(3)
    # Nearly every line is of a measure: its code is looked at as it was sent.
    if obx.is_standard and "\\" not in raw:
        return _names_container(raw)
    return codes.is_container(obx.text(3) or "")


@lru_cache(maxsize=4096)
def _names_container(raw: str) -> bool:
    return codes.is_container(raw.partition("^")[0].partition("~")[0].partition("&")[0])


def machine_name(message: Message) -> str | None:
    """Return ``model/serial`` of the machine, which some send among the identifiers of the patient."""
    pid = message.first("PID")
    for part in [] if pid is None else pid.field(3).repetitions():
        if part.text(5) == _MACHINE:
            return part.text()
    return None


def patients_of(message: Message) -> tuple[PatientId, ...]:
    """Return the identifiers of the patient."""
    pid = message.first("PID")
    parts = [] if pid is None else pid.field(3).repetitions()
    return tuple(
        PatientId(value, part.text(4) or None, part.text(5) or None)
        for part in parts
        if part.text(5) != _MACHINE and (value := part.text())
    )


def _of_entity(part: Part) -> str | None:
    """Return the EUI-64 of an HD or EI: a part that says it is one, or has its shape in a universal id."""
    texts = [part.text(number) for number in range(1, 5)]
    for position, text in enumerate(texts):
        if (text or "").upper() in ("EUI-64", "EUI64") and position:
            for candidate in (texts[position - 1], texts[0]):
                if (found := eui64(candidate)) is not None:
                    return found
    return None
