"""From the results of sessions to the figures of the report. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any, Final

from conformance.alarms.intervals import Interval, proportion, rate
from conformance.alarms.result import Result
from conformance.load.percentiles import nearest_rank

# What the project promises to see, and the edges of the curve below and above it, mm[Hg].
PROMISED_DROP: Final = 15.0
EDGES: Final = (3.0, 6.0, 9.0, 12.0, 15.0, 20.0, 25.0, 30.0, 40.0, 60.0)
HUNDRED: Final = 100.0

Json = dict[str, Any]


def figures(results: Sequence[Result]) -> Json:
    """Return every figure of the report as JSON."""
    clean = [one for one in results if one.case.group == "clean"]
    drops = [one for one in results if one.case.group == "drop"]
    access = [one for one in results if one.case.group == "access"]
    events = [one for one in results if one.case.group == "event"]
    slips = [*drops, *access]
    return {
        "sessions": len(results),
        "hours": round(sum(one.hours for one in results), 1),
        "clean": _clean(clean),
        "device_events": _found(events)
        | {
            "scenarios": {
                name: _found([one for one in events if one.case.scenario == name])
                for name in sorted({one.case.scenario for one in events})
            }
        },
        "dislodgement": {
            "promised_drop": PROMISED_DROP,
            "at_least_promised": _found(
                [one for one in slips if one.drop is not None and one.drop >= PROMISED_DROP]
            ),
            "below": _found(
                [one for one in slips if one.drop is not None and one.drop < PROMISED_DROP]
            ),
            "curve": [
                {"from": low, "to": high} | _found(_between(slips, low, high))
                for low, high in pairwise(EDGES)
            ],
            "population": {
                kind: _found([one for one in access if one.access == kind])
                for kind in sorted({one.access for one in access})
            },
        },
        "missed": [_case(one) for one in results if _is_missed(one)],
        "false": [_case(one) for one in clean if one.high],
    }


def _clean(clean: Sequence[Result]) -> Json:
    pages = Counter(
        f"{page.priority} {page.code} {page.reason}" for one in clean for page in one.pages
    )
    high = sum(len(one.high) for one in clean)
    return {
        "sessions": len(clean),
        "hours": round(sum(one.hours for one in clean), 1),
        "false_high_pages": high,
        "false_high_per_100": as_json(_per_hundred(high, len(clean))),
        "pages": sum(len(one.pages) for one in clean),
        "pages_per_session": as_json(rate(sum(len(one.pages) for one in clean), len(clean))),
        "by_reason": dict(pages.most_common()),
    }


def _per_hundred(count: int, sessions: int) -> Interval | None:
    found = rate(count, sessions)
    return None if found is None else found.times(HUNDRED)


def _found(results: Sequence[Result]) -> Json:
    times = sorted(one.after_s for one in results if one.after_s is not None)
    return {
        "sessions": len(results),
        "found": len(times),
        "recall": as_json(proportion(len(times), len(results))),
        "median_s": round(nearest_rank(times, 50), 2) if times else None,
        "p99_s": round(nearest_rank(times, 99), 2) if times else None,
        "max_s": round(times[-1], 2) if times else None,
        "by": dict(Counter(one.by for one in results if one.by is not None).most_common()),
        "pages_per_session": round(sum(len(one.pages) for one in results) / len(results), 2)
        if results
        else None,
    }


def _between(results: Iterable[Result], low: float, high: float) -> list[Result]:
    return [one for one in results if one.drop is not None and low <= one.drop < high]


def _is_missed(one: Result) -> bool:
    if one.after_s is not None or one.case.group == "clean":
        return False
    return one.case.group == "event" or (one.drop is not None and one.drop >= PROMISED_DROP)


def _case(one: Result) -> Json:
    """Return what somebody needs to look at this session again."""
    return {
        "scenario": one.case.scenario,
        "seed": one.case.seed,
        "minutes": one.case.minutes,
        "at_min": one.case.at_min,
        "parameters": dict(one.case.parameters),
        "access": one.access,
        "access_pressure": round(one.access_pressure, 1),
        "drop": None if one.drop is None else round(one.drop, 1),
        "pages": [asdict(page) for page in one.pages],
    }


def as_json(interval: Interval | None) -> Json | None:
    """Return an interval for a report, None for none."""
    if interval is None:
        return None
    return {name: round(value, 4) for name, value in asdict(interval).items()}
