"""Why nothing fired: every limit of a moment beside the value it was held against, and what came of it.

Pure: the stored readings before the moment are judged once more by the rules of then, with the very
functions that judged them. https://hl7.org/fhir/R4/parameters.html
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from fhirserver.kernel.instant import instant
from fhirserver.kernel.readings import Reading
from fhirserver.kernel.resource import Json
from subscriptions.core import evaluate
from subscriptions.core.alert import Alert
from subscriptions.core.constants import PAGES_UNTIL
from subscriptions.core.findings import Finding
from subscriptions.core.monitoring_rules import codings, quantity
from subscriptions.core.rule import Level, RuleSet, Watch
from subscriptions.core.why import in_short
from subscriptions.core.window import Window

Verdict = Literal[
    "no-reading", "not-credible", "within-limits", "not-yet", "alert", "calls-nobody", "unexplained"
]

_WORDS: Final[dict[Verdict, str]] = {
    "no-reading": "nothing was measured in this time",
    "not-credible": "the value cannot be of a living patient or a working machine, or has another unit",
    "within-limits": "the value was within every limit",
    "not-yet": "beyond a limit, but not for as long or not in the mode the rule asks for",
    "alert": "there was an alert about it",
    "calls-nobody": "beyond a limit, and recorded without calling anybody",
    "unexplained": "beyond a limit without an alert: report this as a defect",
}


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of one parameter: its newest reading, the verdict and the alert it points to."""

    watch: Watch
    codes: tuple[str, ...]
    reading: Reading | None
    verdict: Verdict
    because: str
    alert: Alert | None = None


def judged(
    rules: RuleSet, readings: Sequence[Reading], alerts: Sequence[Alert], at: datetime
) -> list[Judged]:
    """Return what came of every parameter with a rule at `at`.

    `readings` of one patient in the order of their times, from some minutes before `at`; `alerts`
    those that were open at `at`.
    """
    before = [one for one in readings if one.effective <= at]
    findings = evaluate.evaluate(Window(), rules, before)
    codes: dict[str, list[str]] = {}
    watches: dict[str, Watch] = {}
    for code, watch in rules.watches.items():
        codes.setdefault(watch.parameter, []).append(code)
        watches[watch.parameter] = watch
    told: list[Judged] = []
    for name, watch in watches.items():
        mine = [one for one in before if one.code in codes[name]]
        about = [one for one in findings if one.detail.get("parameter") == name]
        newest = mine[-1] if mine else None
        verdict, because, alert = _verdict(watch, newest, about, alerts)
        told.append(Judged(watch, tuple(codes[name]), newest, verdict, because, alert))
    return told


def why_not(told: Sequence[Judged], alerts: Sequence[Alert], since: datetime, at: datetime) -> Json:
    """Return the Parameters that tell what was judged, from `since` to `at`; no alert beside `alerts` is named."""
    named = {one.id for one in alerts}
    rows: list[Json] = [
        {"name": "at", "valueInstant": instant(at)},
        {"name": "since", "valueInstant": instant(since)},
        *({"name": "parameter", "part": _parts(one, named)} for one in told),
        *({"name": "alert", "part": [*in_short(one), *_calls(one)]} for one in alerts),
    ]
    return {"resourceType": "Parameters", "parameter": rows}


def _verdict(
    watch: Watch, newest: Reading | None, findings: Sequence[Finding], alerts: Sequence[Alert]
) -> tuple[Verdict, str, Alert | None]:
    if newest is None:
        return "no-reading", _WORDS["no-reading"], None
    beyond = [one for one in findings if one.family != "credibility"]
    open_ones = [one for one in beyond if one.what in ("breached", "still-breached")]
    ended = bool(beyond) and beyond[-1].what == "ended"
    if open_ones and not ended:
        keys = {one.key for one in open_ones}
        alert = next((one for one in alerts if one.key in keys), None)
        if alert is not None:
            return "alert", _WORDS["alert"], alert
        quiet = _quiet(newest)
        if quiet is not None:
            return "calls-nobody", f"{_WORDS['calls-nobody']}: {quiet}", None
        return "unexplained", _WORDS["unexplained"], None
    if newest.unit != watch.unit or not watch.plausible_low <= newest.value <= watch.plausible_high:
        doubted = next((one for one in alerts if one.key == f"{watch.parameter}:credibility"), None)
        return "not-credible", _WORDS["not-credible"], doubted
    if watch.calm_low <= newest.value <= watch.calm_high:
        return "within-limits", _WORDS["within-limits"], None
    quiet = _quiet(newest)
    return "not-yet", _WORDS["not-yet"] if quiet is None else quiet, None


def _quiet(reading: Reading) -> str | None:
    if not reading.bound:
        return (
            "nobody was bound to the device that measured it, or somebody typed it in while monitoring"
            " was not armed"
        )
    if reading.age > PAGES_UNTIL.value:
        minutes = PAGES_UNTIL.value / 60
        return f"it arrived more than {minutes:g} minutes after it was measured"
    return None


def _parts(one: Judged, named: Collection[UUID]) -> list[Json]:
    watch = one.watch
    concept = {"coding": codings(one.codes), "text": watch.display}
    rows: list[Json] = [
        {"name": "name", "valueCode": watch.parameter},
        {"name": "code", "valueCodeableConcept": concept},
        {"name": "verdict", "valueCode": one.verdict},
        {"name": "because", "valueString": one.because},
    ]
    if one.reading is not None:
        reading = one.reading
        rows += [
            {"name": "value", "valueQuantity": quantity(reading.value, reading.unit)},
            {"name": "measured", "valueInstant": instant(reading.effective)},
            {"name": "arrived", "valueInstant": instant(reading.received)},
            {
                "name": "observation",
                "valueReference": {"reference": f"Observation/{reading.observation}"},
            },
        ]
    rows += [
        {"name": "limit", "part": _limit(side.side, level, watch.unit)}
        for side in (watch.low, watch.high)
        for level in side.levels
    ]
    if one.alert is not None and one.alert.id in named and one.alert.flag is not None:
        rows.append({"name": "flag", "valueReference": {"reference": f"Flag/{one.alert.flag}"}})
    return rows


def _limit(side: str, level: Level, unit: str) -> list[Json]:
    return [
        {"name": "side", "valueCode": side},
        {"name": "value", "valueQuantity": quantity(level.bound, unit)},
        {"name": "version", "valueString": level.version},
    ]


def _calls(alert: Alert) -> list[Json]:
    return [{"name": "calls-people", "valueBoolean": alert.pages}]
