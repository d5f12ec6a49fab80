"""Judge readings against the rules in force.

`evaluate` takes a patient's readings in order and returns what they mean; the caller decides about
alerts and writes. The common case, a value within its limits of a patient who has nothing open,
costs two comparisons.

Rules of judgement
------------------
1. Missing is never a breach: only a reading that exists is judged.
2. A value no living patient or working machine has is not judged. In treatment it raises "reading
   not credible" at once; a second one within two minutes counts as a breach of its side.
3. Preparation and rinse-back silence only rules on pressures of the circuit outside the body. An
   unknown mode counts as treatment.
4. A late sample may open or raise, never clear: what clears must be newer than the newest breach.
5. Blood pressure: beyond the hard floor PH at once; between limit and floor PM "measure again now",
   confirmed by a second breach the rule's own priority, and PH when no second reading comes in time
   (`reread_overdue`).
6. What clears must be inside the limit by the hysteresis. Between limit and hysteresis nothing
   changes, except that a sustained breach has been interrupted and a second reading has been given.
7. What is older than a day is history: it is stored, and judged by nobody.
8. A machine's own limits speak of what it measured itself since: `subscriptions.core.device_limits`.

Changes over time: `subscriptions.core.trend`. What time itself raises: `subscriptions.core.overdue`.
"""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from fhirserver.kernel.canonical import ALERT_CODES, MDC
from fhirserver.kernel.readings import Mode, Priority, Reading
from subscriptions.core import device_limits, overdue, trend
from subscriptions.core.alert import more_urgent
from subscriptions.core.constants import (
    JUDGED_UNTIL,
    PAGES_UNTIL,
    REREAD_WITHIN,
    SECOND_IMPLAUSIBLE_WITHIN,
)
from subscriptions.core.event_codes import NOT_CREDIBLE
from subscriptions.core.findings import Finding, finding_of
from subscriptions.core.parameters import BLOOD_FLOW
from subscriptions.core.rule import CODE_OF_SIDE, Level, RuleSet, Side, SideWatch, Watch
from subscriptions.core.window import Entry, Window


def evaluate(window: Window, rules: RuleSet, readings: Sequence[Reading]) -> list[Finding]:
    """Judge `readings` of one patient, updating `window` (`window.changed` says whether it did)."""
    findings = _by_rules_of_now(window, rules, readings) if readings else []
    watches = rules.watches
    limited = rules.limited
    opened = window.parameters if window.entries else frozenset[str]()
    oldest = JUDGED_UNTIL.value
    for reading in readings:
        watch = watches.get(reading.code)
        if watch is None or reading.age > oldest:
            continue
        value = reading.value
        credible = (
            reading.unit == watch.unit
            and value.is_finite()
            and watch.plausible_low <= value <= watch.plausible_high
        )
        if credible and reading.bound:
            if limited and reading.code == BLOOD_FLOW:
                device_limits.follow(window, limited, reading)
            if watch.feeds and reading.device:
                findings += trend.follow(window, rules, watch, reading)
            if watch.interval is not None:
                findings += overdue.measured(window, watch.interval, reading)
        if (
            credible
            and watch.calm_low <= value <= watch.calm_high
            and watch.parameter not in opened
        ):
            continue
        findings += judge(window, watch, reading)
        opened = window.parameters
    return findings


def _by_rules_of_now(window: Window, rules: RuleSet, readings: Sequence[Reading]) -> list[Finding]:
    """Let go of what the rules in force speak of no more, and note that a treatment is under way."""
    findings: list[Finding] = []
    if window.traces and not window.traces.keys() <= rules.trends.keys():
        trend.forget(window, rules)
    if window.flows:
        device_limits.forget(window, rules.limited)
    if window.entries:
        findings += _no_longer_watched(window, rules, readings[0])
    if rules.intervals:
        findings += overdue.treated(window, rules, readings)
    return findings


def _no_longer_watched(window: Window, rules: RuleSet, reading: Reading) -> list[Finding]:
    """End what was open about parameters or changes no rule speaks of any more."""
    watched = {watch.parameter for watch in rules.watches.values()}
    gone = [(key, entry) for key, entry in window.entries.items() if entry.parameter not in watched]
    gone += [one for one in trend.unwatched(window, rules) if one not in gone]
    findings: list[Finding] = []
    for key, entry in gone:
        del window.entries[key]
        window.changed = True
        if entry.priority is not None and not window.raises(entry.alert_key):
            findings.append(
                finding_of(
                    "ended",
                    reading,
                    key=entry.alert_key,
                    code=CODE_OF_SIDE["low"],
                    system=MDC,
                    display=entry.parameter,
                    priority=entry.priority,
                    detail={"reason": "no rule in force", "parameter": entry.parameter},
                )
            )
    return findings


def judge(window: Window, watch: Watch, reading: Reading) -> list[Finding]:
    """Return what one reading of a watched parameter means, updating `window`."""
    value = reading.value
    credible = (
        reading.unit == watch.unit
        and value.is_finite()
        and watch.plausible_low <= value <= watch.plausible_high
    )
    if not credible:
        return _incredible(window, watch, reading)
    findings = _credible_again(window, watch, reading)
    for side in (watch.low, watch.high):
        findings += _judge_side(window, watch, side, reading)
    return findings


def _incredible(window: Window, watch: Watch, reading: Reading) -> list[Finding]:
    if not _in_treatment(reading.mode):
        return []
    key = f"{watch.parameter}:credibility"
    entry = window.entries.get(key)
    first = None if entry is None else entry.first
    second = (
        first is not None
        and reading.effective > first
        and reading.effective - first <= timedelta(seconds=SECOND_IMPLAUSIBLE_WITHIN.value)
    )
    findings = [
        finding_of(
            "breached" if entry is None else "still-breached",
            reading,
            key=key,
            code=NOT_CREDIBLE.code,
            system=ALERT_CODES,
            display=NOT_CREDIBLE.display,
            priority="PM",
            detail={"reason": "not credible", "parameter": watch.parameter},
        )
    ]
    if entry is None:
        entry = Entry(watch.parameter, key, reading.effective, priority="PM", code=reading.code)
        window.entries[key] = entry
    if not second:
        entry.first = reading.effective if first is None else max(first, reading.effective)
    entry.last = max(entry.last, reading.effective)
    window.changed = True
    if second and reading.unit == watch.unit and reading.value.is_finite():
        side = watch.low if reading.value < watch.plausible_low else watch.high
        limits = [level for level in side.levels if not level.floor] or list(side.levels)
        applicable = [level for level in limits if _applies(window, watch, level, reading)]
        if applicable:
            worst = max(applicable, key=_rank)
            findings += _raise(
                window, watch, side, reading, worst, worst.priority, "second reading not credible"
            )
    return findings


def _credible_again(window: Window, watch: Watch, reading: Reading) -> list[Finding]:
    key = f"{watch.parameter}:credibility"
    entry = window.entries.get(key)
    if entry is None or reading.effective <= entry.last:
        return []
    del window.entries[key]
    window.changed = True
    return [
        finding_of(
            "ended",
            reading,
            key=key,
            code=NOT_CREDIBLE.code,
            system=ALERT_CODES,
            display=NOT_CREDIBLE.display,
            priority="PM",
            detail={"reason": "credible again", "parameter": watch.parameter},
        )
    ]


def _judge_side(window: Window, watch: Watch, side: SideWatch, reading: Reading) -> list[Finding]:
    if not side.levels:
        return []
    levels = [level for level in side.levels if _applies(window, watch, level, reading)]
    broken = [level for level in levels if _beyond(side.side, level.bound, reading.value)]
    if broken:
        return _breach(window, watch, side, reading, broken)
    return _within(window, watch, side, reading, levels)


def _breach(
    window: Window, watch: Watch, side: SideWatch, reading: Reading, broken: Sequence[Level]
) -> list[Finding]:
    entry = _entry(window, watch, side, reading)
    late = reading.effective < entry.last
    if not late:
        # A level this sample does not break was interrupted; a late sample says nothing about now.
        for key in entry.since.keys() - {level.key for level in broken}:
            del entry.since[key]
    for level in broken:
        since = entry.since.get(level.key)
        if since is None or reading.effective < since:
            entry.since[level.key] = reading.effective
    newest = max(entry.last, reading.effective)
    fired = [
        level
        for level in broken
        if (newest - entry.since[level.key]).total_seconds() >= level.sustained
    ]
    entry.last = newest
    window.changed = True
    if not fired:
        return []
    worst = max(fired, key=_rank)
    priority, reason = (
        worst.priority,
        "beyond the hard floor" if worst.floor else "beyond the limit",
    )
    if worst.reread:
        priority, reason = _reread(entry, worst, reading)
    return _raise(window, watch, side, reading, worst, priority, reason)


def _reread(entry: Entry, level: Level, reading: Reading) -> tuple[Priority, str]:
    """Return the priority of a breach that a second reading must confirm, and why."""
    if entry.first is None:
        entry.first = reading.effective
        if reading.bound and reading.age <= PAGES_UNTIL.value:
            entry.reread_by = reading.received + timedelta(seconds=REREAD_WITHIN.value)
        return "PM", "measure again now"
    if reading.effective > entry.first:
        entry.reread_by = None
        return level.priority, "confirmed by a second reading"
    return entry.priority or "PM", "measure again now"


def _raise(
    window: Window,
    watch: Watch,
    side: SideWatch,
    reading: Reading,
    level: Level,
    priority: Priority,
    reason: str,
) -> list[Finding]:
    entry = _entry(window, watch, side, reading)
    new = entry.priority is None or more_urgent(priority, entry.priority)
    if new:
        entry.priority = priority
    if entry.priority == "PH":
        entry.reread_by = None
    entry.code = reading.code
    entry.device, entry.evidence = reading.device, reading.observation
    entry.simulated = reading.simulated
    worse = not new and _further(side.side, level, entry.worst, reading.value)
    if new or worse or entry.worst is None:
        entry.worst = reading.value
    window.changed = True
    return [
        finding_of(
            "breached" if new else "still-breached",
            reading,
            key=side.alert_key,
            code=CODE_OF_SIDE[side.side],
            system=MDC,
            display=side.display,
            priority=entry.priority or priority,
            level=level,
            side=side,
            worse=worse,
            detail={
                "reason": reason,
                "parameter": watch.parameter,
                "side": side.side,
                "value": str(reading.value),
                "unit": reading.unit,
                "limit": str(level.bound),
                "effective": reading.effective.isoformat(),
                **_of_weight(level),
            },
        )
    ]


def _of_weight(level: Level) -> dict[str, str]:
    weight = level.weighed
    return {} if weight is None else {"dry weight": f"{weight.kilograms} kg by {weight.version}"}


def _within(
    window: Window, watch: Watch, side: SideWatch, reading: Reading, levels: Sequence[Level]
) -> list[Finding]:
    key = f"{watch.parameter}:{side.side}"
    entry = window.entries.get(key)
    if entry is None or reading.effective <= entry.last:
        return []
    cleared = entry.priority is None or all(
        not _beyond(side.side, _eased(side.side, level), reading.value) for level in levels
    )
    if not cleared:
        if entry.since or entry.reread_by is not None:
            entry.since = {}
            entry.reread_by = None
            window.changed = True
        return []
    del window.entries[key]
    window.changed = True
    if entry.priority is None or window.raises(side.alert_key):
        return []
    reason = "within limits again" if levels else f"rule does not apply in mode {reading.mode}"
    return [
        finding_of(
            "ended",
            reading,
            key=side.alert_key,
            code=CODE_OF_SIDE[side.side],
            system=MDC,
            display=side.display,
            priority=entry.priority,
            side=side,
            detail={
                "reason": reason,
                "parameter": watch.parameter,
                "side": side.side,
                "value": str(reading.value),
                "unit": reading.unit,
                "effective": reading.effective.isoformat(),
            },
        )
    ]


def _entry(window: Window, watch: Watch, side: SideWatch, reading: Reading) -> Entry:
    key = f"{watch.parameter}:{side.side}"
    entry = window.entries.get(key)
    if entry is None:
        entry = Entry(watch.parameter, side.alert_key, reading.effective, code=reading.code)
        window.entries[key] = entry
        window.changed = True
    return entry


def _in_treatment(mode: Mode | None) -> bool:
    return mode is None or mode == "TX"


def _applies(window: Window, watch: Watch, level: Level, reading: Reading) -> bool:
    return not _suppressed(watch, level, reading.mode) and device_limits.holds(
        window, level, reading, in_circuit=watch.in_circuit
    )


def _suppressed(watch: Watch, level: Level, mode: Mode | None) -> bool:
    if mode is None:
        return False
    if mode == "TX":
        return bool(level.modes) and mode not in level.modes
    if watch.in_circuit:
        return mode not in level.modes
    if mode in ("PRETX", "POSTTX"):
        return False
    return bool(level.modes) and mode not in level.modes


def _beyond(side: Side, bound: Decimal, value: Decimal) -> bool:
    return value < bound if side == "low" else value > bound


def _further(side: Side, level: Level, worst: Decimal | None, value: Decimal) -> bool:
    if worst is None:
        return False
    return value < worst - level.hysteresis if side == "low" else value > worst + level.hysteresis


def _eased(side: Side, level: Level) -> Decimal:
    return level.bound + level.hysteresis if side == "low" else level.bound - level.hysteresis


def _rank(level: Level) -> tuple[bool, bool, bool]:
    # A level that needs no second reading outranks one that does: it may page at once.
    return (level.priority == "PH", level.floor or not level.reread, level.priority == "PM")
