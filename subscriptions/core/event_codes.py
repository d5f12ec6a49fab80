"""What a machine can report, and what each report means for people.

MDC event codes of the dialysis machine guideline (ISO/IEEE 11073-10101, IHE PCD-04:
https://wiki.ihe.net/index.php/PCD_PCD-04_Report_Alert) and the few codes of our own for what only a
server can notice. 198260 is never used for a suspicion of ours: it says that the machine found it.
"""

from dataclasses import dataclass
from typing import Final

from fhirserver.kernel.readings import Priority
from subscriptions.core.alert import Family, Kind


@dataclass(frozen=True, slots=True)
class EventCode:
    """One event.

    `least` is the priority it has at least, whatever the machine says; None: as the machine says.
    """

    code: str
    display: str
    family: Family
    kind: Kind
    least: Priority | None


PUMP_STOP: Final = "198242"
VENOUS_ACCESS: Final = "198260"
VENOUS_AIR: Final = "198262"
LOW: Final = "196670"
HIGH: Final = "196648"

EVENTS: Final[dict[str, EventCode]] = {
    event.code: event
    for event in (
        # Floor events: [P] PH always, in every mode; blood or air is where it must not be.
        EventCode(
            VENOUS_ACCESS, "venous access may be disconnected", "blood-loss", "technical", "PH"
        ),
        EventCode(VENOUS_AIR, "air in the venous line", "air", "technical", "PH"),
        EventCode("198264", "wetness at the access", "blood-loss", "technical", "PH"),
        EventCode("198244", "blood leak in the filter", "blood-loss", "technical", "PH"),
        EventCode("198252", "air in the arterial line", "air", "technical", "PH"),
        EventCode(PUMP_STOP, "blood pump stopped", "blood-loss", "technical", "PH"),
        # The rest rings as the machine says, at least with the priority given here. [P]
        EventCode("198266", "wetness sensor fault", "other", "technical", "PM"),
        EventCode("198254", "air in the dialysate", "fluid", "technical", "PM"),
        EventCode("198256", "dialysate composition", "fluid", "technical", "PM"),
        EventCode("198258", "safety system fault", "other", "technical", "PM"),
        EventCode("198216", "self-test failed", "other", "technical", "PM"),
        EventCode("198236", "anticoagulant pump stopped", "fluid", "technical", None),
        EventCode("198238", "anticoagulant syringe empty", "fluid", "technical", None),
        EventCode("198240", "anticoagulant syringe size", "fluid", "technical", None),
        EventCode("198268", "treatment alarm", "other", "technical", None),
        EventCode("198270", "treatment time reached", "other", "technical", None),
        EventCode("198272", "ultrafiltration low", "fluid", "technical", None),
        EventCode("198274", "ultrafiltration negative", "fluid", "technical", None),
        EventCode("198276", "ultrafiltration rate out of range", "fluid", "technical", None),
        EventCode("198278", "ultrafiltration goal met", "fluid", "technical", None),
        EventCode("196802", "battery low", "power", "technical", "PM"),
        EventCode("196616", "alarm", "other", "technical", None),
        EventCode("196638", "error", "other", "technical", None),
    )
}

# Priorities a machine may state (IHE PCD-04), read as ours; None is information, not an alarm.
STATED: Final[dict[str, Priority | None]] = {
    "PH": "PH",
    "PM": "PM",
    "PL": "PL",
    "PI": None,
    "PN": None,
    "PU": "PM",
}

NOT_CREDIBLE: Final = EventCode(
    "reading-not-credible",
    "reading not credible, check the patient",
    "credibility",
    "technical",
    "PM",
)
DEVICE_SILENT: Final = EventCode(
    "device-silent", "device silent", "monitoring-lost", "technical", "PM"
)
NOT_ARMED: Final = EventCode(
    "monitoring-not-armed", "treatment while monitoring is not armed", "other", "technical", "PM"
)
SESSION_END_MISSING: Final = EventCode(
    "session-end-missing", "end of treatment is missing", "other", "technical", "PM"
)
NOT_WELL: Final = EventCode("not-well", "patient not well", "other", "physiological", "PM")
RULE_IGNORED: Final = EventCode(
    "rule-ignored", "monitoring rule beyond a safety floor ignored", "other", "advisory", "PL"
)
READINGS_MISSING: Final = EventCode(
    "readings-missing", "messages of the device are missing", "other", "technical", "PL"
)
CLOCK_WRONG: Final = EventCode(
    "clock-wrong", "clock of the device is wrong", "other", "technical", "PL"
)
DATA_QUALITY: Final = EventCode(
    "data-quality", "device sends what cannot be used", "other", "technical", "PL"
)
EVALUATION_LATE: Final = EventCode(
    "evaluation-late", "readings are evaluated late", "monitoring-lost", "technical", "PM"
)
NEEDLE_SUSPECTED: Final = EventCode(
    "suspected-needle-dislodgement",
    "suspected needle dislodgement, check the access",
    "blood-loss",
    "physiological",
    "PH",
)
PRESSURE_OVERDUE: Final = EventCode(
    "blood-pressure-overdue", "blood pressure not measured in time", "other", "technical", "PM"
)

POWER_LOST: Final = EventCode("power-lost", "mains power lost", "power", "technical", "PM")

# What a gateway or machine reports for which there is no MDC code: codes of ours.
OWN_EVENTS: Final[dict[str, EventCode]] = {POWER_LOST.code: POWER_LOST}

# The codes of ours a rule may raise instead of "high" or "low".
OWN_CODES: Final[dict[str, EventCode]] = {NEEDLE_SUSPECTED.code: NEEDLE_SUSPECTED}
