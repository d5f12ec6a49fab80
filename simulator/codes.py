"""The codes the simulated devices speak, with their names and units.

ISO/IEEE 11073-10101 (MDC) and the HL7 implementation guideline for dialysis machines, Rev 4.0;
units are UCUM (https://ucum.org).
"""

from dataclasses import dataclass
from typing import Final

MDC: Final = "urn:iso:std:iso:11073:10101"
UCUM: Final = "http://unitsofmeasure.org"
SERVER_ALERTS: Final = "https://w3id.org/fhirserver/CodeSystem/alert"

VENOUS_PRESSURE: Final = "158776"
ARTERIAL_PRESSURE: Final = "158744"
TRANSMEMBRANE_PRESSURE: Final = "158852"
BLOOD_FLOW: Final = "158740"
SYSTOLIC: Final = "150021"
DIASTOLIC: Final = "150022"
MEAN_PRESSURE: Final = "150023"
PULSE: Final = "149546"

EVENT_LOW: Final = "196670"
EVENT_HIGH: Final = "196648"
EVENT_VENOUS_ACCESS: Final = "198260"
EVENT_VENOUS_AIR: Final = "198262"
EVENT_WETNESS: Final = "198264"
EVENT_BLOOD_LEAK: Final = "198244"
EVENT_PUMP_STOP: Final = "198242"
EVENT_GOAL_MET: Final = "198278"
EVENT_SYSTEM: Final = "198258"
EVENT_BATTERY_LOW: Final = "196802"
# The nomenclature has no code for failed mains: devices say the server's own.
EVENT_MAINS_LOST: Final = "power-lost"

# What only a server can notice.
SUSPECTED_DISLODGEMENT: Final = "suspected-needle-dislodgement"
DEVICE_SILENT: Final = "device-silent"
EVALUATION_LATE: Final = "evaluation-late"
NOT_CREDIBLE: Final = "reading-not-credible"
POWER_LOST: Final = "power-lost"
NOT_ARMED: Final = "monitoring-not-armed"
PRESSURE_OVERDUE: Final = "blood-pressure-overdue"
CLOCK_WRONG: Final = "clock-wrong"
DATA_QUALITY: Final = "data-quality"

MACHINE_TYPE: Final = "70929"
CUFF_TYPE: Final = "528391"
GATEWAY_TYPE: Final = "531981"


@dataclass(frozen=True, slots=True)
class Metric:
    """One measured quantity: MDC code, plain name, UCUM unit."""

    code: str
    name: str
    unit: str


MACHINE_METRICS: Final = (
    Metric(VENOUS_PRESSURE, "venous pressure", "mm[Hg]"),
    Metric(ARTERIAL_PRESSURE, "arterial pressure", "mm[Hg]"),
    Metric(TRANSMEMBRANE_PRESSURE, "transmembrane pressure", "mm[Hg]"),
    Metric(BLOOD_FLOW, "blood flow", "mL/min"),
    Metric("158792", "dialysate flow", "mL/min"),
    Metric("159036", "ultrafiltration rate", "mL/h"),
    Metric("159032", "ultrafiltration removed", "mL"),
    Metric("158720", "time elapsed", "min"),
    Metric("158724", "time remaining", "min"),
    Metric("158772", "blood processed", "L"),
    Metric("158788", "dialysate conductivity", "mS/cm"),
    Metric("158796", "dialysate temperature", "Cel"),
)
CUFF_METRICS: Final = (
    Metric(SYSTOLIC, "systolic pressure", "mm[Hg]"),
    Metric(DIASTOLIC, "diastolic pressure", "mm[Hg]"),
    Metric(MEAN_PRESSURE, "mean pressure", "mm[Hg]"),
    Metric(PULSE, "pulse", "/min"),
)
