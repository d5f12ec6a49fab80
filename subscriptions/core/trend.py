"""Changes over time as findings: what a reading adds to what trends remember, and what it shows.

A change against a baseline is judged when a stretch is complete, one within a window with every
reading. Only credible readings of a bound device are remembered: what somebody typed in never
hides or makes a fall. A late sample is judged as of its own time: it may raise, never end.
"""

from collections.abc import Iterable
from typing import Final

from fhirserver.kernel.readings import Reading
from subscriptions.core import baseline
from subscriptions.core.alert import more_urgent
from subscriptions.core.baseline import Seen
from subscriptions.core.constants import STRETCHES_OF_WINDOW
from subscriptions.core.findings import Finding, What, finding_of
from subscriptions.core.rule import RuleSet, Trend, Watch
from subscriptions.core.trace import Trace, mean_of, thousandths
from subscriptions.core.window import Entry, Window

_RECENT: Final = STRETCHES_OF_WINDOW.value


def follow(window: Window, rules: RuleSet, watch: Watch, reading: Reading) -> list[Finding]:
    """Remember a credible reading of a bound device and return what its trends show by now."""
    findings: list[Finding] = []
    seconds = reading.effective.timestamp()
    value = thousandths(reading.value)
    for key, column in watch.feeds:
        trend = rules.trends[key]
        stretch = int(seconds // trend.stretch)
        trace = window.traces.get(key)
        if trace is None or trace.length != trend.remembered:
            trace = window.traces[key] = Trace(len(trend.columns), trend.remembered, stretch)
        before = trace.last
        if stretch > before:
            trace.advance(stretch)
        if not trace.add(column, stretch, value):
            continue
        window.changed = True
        if trend.change.baseline is None:
            if column == 0:
                findings += _judge(window, trend, trace, stretch, reading, late=stretch < before)
        elif stretch > before:
            findings += _judge(window, trend, trace, before, reading, late=False)
        elif stretch < before:
            for ended in range(stretch, min(stretch + _RECENT, before)):
                findings += _judge(window, trend, trace, ended, reading, late=True)
    return findings


def forget(window: Window, rules: RuleSet) -> None:
    """Drop what was remembered for trends no rule speaks of any more."""
    for key in window.traces.keys() - rules.trends.keys():
        del window.traces[key]
        window.changed = True


def unwatched(window: Window, rules: RuleSet) -> Iterable[tuple[str, Entry]]:
    """Return the open entries of changes no rule speaks of any more."""
    return [
        (key, entry)
        for key, entry in window.entries.items()
        if ":change:" in key and key not in rules.trends
    ]


def _judge(
    window: Window, trend: Trend, trace: Trace, stretch: int, reading: Reading, *, late: bool
) -> list[Finding]:
    entry = window.entries.get(trend.key)
    if _suppressed(trend, reading):
        if entry is None or late:
            return []
        return _ended(window, trend, entry, reading, "rule does not apply in this mode")
    seen = baseline.seen(trace, trend, stretch)
    if seen is None:
        return []
    if seen.beyond:
        return _beyond(window, trend, seen, reading, late=late)
    if entry is None or late:
        return []
    return _less(window, trend, trace, stretch, entry, seen, reading)


def _beyond(
    window: Window, trend: Trend, seen: Seen, reading: Reading, *, late: bool
) -> list[Finding]:
    entry = window.entries.get(trend.key)
    findings: list[Finding] = []
    if entry is None:
        entry = Entry(trend.watched, trend.side.alert_key, reading.effective, code=reading.code)
        window.entries[trend.key] = entry
    level = trend.level
    if level.key not in entry.since:
        if entry.priority is not None and not late:
            # The first fall has become the baseline: this is another one.
            findings += _finding("ended", trend, entry, seen, reading, "another change follows")
            entry.priority = None
        entry.since[level.key] = reading.effective
        entry.reference = seen.reference
    entry.last = max(entry.last, reading.effective)
    if (entry.last - entry.since[level.key]).total_seconds() < level.sustained:
        return findings
    new = entry.priority is None or more_urgent(level.priority, entry.priority)
    entry.priority = level.priority
    entry.device, entry.evidence = reading.device, reading.observation
    entry.simulated = reading.simulated
    reason = "changed against its baseline" if trend.change.baseline else "changed over time"
    what: What = "breached" if new else "still-breached"
    return findings + _finding(what, trend, entry, seen, reading, reason)


def _less(
    window: Window,
    trend: Trend,
    trace: Trace,
    stretch: int,
    entry: Entry,
    seen: Seen,
    reading: Reading,
) -> list[Finding]:
    """Judge whether a change is over: the value is back, or what it went to has settled."""
    if entry.priority is None:
        del window.entries[trend.key]
        return []
    if seen.over:
        entry.since.clear()
    now = mean_of(trace.means(0, stretch - _RECENT + 1, stretch))
    if now is None or entry.reference is None:
        return []
    if trend.change.baseline is None:
        return _ended(window, trend, entry, reading, "no longer changing") if seen.over else []
    sign = -1.0 if trend.change.by < 0 else 1.0
    left = sign * (now - entry.reference)
    if left >= abs(float(trend.change.by)) - float(trend.level.hysteresis):
        return []
    return _ended(window, trend, entry, reading, "back at its baseline")


def _ended(
    window: Window, trend: Trend, entry: Entry, reading: Reading, reason: str
) -> list[Finding]:
    if reading.effective <= entry.last:
        return []
    del window.entries[trend.key]
    window.changed = True
    if entry.priority is None or window.raises(entry.alert_key):
        return []
    return _finding("ended", trend, entry, None, reading, reason)


def _finding(
    what: What, trend: Trend, entry: Entry, seen: Seen | None, reading: Reading, reason: str
) -> list[Finding]:
    detail = {
        "reason": reason,
        "parameter": trend.watched,
        "side": trend.side.side,
        "limit": str(trend.change.by),
        "window": trend.change.window,
        "effective": reading.effective.isoformat(),
    }
    if seen is not None:
        detail |= {"change": round(seen.change, 1), "reference": round(seen.reference, 1)}
    return [
        finding_of(
            what,
            reading,
            key=trend.side.alert_key,
            code=trend.code,
            system=trend.system,
            display=trend.side.display,
            priority=entry.priority or trend.level.priority,
            level=trend.level,
            side=trend.side,
            detail=detail,
        )
    ]


def _suppressed(trend: Trend, reading: Reading) -> bool:
    mode = reading.mode
    if mode is None or mode == "TX":
        return False
    if trend.in_circuit:
        return mode not in trend.level.modes
    return bool(trend.level.modes) and mode not in trend.level.modes
