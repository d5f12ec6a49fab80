"""What a line is about: the MDC code of OBX-3, or the reference id beside it, or what a site calls it.

Codes of devices in the field contradict their own reference ids; then the code stands, unless it is none.
"""

from collections.abc import Mapping
from typing import Final

from adapters.hl7v2.device.sender import Sender
from adapters.metrics import METRICS, MODE
from fhirserver.wire.hl7v2.message import Part

THERAPY_ALERT: Final = "196616"
HIGH: Final = "196648"
LOW: Final = "196670"
PHASE: Final = "68481"
STATE: Final = "68482"
ACTIVITY: Final = "68483"
SOURCE: Final = "68480"
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
    SOURCE: "MDC_ATTR_ALERT_SOURCE",
    PHASE: "MDC_ATTR_EVENT_PHASE",
    STATE: "MDC_ATTR_ALARM_STATE",
    ACTIVITY: "MDC_ATTR_ALARM_INACTIVATION_STATE",
    "150020": "MDC_PRESS_BLD_NONINV",
}
# The containment: devices, their modules and channels (https://hl7.org/fhir/uv/pocd).
_CONTAINERS: Final[Mapping[str, str]] = {
    "70929": "MDC_DEV_HDIALY_MACHINE_MDS",
    "70934": "MDC_DEV_HDIALY_VMD",
    "70939": "MDC_DEV_HDIALY_MACH_CONFIG_CHAN",
    "70943": "MDC_DEV_HDIALY_ANTICOAG_PUMP_CHAN",
    "70947": "MDC_DEV_HDIALY_BLOOD_PUMP_CHAN",
    "70951": "MDC_DEV_HDIALY_FLUID_CHAN",
    "70955": "MDC_DEV_HDIALY_FILTER_CHAN",
    "70959": "MDC_DEV_HDIALY_CONVECTIVE_CHAN",
    "70963": "MDC_DEV_HDIALY_SAFETY_SYSTEMS_CHAN",
    "70967": "MDC_DEV_HDIALY_THERAPY_OUTCOMES_CHAN",
    "70971": "MDC_DEV_HDIALY_UF_CHAN",
    "70974": "MDC_DEV_HDIALY_BLOOD_CHEM_VMD",
    "70975": "MDC_DEV_HDIALY_BLOOD_CHEM_CHAN",
    "70686": "MDC_DEV_PRESS_BLD_NONINV_VMD",
    "70687": "MDC_DEV_PRESS_BLD_NONINV_CHAN",
    "69642": "MDC_DEV_ANALY_SAT_O2_VMD",
    "69643": "MDC_DEV_ANALY_SAT_O2_CHAN",
    "528388": "MDC_DEV_SPEC_PROFILE_PULS_OXIM",
    "528391": "MDC_DEV_SPEC_PROFILE_BP",
    "528392": "MDC_DEV_SPEC_PROFILE_TEMP",
    "528397": "MDC_DEV_SPEC_PROFILE_RESP_RATE",
    "528399": "MDC_DEV_SPEC_PROFILE_SCALE",
}
# Events of machines (partition 3), as the dialysis guide and 11073 name them.
_EVENTS: Final[Mapping[str, str]] = {
    THERAPY_ALERT: "MDC_EVT_ALARM",
    "196638": "MDC_EVT_ERR",
    HIGH: "MDC_EVT_HI",
    LOW: "MDC_EVT_LO",
    "196802": "MDC_EVT_BATT_LO",
    "198216": "MDC_EVT_SELFTEST_FAILURE",
    "198236": "MDC_EVT_HDIALY_ANTICOAG_STOP",
    "198238": "MDC_EVT_HDIALY_ANTICOAG_SYRINGE_EMPTY",
    "198240": "MDC_EVT_HDIALY_ANTICOAG_SYRINGE_SIZE",
    "198242": "MDC_EVT_HDIALY_BLD_PUMP_STOP",
    "198244": "MDC_EVT_HDIALY_BLOOD_LEAK",
    "198252": "MDC_EVT_HDIALY_SAFETY_ART_AIR_DETECT",
    "198254": "MDC_EVT_HDIALY_SAFETY_DIALYSATE_AIR_DETECT",
    "198256": "MDC_EVT_HDIALY_SAFETY_DIALYSATE_COMPOSITION",
    "198258": "MDC_EVT_HDIALY_SAFETY_SYSTEM_GENERAL",
    "198260": "MDC_EVT_HDIALY_SAFETY_VEN_ACCESS",
    "198262": "MDC_EVT_HDIALY_SAFETY_VEN_AIR_DETECT",
    "198264": "MDC_EVT_HDIALY_SAFETY_WETNESS_DETECT_ALERT",
    "198266": "MDC_EVT_HDIALY_SAFETY_WETNESS_DETECT_ERROR",
    "198268": "MDC_EVT_HDIALY_THERAPY_PAT_TX_GENERAL",
    "198270": "MDC_EVT_HDIALY_THERAPY_TX_END_TIME",
    "198272": "MDC_EVT_HDIALY_UF_LO",
    "198274": "MDC_EVT_HDIALY_UF_NEG",
    "198276": "MDC_EVT_HDIALY_UF_RATE_RANGE",
    "198278": "MDC_EVT_HDIALY_UF_GOAL_MET",
}
# Reference ids as some write them.
_OTHER_NAMES: Final[Mapping[str, str]] = {
    "MDC_EVT_LOW": LOW,
    "MDC_EVT_HIGH": HIGH,
    "MDC_EVT_HDIALY_ALARM_BLD_PUMP_STOP": "198242",
}
_BY_NAME: Final[Mapping[str, str]] = {
    **{name: code for group in (_SAID, _CONTAINERS, _EVENTS) for code, name in group.items()},
    **{metric.refid: code for code, metric in METRICS.items()},
    **_OTHER_NAMES,
}


def is_event(code: str) -> bool:
    """Return whether `code` is an event: of partition 3 of 11073-10101."""
    return code.isascii() and code.isdigit() and len(code) < 10 and int(code) >> 16 == 3


def is_said(code: str) -> bool:
    """Return whether `code` is no measure, and yet known."""
    return code in _SAID or code in _CONTAINERS


def is_container(code: str) -> bool:
    """Return whether `code` is a device, a module or a channel."""
    return code in _CONTAINERS


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
