"""Every clinical and timing constant of the rules part, once, with its source.

[P] marks a proposal of this project that awaits review by a nephrology nurse or physician. The
limits of the default rules stand in `subscriptions/content/default-rules.json`, each with its
source, and nowhere else.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final


@dataclass(frozen=True, slots=True)
class Seconds:
    """A duration in seconds and why it is that long."""

    value: float
    reason: str


@dataclass(frozen=True, slots=True)
class Count:
    """A number of things and why it is that many."""

    value: int
    reason: str


@dataclass(frozen=True, slots=True)
class Plausible:
    """The inclusive range a value can have in a living patient or a working machine, and why."""

    low: Decimal
    high: Decimal
    reason: str


DELAYED_AFTER: Final = Seconds(
    60.0, "[P] an older sample no longer describes now: the alert says so"
)
PAGES_UNTIL: Final = Seconds(
    300.0, "[P] beyond five minutes a page sends people after the past; stored and evaluated only"
)
JUDGED_UNTIL: Final = Seconds(
    86_400.0, "[P] what is older than a day is history: an import of old vitals makes no alerts"
)
OVERDUE_AFTER: Final = 1.5  # times the interval, [P]: half an interval late is forgotten, not late
TREATED_LATELY: Final = Seconds(
    60.0, "[P] without telemetry for a minute silence is the alert, not a missing blood pressure"
)
TREATMENT_NEW_AFTER: Final = Seconds(
    1800.0, "[P] half an hour without a machine in treatment: what follows is another treatment"
)
TREATMENT_SEEN_EVERY: Final = Seconds(10.0, "[P] finer is of no use to an interval of minutes")
REREAD_WITHIN: Final = Seconds(
    120.0, "[P] a cuff takes under a minute; two minutes leave one failed attempt"
)
SECOND_IMPLAUSIBLE_WITHIN: Final = Seconds(
    120.0, "[P] two incredible values in a row are a fault or a catastrophe: both need a person"
)
DAMPED_FOR: Final = Seconds(
    600.0, "[P] one signal in ten minutes for an open PM or PL; Drew 2014: repeats go unanswered"
)
GROUPED_WITHIN: Final = Seconds(
    60.0, "[P] a needle slip is seen as pressure, pump stop and access alarm within seconds"
)
STILL_PRESENT_AFTER: Final = Seconds(
    120.0, "[P] a breach seen this long after somebody closed its alert is a new alert"
)
KEEP_ALIVE_LOST_AFTER: Final = Seconds(
    45.0, "IHE PCD-04 repeats an active alarm every 10-30 s; one and a half periods without it"
)
SILENT_AFTER: Final = Seconds(
    20.0, "[P] one telemetry message a second; contact is noted every 5 s, so 15-20 s of silence"
)
GATEWAY_LOST_AFTER: Final = Seconds(
    5.0, "[P] a gateway whose line breaks for a moment is back in seconds; many homes would ring"
)
MONITORING_LOST_AFTER: Final = Seconds(
    65.0, "[P] contact is noted every 5 s, so 60-65 s without any sign of life"
)
CONTACT_NOTED_EVERY: Final = Seconds(
    5.0, "a row write per device and message would cost more than the readings themselves"
)
INTERVALS_MISSED: Final = Count(
    3, "[P] a device that batches may lose one message and be late with the next"
)
READINGS_GAP_TOLD_AFTER: Final = Seconds(
    30.0, "[P] a gateway that was cut off sends what it kept within half a minute"
)
ALARM_GAP_TOLD_AFTER: Final = Seconds(
    10.0, "[P] messages overtake each other by 5 s at most; what is missing may be an alarm"
)
BLIND_MESSAGES: Final = Count(
    10, "[P] ten seconds of a machine's telemetry, enough to hide the fall of a venous pressure"
)
GAP_GIVEN_UP_AFTER: Final = Seconds(
    900.0, "[P] what did not come within a quarter of an hour says nothing about now any more"
)
DATA_FAULT_OVER_AFTER: Final = Seconds(
    600.0, "[P] ten minutes without a refused message: whatever it was is over"
)
UNKNOWN_ALARM_TOLD_EVERY: Final = Seconds(
    3600.0, "[P] the operator is asked once an hour about an alarm of a device nobody knows"
)
EVALUATION_LATE_AFTER: Final = Seconds(
    5.0, "[P] two seconds are promised; later than five somebody must be told that it is late"
)
PEOPLE_TOLD_LATE_AFTER: Final = Seconds(
    60.0, "[P] a burst drains within two minutes, but a treatment unwatched for one needs eyes"
)
MODE_KNOWN_FOR: Final = Seconds(10.0, "[P] an older mode may be wrong and counts as treatment")
TEST_PAGE_GRACE: Final = Seconds(
    60.0, "[P] a test page sent before the needles are in may be answered in the first minute"
)
TEST_PAGE_HOLDS: Final = Seconds(
    7200.0,
    "[P] setting a machine up takes up to an hour; whoever was there two hours ago may be gone",
)
TEST_PAGE_AGAIN_AFTER: Final = Seconds(
    30.0, "[P] a second press of the button is not a second page; five texts in five minutes is all"
)
TREATMENT_OVER_AFTER: Final = Seconds(
    120.0, "[P] machines leave treatment for a moment when the therapy is changed"
)
TREATMENT_PLANNED: Final = Seconds(
    8 * 3600.0, "[P] nocturnal treatments take 5-8 h; for patients without a treatment plan"
)
TREATMENT_END_MISSING_AFTER: Final = Seconds(
    3600.0, "[P] an hour over the planned length is no longer a slow rinse-back"
)
TREATMENT_NOTED_EVERY: Final = Seconds(
    60.0, "a look at the row per device and message would cost more than the readings themselves"
)


@dataclass(frozen=True, slots=True)
class Years:
    """An age in years and why it is that."""

    value: int
    reason: str


ADULT_FROM: Final = Years(18, "[P] the default rules are made of figures about adults")


@dataclass(frozen=True, slots=True)
class Number:
    """A number of the trend rules, in the unit of what is watched, and why it is that."""

    value: float
    reason: str


# Judging a change over time (`subscriptions.core.baseline`). A stretch is the window of the rule
# divided by the first of these; with the default rule's 15 s that is 5 s.
STRETCHES_OF_WINDOW: Final = Count(
    3, "[P] one cough or arm movement spoils one stretch of three, not the mean of all"
)
STRETCHES_APART: Final = Count(
    2, "[P] a needle slips out within ten seconds: what happens then is no baseline"
)
STRETCHES_WITHOUT_BASELINE: Final = Count(
    12, "[P] a change over an hour is judged in steps of five minutes"
)
BASELINE_KNOWN: Final = Number(
    0.6, "[P] three minutes of steady flow: while the pump is being started nothing is a baseline"
)
BASELINE_QUANTILE: Final = Number(
    0.4, "[P] arm movements raise the venous pressure more than they lower it"
)
FLOWS_FROM: Final = Number(50.0, "mL/min, [P] below it the blood pump stands or is being started")
LIMITS_KEPT_FLOW: Final = Number(
    50.0,
    "mL/min, [P] a machine centres its windows anew when the blood flow is turned: two steps of 25 are",
)
MACHINE_ALARMS_FIRST: Final = Seconds(
    30.0, "[P] a machine tells of its own limits within seconds; what it has not told by then we do"
)
LIMITS_GOOD_FOR: Final = Seconds(
    86_400.0, "[P] limits nobody has announced for a day are of another treatment"
)
SHARED_AT_MOST: Final = Number(
    15.0, "mm[Hg], [P] a back rest moved by 15 cm changes both pressures by 11.5 (0.77 a cm)"
)
DRIFT_PARTS: Final = Count(5, "[P] minutes of the default baseline: each has to show the drift")
DRIFT_AT_MOST: Final = Number(
    12.0, "mm[Hg], [P] three times the published +11 +- 18 in 20 min, for 165 s"
)
OVER_BELOW: Final = Number(
    0.5, "[P] half the change that was an alert: what is left has become the baseline"
)

WINDOW_SHORTEST: Final = Seconds(6.0, "[P] shorter than a breath it is noise")
WINDOW_LONGEST: Final = Seconds(604_800.0, "[P] a week, for the weight of somebody at home")
BASELINE_OF_WINDOW: Final = Count(
    40, "what is remembered travels with every reading of the patient: it has to stay small"
)


def _plausible(low: str, high: str, reason: str) -> Plausible:
    return Plausible(Decimal(low), Decimal(high), reason)


# By parameter name, see `subscriptions.core.parameters`; no entry means every number is plausible.
PLAUSIBLE: Final[dict[str, Plausible]] = {
    "systolic": _plausible("40", "280", "[P] oscillometric cuffs read 40-280 mm[Hg]"),
    "diastolic": _plausible("20", "200", "[P] oscillometric cuffs read 20-200 mm[Hg]"),
    "mean": _plausible("25", "230", "[P] between the two above"),
    "heart-rate": _plausible("20", "250", "[P] range of cuffs and oximeters"),
    "oxygen-saturation": _plausible("40", "100", "[P] below 40 % an oximeter has lost the finger"),
    "temperature": _plausible("30", "43", "[P] survivable core temperature"),
    "respiratory-rate": _plausible("3", "80", "[P] range of bedside sensors"),
    "venous-pressure": _plausible("-150", "600", "[P] transducers of the return line"),
    "arterial-pressure": _plausible("-500", "500", "[P] transducers before the pump"),
    "transmembrane-pressure": _plausible("-300", "700", "[P] sum of the line transducers"),
    "blood-flow": _plausible("0", "800", "[P] roller pumps of dialysis machines"),
    "ultrafiltration-rate": _plausible("0", "4000", "[P] balance chambers of dialysis machines"),
    "dialysate-temperature": _plausible("10", "50", "[P] heater and inlet water"),
    "conductivity": _plausible("0", "20", "[P] water to concentrate fault"),
}
