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
MONITORING_LOST_AFTER: Final = Seconds(
    65.0, "[P] contact is noted every 5 s, so 60-65 s without any sign of life"
)
CONTACT_NOTED_EVERY: Final = Seconds(
    5.0, "a row write per device and message would cost more than the readings themselves"
)
MODE_KNOWN_FOR: Final = Seconds(10.0, "[P] an older mode may be wrong and counts as treatment")


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
