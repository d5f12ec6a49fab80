"""Reference ids and places of what simulated devices say in HL7 v2.

ISO/IEEE 11073-10101 and the HL7 implementation guideline for dialysis machines, Rev 4.0. A place is VMD, channel and
metric within the device (OBX-4): IHE PCD wants it, and no reader should need it.
"""

from collections.abc import Mapping
from typing import Final

from simulator import codes

MODE: Final = "158594"
ALARM: Final = "196616"
SOURCE: Final = "68480"
PHASE: Final = "68481"
STATE: Final = "68482"
ACTIVITY: Final = "68483"

DEVICES: Final[Mapping[str, tuple[str, str]]] = {
    "hemodialysis-machine": (codes.MACHINE_TYPE, "MDC_DEV_HDIALY_MACHINE_MDS"),
    "bp-cuff": (codes.CUFF_TYPE, "MDC_DEV_SPEC_PROFILE_BP"),
}
NAMES: Final[Mapping[str, str]] = {
    MODE: "MDC_HDIALY_MACH_MODE_OF_OPERATION",
    codes.VENOUS_PRESSURE: "MDC_HDIALY_BLD_PUMP_PRESS_VEN",
    codes.ARTERIAL_PRESSURE: "MDC_HDIALY_BLD_PRESS_ART",
    codes.TRANSMEMBRANE_PRESSURE: "MDC_HDIALY_FILTER_TRANSMEMBRANE_PRESS",
    codes.BLOOD_FLOW: "MDC_HDIALY_BLD_PUMP_BLOOD_FLOW_RATE",
    "158792": "MDC_HDIALY_DIALYSATE_FLOW_RATE",
    "159036": "MDC_HDIALY_UF_RATE",
    "159032": "MDC_HDIALY_UF_ACTUAL_REMOVED_VOL",
    "158720": "MDC_HDIALY_MACH_THERAPY_TIME",
    "158724": "MDC_HDIALY_MACH_TIME_REMAIN",
    "158772": "MDC_HDIALY_BLD_PUMP_BLOOD_PROCESSED_TOTAL",
    "158788": "MDC_HDIALY_DIALYSATE_COND",
    "158796": "MDC_HDIALY_DIALYSATE_TEMP",
    codes.SYSTOLIC: "MDC_PRESS_BLD_NONINV_SYS",
    codes.DIASTOLIC: "MDC_PRESS_BLD_NONINV_DIA",
    codes.MEAN_PRESSURE: "MDC_PRESS_BLD_NONINV_MEAN",
    codes.PULSE: "MDC_PULS_RATE_NON_INV",
    ALARM: "MDC_EVT_ALARM",
    codes.EVENT_LOW: "MDC_EVT_LO",
    codes.EVENT_HIGH: "MDC_EVT_HI",
    codes.EVENT_VENOUS_ACCESS: "MDC_EVT_HDIALY_SAFETY_VEN_ACCESS",
    codes.EVENT_VENOUS_AIR: "MDC_EVT_HDIALY_SAFETY_VEN_AIR_DETECT",
    codes.EVENT_WETNESS: "MDC_EVT_HDIALY_SAFETY_WETNESS_DETECT_ALERT",
    codes.EVENT_BLOOD_LEAK: "MDC_EVT_HDIALY_BLOOD_LEAK",
    codes.EVENT_PUMP_STOP: "MDC_EVT_HDIALY_BLD_PUMP_STOP",
    codes.EVENT_GOAL_MET: "MDC_EVT_HDIALY_UF_GOAL_MET",
    codes.EVENT_SYSTEM: "MDC_EVT_HDIALY_SAFETY_SYSTEM_GENERAL",
    codes.EVENT_BATTERY_LOW: "MDC_EVT_BATT_LO",
    SOURCE: "MDC_ATTR_ALERT_SOURCE",
    PHASE: "MDC_ATTR_EVENT_PHASE",
    STATE: "MDC_ATTR_ALARM_STATE",
    ACTIVITY: "MDC_ATTR_ALARM_INACTIVATION_STATE",
}
# MDC has no event for failed mains: the guideline leaves only the general one.
EVENTS: Final[Mapping[str, str]] = {codes.EVENT_MAINS_LOST: codes.EVENT_SYSTEM}
# Channels: 1 configuration, 3 blood pump, 4 fluid, 5 filter, 9 ultrafiltration.
PLACES: Final[Mapping[str, str]] = {
    MODE: "1.1.1.3",
    "158720": "1.1.1.7",
    "158724": "1.1.1.8",
    codes.BLOOD_FLOW: "1.1.3.3",
    codes.ARTERIAL_PRESSURE: "1.1.3.7",
    "158772": "1.1.3.13",
    codes.VENOUS_PRESSURE: "1.1.3.15",
    "158788": "1.1.4.3",
    "158792": "1.1.4.5",
    "158796": "1.1.4.7",
    codes.TRANSMEMBRANE_PRESSURE: "1.1.5.1",
    "159032": "1.1.9.5",
    "159036": "1.1.9.7",
    codes.SYSTOLIC: "1.2.1.1",
    codes.DIASTOLIC: "1.2.1.2",
    codes.MEAN_PRESSURE: "1.2.1.3",
    codes.PULSE: "1.2.1.4",
}


def coded(code: str) -> str:
    """Return `code` with its reference id as the three components of a coded field."""
    return f"{code}^{NAMES[code]}^MDC"
