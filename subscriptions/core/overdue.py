"""What time itself raises about readings: one that was to follow, and did not.

Two kinds. A blood pressure between limit and floor is to be measured again within two minutes; when
it is not, the alert becomes PH. And in treatment a parameter with an interval is to be measured
that often; one and a half intervals without a value are a technical PM: nobody is watching it.
Treatment is only what the machine says is treatment, judged by server time.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from fhirserver.kernel.canonical import MDC
from fhirserver.kernel.readings import Reading
from subscriptions.core.constants import (
    OVERDUE_AFTER,
    PAGES_UNTIL,
    TREATED_LATELY,
    TREATMENT_NEW_AFTER,
    TREATMENT_SEEN_EVERY,
)
from subscriptions.core.event_codes import PRESSURE_OVERDUE
from subscriptions.core.findings import Finding, What, own_finding
from subscriptions.core.rule import CODE_OF_SIDE, Interval, RuleSet
from subscriptions.core.window import Entry, Treated, Window


def time_passed(window: Window, rules: RuleSet, patient: str, now: datetime) -> list[Finding]:
    """Return what did not come by `now`, updating `window`."""
    return [
        *_not_measured_again(window, rules, patient, now),
        *_not_measured_in_time(window, rules, patient, now),
    ]


def treated(window: Window, rules: RuleSet, readings: Sequence[Reading]) -> list[Finding]:
    """Note from `readings` whether a treatment is under way; its end ends what was overdue."""
    latest = None
    for reading in readings:
        live = reading.bound and reading.mode is not None and reading.age <= PAGES_UNTIL.value
        if live and (latest is None or reading.effective > latest.effective):
            latest = reading
    if latest is None:
        return []
    known = window.treated
    if latest.mode != "TX":
        if known is None or latest.received <= known.seen:
            return []
        window.treated = None
        window.overdue.clear()
        window.measured.clear()
        window.changed = True
        return _no_longer_overdue(window, rules, latest, "no treatment any more")
    quiet = None if known is None else (latest.received - known.seen).total_seconds()
    if known is None or quiet is None or quiet > TREATMENT_NEW_AFTER.value:
        known = window.treated = Treated(
            latest.received, latest.received, latest.device, latest.simulated
        )
        window.overdue.clear()
        window.changed = True
    elif quiet > TREATMENT_SEEN_EVERY.value:
        known.seen = latest.received
        window.changed = True
    for name, interval in rules.intervals.items():
        if name not in window.overdue and f"{name}:overdue" not in window.entries:
            begun = max(known.since, window.measured.get(name, known.since))
            window.overdue[name] = begun + _patience(interval)
            window.changed = True
    return []


def measured(window: Window, interval: Interval, reading: Reading) -> list[Finding]:
    """Note a value of a parameter with an interval; it ends that one was overdue."""
    name = interval.parameter
    known = window.measured.get(name)
    if reading.age > PAGES_UNTIL.value or (known is not None and reading.received < known):
        return []
    window.measured[name] = reading.received
    if window.treated is not None:
        window.overdue[name] = reading.received + _patience(interval)
    window.changed = True
    entry = window.entries.pop(f"{name}:overdue", None)
    if entry is None:
        return []
    return [
        _overdue("ended", interval, entry, reading.patient, reading.effective, "measured again")
    ]


def _not_measured_again(
    window: Window, rules: RuleSet, patient: str, now: datetime
) -> list[Finding]:
    findings: list[Finding] = []
    for key, entry in window.entries.items():
        if entry.reread_by is None or entry.reread_by > now:
            continue
        entry.reread_by = None
        entry.priority = "PH"
        window.changed = True
        watch = rules.watches.get(entry.code)
        if watch is None:
            continue
        side = watch.low if key.endswith(":low") else watch.high
        owed = [level for level in side.levels if level.reread and level.key in entry.since]
        level = next(iter([*owed, *side.levels]), None)
        findings.append(
            Finding(
                what="breached",
                key=entry.alert_key,
                patient=patient,
                device=entry.device or None,
                system=MDC,
                code=CODE_OF_SIDE[side.side],
                display=side.display,
                kind="physiological",
                family=side.family,
                priority="PH",
                at=entry.last,
                age=0.0,
                bound=True,
                live=True,
                damped=True,
                rule=None if level is None else level.source,
                rule_version=None if level is None else level.version,
                evidence=f"Observation/{entry.evidence}" if entry.evidence else None,
                simulated=entry.simulated,
                detail={"reason": "not measured again in time", "parameter": watch.parameter},
            )
        )
    return findings


def _not_measured_in_time(
    window: Window, rules: RuleSet, patient: str, now: datetime
) -> list[Finding]:
    findings: list[Finding] = []
    for name, due in list(window.overdue.items()):
        if due > now:
            continue
        del window.overdue[name]
        window.changed = True
        interval, known = rules.intervals.get(name), window.treated
        if interval is None or known is None:
            continue
        if (now - known.seen).total_seconds() > TREATED_LATELY.value:
            continue
        key = f"{name}:overdue"
        entry = Entry(name, key, now, priority="PM", device=known.device, simulated=known.simulated)
        window.entries[key] = entry
        findings.append(_overdue("breached", interval, entry, patient, now, "not measured in time"))
    return findings


def _no_longer_overdue(
    window: Window, rules: RuleSet, reading: Reading, reason: str
) -> list[Finding]:
    findings: list[Finding] = []
    for name, interval in rules.intervals.items():
        entry = window.entries.pop(f"{name}:overdue", None)
        if entry is not None:
            findings.append(
                _overdue("ended", interval, entry, reading.patient, reading.effective, reason)
            )
    return findings


def _overdue(
    what: What, interval: Interval, entry: Entry, patient: str, at: datetime, reason: str
) -> Finding:
    return own_finding(
        what,
        PRESSURE_OVERDUE,
        key=entry.alert_key,
        patient=patient,
        device=entry.device or None,
        priority="PM",
        at=at,
        simulated=entry.simulated,
        detail={
            "reason": reason,
            "parameter": interval.parameter,
            "interval": interval.seconds,
        },
        rule=(interval.source, interval.version),
    )


def _patience(interval: Interval) -> timedelta:
    return timedelta(seconds=interval.seconds * OVERDUE_AFTER)
