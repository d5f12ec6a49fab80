"""What a line is about: the MDC code of OBX-3, or the reference id beside it, or what a site calls it.

Codes of devices in the field contradict their own reference ids; then the code stands, unless it is none.
"""

from collections.abc import Mapping
from typing import Final

from adapters.hl7v2.device.sender import Sender
from adapters.metrics import METRICS, MODE
from fhirserver.wire.hl7v2.message import Part
from fhirserver.wire.hl7v2.nomenclature import CONTAINERS, EVENTS, FACETS, HIGH, LOW

SERIAL: Final = "531972"
MODEL: Final = "531969"

# What is said of a device and its treatment without being a measure; none of it is "unread".
_SAID: Final[Mapping[str, str]] = {
    MODE: "MDC_HDIALY_MACH_MODE_OF_OPERATION",
    "158592": "MDC_HDIALY_MACH_TIME",
    "158596": "MDC_HDIALY_MACH_BLD_PUMP_ON",
    "158597": "MDC_HDIALY_MACH_TX_FLUID_BYPASS",
    "158598": "MDC_HDIALY_MACH_TX_MODALITY",
    "67880": "MDC_ATTR_ID_MODEL",
    "67916": "MDC_ATTR_ID_UDI",
    MODEL: "MDC_ID_MODEL_NUMBER",
    "531970": "MDC_ID_MODEL_MANUFACTURER",
    SERIAL: "MDC_ID_PROD_SPEC_SERIAL",
    "531975": "MDC_ID_PROD_SPEC_SW",
    "67975": "MDC_ATTR_TIME_ABS",
    "68220": "MDC_TIME_SYNC_PROTOCOL",
    **FACETS,
    "150020": "MDC_PRESS_BLD_NONINV",
}
# Reference ids as some write them.
_OTHER_NAMES: Final[Mapping[str, str]] = {
    "MDC_EVT_LOW": LOW,
    "MDC_EVT_HIGH": HIGH,
    "MDC_EVT_HDIALY_ALARM_BLD_PUMP_STOP": "198242",
}
_BY_NAME: Final[Mapping[str, str]] = {
    **{name: code for group in (_SAID, CONTAINERS, EVENTS) for code, name in group.items()},
    **{metric.refid: code for code, metric in METRICS.items()},
    **_OTHER_NAMES,
}


def is_event(code: str) -> bool:
    """Return whether `code` is an event: of partition 3 of 11073-10101."""
    return code.isascii() and code.isdigit() and len(code) < 10 and int(code) >> 16 == 3


def is_said(code: str) -> bool:
    """Return whether `code` is no measure, and yet known."""
    return code in _SAID or code in CONTAINERS


def is_container(code: str) -> bool:
    """Return whether `code` is a device, a module or a channel."""
    return code in CONTAINERS


def is_known(code: str) -> bool:
    """Return whether we know what `code` is."""
    return code in METRICS or is_said(code) or is_event(code)


def code_of(part: Part, sender: Sender) -> str | None:
    """Return the MDC code a coded field means, None where nothing in it is one."""
    return sender.meaning(part, "code", _code_of)


def _code_of(part: Part, sender: Sender) -> str | None:
    """Look at both triplets.

    In each: the code itself where we know it, then what the site calls so, then the reference id, then any number.
    """
    triplets = [(part.text(start) or "", part.text(start + 1) or "") for start in (1, 4)]
    for code, name in triplets:
        if code in sender.codes:
            return sender.codes[code]
        if is_known(code):
            return code
        for text in (name, code):
            known = sender.codes.get(text) or _BY_NAME.get(text.upper())
            if known is not None:
                return known
    return next(
        (code for code, _ in triplets if code.isascii() and code.isdigit() and int(code)), None
    )


def shown(part: Part) -> str:
    """Return a coded field for a report: its code and its name."""
    return " ".join(text for number in (1, 2) if (text := part.text(number))) or "OBX-3"
