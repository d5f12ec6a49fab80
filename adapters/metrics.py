"""The measures and events we know, with their codes.

MDC is ISO/IEEE 11073-10101, units are UCUM. Machine measures follow "Dialysis Machine HL7 Implementation Guidelines" Rev
4.0 (HL7 v2.6 with IHE PCD-01/04), vital signs the HL7 PHD (https://hl7.org/fhir/uv/phd) and PoCD
(https://hl7.org/fhir/uv/pocd) guides. There is no LOINC code for blood-line pressures, flows or ultrafiltration of a
dialysis machine, so those carry MDC alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MACHINE_MDS: Final = "70929"
MACHINE_VMD: Final = "70934"
CUFF_PROFILE: Final = "528391"

MODE: Final = "158594"
SYSTOLIC: Final = "150021"
DIASTOLIC: Final = "150022"
MEAN: Final = "150023"
BLOOD_PRESSURE: Final = "150020"


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One measure; there is one of each, so two are equal when they are the same. `channel` is the MDC
    code of the PoCD channel it belongs to, None for a vital sign of a cuff. `beside` is another LOINC
    code that goes with the first in US Core.
    """

    code: str
    refid: str
    display: str
    unit: str
    loinc: str | None = None
    channel: str | None = None
    beside: str | None = None


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel of the dialysis machine's containment tree."""

    code: str
    display: str


CHANNELS: Final[Mapping[str, Channel]] = {
    one.code: one
    for one in (
        Channel("70939", "Machine configuration"),
        Channel("70943", "Anticoagulant pump"),
        Channel("70947", "Blood pump"),
        Channel("70951", "Fluid"),
        Channel("70955", "Filter"),
        Channel("70967", "Therapy outcomes"),
        Channel("70971", "Ultrafiltration"),
    )
}

METRICS: Final[Mapping[str, Metric]] = {
    one.code: one
    for one in (
        Metric("158720", "MDC_HDIALY_MACH_THERAPY_TIME", "Therapy time elapsed", "min", channel="70939"),
        Metric("158724", "MDC_HDIALY_MACH_TIME_REMAIN", "Therapy time remaining", "min", channel="70939"),
        Metric("158728", "MDC_HDIALY_ANTICOAG_ACCUM_DELIV", "Anticoagulant delivered", "mL", channel="70943"),
        Metric("158736", "MDC_HDIALY_ANTICOAG_INFUS_RATE", "Anticoagulant rate", "mL/h", channel="70943"),
        Metric("158740", "MDC_HDIALY_BLD_PUMP_BLOOD_FLOW_RATE", "Blood flow", "mL/min", channel="70947"),
        Metric("158743", "MDC_HDIALY_BLD_PUMP_BLOOD_FLOW_RATE_MEAN", "Blood flow, mean", "mL/min", channel="70947"),
        Metric("158744", "MDC_HDIALY_BLD_PRESS_ART", "Arterial line pressure", "mm[Hg]", channel="70947"),
        Metric("158756", "MDC_HDIALY_BLD_PUMP_PRESS_ART_POST_PUMP", "Post-pump arterial pressure", "mm[Hg]", channel="70947"),
        Metric("158772", "MDC_HDIALY_BLD_PUMP_BLOOD_PROCESSED_TOTAL", "Blood processed", "L", channel="70947"),
        Metric("158776", "MDC_HDIALY_BLD_PUMP_PRESS_VEN", "Venous line pressure", "mm[Hg]", channel="70947"),
        Metric("16935956", "MDC_HDIALY_BLD_PUMP_BLOOD_FLOW_RATE_SETTING", "Blood flow, set", "mL/min", channel="70947"),
        Metric("158788", "MDC_HDIALY_DIALYSATE_COND", "Dialysate conductivity", "mS/cm", channel="70951"),
        Metric("158792", "MDC_HDIALY_DIALYSATE_FLOW_RATE", "Dialysate flow", "mL/min", channel="70951"),
        Metric("158796", "MDC_HDIALY_DIALYSATE_TEMP", "Dialysate temperature", "Cel", channel="70951"),
        Metric("158848", "MDC_HDIALY_DIALYSATE_VOL_DELIV", "Dialysate delivered", "L", channel="70951"),
        Metric("16936004", "MDC_HDIALY_DIALYSATE_COND_SETTING", "Dialysate conductivity, set", "mS/cm", channel="70951"),
        Metric("16936008", "MDC_HDIALY_DIALYSATE_FLOW_RATE_SETTING", "Dialysate flow, set", "mL/min", channel="70951"),
        Metric("16936012", "MDC_HDIALY_DIALYSATE_TEMP_SETTING", "Dialysate temperature, set", "Cel", channel="70951"),
        Metric("158852", "MDC_HDIALY_FILTER_TRANSMEMBRANE_PRESS", "Transmembrane pressure", "mm[Hg]", channel="70955"),
        Metric("158976", "MDC_HDIALY_THERAPY_ACCESS_FLOW", "Access flow", "mL/min", channel="70967"),
        Metric("158988", "MDC_HDIALY_THERAPY_RATIO_SPKT_OVER_V_DELIVERED", "Kt/V delivered", "1", channel="70967"),
        Metric("159024", "MDC_HDIALY_UF_TIME_TO_TARGET", "Time to ultrafiltration goal", "min", channel="70971"),
        Metric("159028", "MDC_HDIALY_UF_TARGET_VOL_TO_REMOVE", "Ultrafiltration goal", "mL", channel="70971"),
        Metric("159032", "MDC_HDIALY_UF_ACTUAL_REMOVED_VOL", "Ultrafiltrate removed", "mL", channel="70971"),
        Metric("159036", "MDC_HDIALY_UF_RATE", "Ultrafiltration rate", "mL/h", channel="70971"),
        Metric("159044", "MDC_HDIALY_REL_BLOOD_VOL", "Relative blood volume", "%", channel="70971"),
        Metric("16936252", "MDC_HDIALY_UF_RATE_SETTING", "Ultrafiltration rate, set", "mL/h", channel="70971"),
        Metric(SYSTOLIC, "MDC_PRESS_BLD_NONINV_SYS", "Systolic blood pressure", "mm[Hg]", loinc="8480-6"),
        Metric(DIASTOLIC, "MDC_PRESS_BLD_NONINV_DIA", "Diastolic blood pressure", "mm[Hg]", loinc="8462-4"),
        Metric(MEAN, "MDC_PRESS_BLD_NONINV_MEAN", "Mean blood pressure", "mm[Hg]", loinc="8478-0"),
        Metric("149546", "MDC_PULS_RATE_NON_INV", "Pulse rate", "/min", loinc="8867-4"),
        Metric("149530", "MDC_PULS_OXIM_PULS_RATE", "Pulse rate from oximeter", "/min", loinc="8867-4"),
        Metric("147842", "MDC_ECG_HEART_RATE", "Heart rate", "/min", loinc="8867-4"),
        Metric("150456", "MDC_PULS_OXIM_SAT_O2", "Oxygen saturation", "%", loinc="2708-6", beside="59408-5"),
        Metric("188736", "MDC_MASS_BODY_ACTUAL", "Body weight", "kg", loinc="29463-7"),
        Metric("150364", "MDC_TEMP_BODY", "Body temperature", "Cel", loinc="8310-5"),
        Metric("151562", "MDC_RESP_RATE", "Respiratory rate", "/min", loinc="9279-1"),
        Metric("67996", "MDC_ATTR_VAL_BATT_CHARGE", "Battery charge", "%"),
    )
}  # fmt: skip

# Spellings other guides use for the same unit.
UNIT_ALIASES: Final[Mapping[str, str]] = {
    "{beats}/min": "/min",
    "{breaths}/min": "/min",
    "mmHg": "mm[Hg]",
    "ml/h": "mL/h",
}


def unit_of(text: str) -> str:
    """Return the UCUM code for a unit as sent; an unknown spelling comes back unchanged."""
    return UNIT_ALIASES.get(text, text)
