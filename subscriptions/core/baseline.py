"""How much a quantity has changed, judged from what a trend remembers.

Against a baseline: the mean of the newest stretches is compared with the rolling median (a little
below it for a fall, for arm movements mostly raise the pressure) of those before, a few stretches
apart so that a change under way is not taken for the baseline. Three things
that are no change of the watched quantity are taken out first: what another quantity explains (a
pump turned down lowers the venous pressure), slow drift upwards, and what is seen in a companion
at the same time (a moved back rest lowers both line pressures). Without a baseline: against the
highest or lowest stretch of the window, or per minute against its oldest.

Rolling median and drift: https://pubmed.ncbi.nlm.nih.gov/24341865/ shows why a fixed window misses
most slipped needles.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import sqrt
from typing import Final

from subscriptions.core import constants as c
from subscriptions.core.rule import Change, Companion, Trend
from subscriptions.core.trace import Trace, mean_of

Means = Sequence[float | None]

_FEWEST: Final = 2
# Compares with no flow there is.
_STOOD: Final = float("inf")


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen at the end of one stretch.

    `change` is the signed change, `reference` what it was measured against, `beyond` whether it is
    as large as the rule says, `over` whether it is clearly smaller.
    """

    change: float
    reference: float
    beyond: bool
    over: bool


def stretch_seconds(change: Change) -> float:
    """Return how long one stretch is."""
    parts = c.STRETCHES_OF_WINDOW if change.baseline is not None else c.STRETCHES_WITHOUT_BASELINE
    return change.window / parts.value


def stretches(change: Change) -> int:
    """Return how many stretches have to be remembered."""
    if change.baseline is None:
        return c.STRETCHES_WITHOUT_BASELINE.value + 1
    # Twice the newest ones: a late sample is judged as of its own time too.
    recent = c.STRETCHES_OF_WINDOW.value
    return _baseline_stretches(change) + c.STRETCHES_APART.value + 2 * recent + 1


def seen(trace: Trace, trend: Trend, stretch: int) -> Seen | None:
    """Return what there was to see at the end of `stretch`; None where too little is known."""
    if trend.change.baseline is None:
        return _within_window(trace, trend, stretch)
    return _against_baseline(trace, trend, stretch)


def _against_baseline(trace: Trace, trend: Trend, stretch: int) -> Seen | None:
    change = trend.change
    size = c.STRETCHES_OF_WINDOW.value
    last = stretch - size - c.STRETCHES_APART.value
    first = last - _baseline_stretches(change) + 1
    baseline = trace.means(0, first, last)
    steady, now = _steadied(trace, change.steady, first, last, stretch)
    if _moving(trace, change.steady, stretch):
        return None
    recent = _levelled(trace, 0, change.steady, stretch, now)
    comparable = _comparable(baseline, steady, now, change.steady)
    if comparable is None:
        return None
    sign = -1.0 if change.by < 0 else 1.0
    reference = _reference(comparable, sign) - sign * _drift(comparable, size, -sign)
    wanted = abs(float(change.by))
    # The mean of fewer samples is noisier by the square root: a larger change needs less time.
    moved = [
        (sign * (mean - reference), wanted * sqrt(size / parts))
        for parts in range(1, size + 1)
        if (mean := mean_of(recent[-parts:])) is not None
    ]
    if recent[-1] is None or not moved:
        return None
    largest = moved[-1][0]
    shared = 0.0
    if max(by for by, _ in moved) >= wanted * c.OVER_BELOW.value:
        shared = _shared(trace, change, first, last, stretch, steady, now)
        largest -= shared
    beyond = any(by - shared >= needed for by, needed in moved)
    return Seen(sign * largest, reference, beyond, largest < wanted * c.OVER_BELOW.value)


def _within_window(trace: Trace, trend: Trend, stretch: int) -> Seen | None:
    change = trend.change
    parts = c.STRETCHES_WITHOUT_BASELINE.value
    means = trace.means(0, stretch - parts, stretch)
    now = means[-1]
    known = [(place, mean) for place, mean in enumerate(means[:-1]) if mean is not None]
    if now is None or not known:
        return None
    wanted = float(change.by)
    sign = -1.0 if wanted < 0 else 1.0
    if change.per_minute:
        place, reference = known[0]
        span = (parts - place) * stretch_seconds(change) / 60.0
        if (parts - place) * 3 < parts * 2:
            return None
        moved = (now - reference) / span
    else:
        reference = (max if sign < 0 else min)(mean for _, mean in known)
        moved = now - reference
    left = sign * moved
    return Seen(moved, reference, left >= abs(wanted), left < abs(wanted) * c.OVER_BELOW.value)


def _steadied(
    trace: Trace, steady: Companion | None, first: int, last: int, stretch: int
) -> tuple[Means, float | None]:
    """Return the steady quantity during the baseline, and now.

    What was before a standstill is unknown: a pump that was stopped may pump through another needle
    position than before.
    """
    if steady is None:
        return (), None
    known = list(trace.means(1, first, stretch))
    for place in range(len(known) - 1, -1, -1):
        value = known[place]
        if value is not None and value < c.FLOWS_FROM.value:
            known[: place + 1] = [_STOOD] * (place + 1)
            break
    return known[: last - first + 1], known[-1]


def _moving(trace: Trace, steady: Companion | None, stretch: int) -> bool:
    """Return whether the steady quantity moved so much in the newest stretch that it must settle.

    A pump that stops in the middle of a stretch leaves a mean of running and standing, and in a
    line that is nearly closed the pressure falls by far more than the flow usually explains.
    """
    if steady is None:
        return False
    before, now = trace.means(1, stretch - 1, stretch)
    return before is not None and now is not None and abs(now - before) > float(steady.within) / 2


def _levelled(
    trace: Trace, column: int, steady: Companion | None, stretch: int, now: float | None
) -> Means:
    """Return the newest stretches of a column as they would be with the steady quantity of now.

    While a pump is turned up the pressure of ten seconds ago belongs to a smaller flow.
    """
    first = stretch - c.STRETCHES_OF_WINDOW.value + 1
    recent = trace.means(column, first, stretch)
    if steady is None or now is None or now == _STOOD:
        return recent
    effect = float(steady.effect)
    return [
        value if value is None or beside is None else value - effect * (beside - now)
        for value, beside in zip(recent, trace.means(1, first, stretch), strict=True)
    ]


def _comparable(
    baseline: Means, steady: Means, now: float | None, companion: Companion | None
) -> list[float] | None:
    """Return the stretches that can be compared with now, None for too few.

    What is unknown never silences a rule: without any value of the steady quantity all of them.
    """
    if companion is None or (now is None and all(value is None for value in steady)):
        found = [value for value in baseline if value is not None]
    elif now is None or now == _STOOD:
        return None
    else:
        within, effect = float(companion.within), float(companion.effect)
        found = [
            value - effect * (beside - now)
            for value, beside in zip(baseline, steady, strict=True)
            if value is not None and beside is not None and abs(beside - now) <= within
        ]
    fewest = max(_FEWEST, round(len(baseline) * c.BASELINE_KNOWN.value))
    return found if len(found) >= fewest else None


def _shared(
    trace: Trace,
    change: Change,
    first: int,
    last: int,
    stretch: int,
    steady: Means,
    now: float | None,
) -> float:
    """Return how much of the change is seen in the companion as well, never below zero."""
    shared = change.shared
    if shared is None:
        return 0.0
    column = 1 if change.steady is None else 2
    effect = float(shared.effect)
    beside_it = None if change.steady is None else replace(change.steady, effect=shared.effect)
    recent = mean_of(_levelled(trace, column, beside_it, stretch, now))
    before = trace.means(column, first, last)
    if steady and now is not None:
        known = [
            value - effect * (beside - now)
            for value, beside in zip(before, steady, strict=True)
            if value is not None and beside is not None and beside != _STOOD
        ]
    else:
        known = [value for value in before if value is not None]
    if recent is None or not known:
        return 0.0
    moved = recent - _median(known)
    also = (-moved if change.by < 0 else moved) - float(shared.within)
    return min(max(0.0, also), c.SHARED_AT_MOST.value)


def _drift(values: Sequence[float], size: int, away: float) -> float:
    """Return how far slow drift in the direction `away` has gone from the baseline's middle to now.

    Only what every part of the baseline shows is drift: an arm held still for a minute and a moved
    back rest are steps. Drift towards the change is left in, the median follows it within minutes.
    """
    parts = c.DRIFT_PARTS.value
    each = len(values) // parts
    if each < _FEWEST:
        return 0.0
    middles = [_median(values[part * each : (part + 1) * each]) for part in range(parts)]
    slowest = min(away * (after - before) for before, after in pairwise(middles)) / each
    apart = len(values) / 2 + c.STRETCHES_APART.value + size / 2
    return min(max(0.0, slowest * apart), c.DRIFT_AT_MOST.value)


def _baseline_stretches(change: Change) -> int:
    assert change.baseline is not None
    return max(_FEWEST, round(change.baseline / stretch_seconds(change)))


def _reference(values: Sequence[float], sign: float) -> float:
    """Return the baseline: a little to the side of the change, where arm movements do not reach."""
    ordered = sorted(values)
    place = int(c.BASELINE_QUANTILE.value * (len(ordered) - 1))
    return ordered[place] if sign < 0 else ordered[-1 - place]


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
