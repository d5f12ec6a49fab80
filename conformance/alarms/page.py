"""Writes the figures of a quality run as a page for people. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

Json = Mapping[str, Any]

UNSEEN: Final = (
    "What cannot be seen without a wetness sensor: a needle that slips out takes away only the "
    "pressure of the access itself. Where that is less than about 15 mm[Hg] (a weak fistula, a "
    "needle that slips half out, an access raised above the heart), nothing that reaches the "
    "machine tells it from a patient who moves an arm, and no rule on pressures finds it reliably; "
    "only a sensor that feels the blood does."
)
_NONE: Final = "-"


def page(figures: Json) -> str:
    """Return `figures` (see `conformance.alarms.figures`) as Markdown."""
    run, clean = figures["run"], figures["clean"]
    slips, events = figures["dislodgement"], figures["device_events"]
    return "\n".join(
        [
            "# Alarm quality",
            "",
            ("Figures are *on our simulator*: seeded people, machines and accidents whose truth is "
            "known (see [simulator.md](simulator.md)), judged by the very functions the server "
            "uses, in virtual time. They show that the rules do what they claim on that model and "
            "how changes move them; they are no clinical evidence."),
            "",
            "```",
            run["command"],
            "```",
            "",
            (f"{figures['sessions']} sessions, {figures['hours']:.0f} hours of treatment, seed "
            f"{run['seed']}, default rules {run['rules']}. The tests of this repository use other "
            "seeds."),
            "",
            "| Promise | Found | Sessions | 95 % interval |",
            "|---|---|---|---|",
            _row("Recall of accidents the machine reports", "100 %", events),
            _row(
                f"Recall of slipped needles, drop of {slips['promised_drop']:g} mm[Hg] and more",
                "100 %",
                slips["at_least_promised"],
            ),
            _false_row(clean),
            "",
            "## Time to alert",
            "",
            ("From the onset of the accident to the first call of high priority, in seconds. An "
            "alarm later than 110 s does not count as found. Machines take some seconds themselves "
            "to be sure; that time is part of the figures."),
            "",
            "| | sessions | found | median | p99 | longest |",
            "|---|---|---|---|---|---|",
            _times("needle slips, promised drop",
                   slips["at_least_promised"]),
            *(_times(name, found) for name, found in events["scenarios"].items()),
            "",
            "## Slipped needles by drop",
            "",
            ("What the machine's own window notices of the larger falls counts as found; the figures "
                "beside this page (JSON) say by which code. "
                "`false` is how often the same rule paged in clean treatments, per 100 sessions of "
            "four hours."),
            "",
            "| drop, mm[Hg] | sessions | found | recall | 95 % interval | median s | false |",
            "|---|---|---|---|---|---|---|",
            *(_curve(one, clean) for one in slips["curve"]),
            "",
            *_population(slips["population"]),
            *_what_if(figures.get("what_if")),
            "## What cannot be seen",
            "",
            UNSEEN,
            "",
            "## Pages",
            "",
            "| | sessions | pages a session |",
            "|---|---|---|",
            f"| clean, four hours | {clean['sessions']} | {_interval(clean['pages_per_session'])} |",
            (f"| slipped needles | {slips['at_least_promised']['sessions']} | "
            f"{slips['at_least_promised']['pages_per_session']} |"),
            (f"| accidents the machine reports | {events['sessions']} | "
            f"{events['pages_per_session']} |"),
            "",
            ("A page is one moment at which people are called anew for an alert; how many telephones "
            "ring is the ladder's affair. Of clean sessions, by reason:"),
            "",
            *(_reasons(clean["by_reason"]) or ["- none"]),
            "",
        ]
    )  # fmt: skip


def _row(promise: str, target: str, found: Json) -> str:
    recall = found["recall"]
    return (
        f"| {promise}: {target} | {_share(recall)} | {found['found']} of {found['sessions']} | "
        f"{_shares(recall)} |"
    )


def _false_row(clean: Json) -> str:
    false = clean["false_high_per_100"]
    return (
        "| False pages of high priority per 100 clean sessions of four hours: below 1 | "
        f"{_number(false)} | {clean['false_high_pages']} in {clean['sessions']} | "
        f"{_numbers(false)} |"
    )


def _times(name: str, found: Json) -> str:
    return (
        f"| {name} | {found['sessions']} | {found['found']} | {_seconds(found['median_s'])} | "
        f"{_seconds(found['p99_s'])} | {_seconds(found['max_s'])} |"
    )


def _curve(one: Json, clean: Json) -> str:
    return (
        f"| {one['from']:g} to {one['to']:g} | {one['sessions']} | {one['found']} | "
        f"{_share(one['recall'])} | {_shares(one['recall'])} | {_seconds(one['median_s'])} | "
        f"{_number(clean['false_high_per_100'])} |"
    )


def _population(population: Json) -> list[str]:
    if not population:
        return []
    rows = [
        f"| {kind} | {found['sessions']} | {found['found']} | {_share(found['recall'])} | "
        f"{_shares(found['recall'])} |"
        for kind, found in population.items()
    ]
    return [
        (
            "Drawn from people as they are (fistula 32.6 +- 23.5, graft 60.9 +- 19.5 mm[Hg] inside the "
            "access), the whole pressure of the access lost:"
        ),
        "",
        "| access | sessions | found | recall | 95 % interval |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ]


def _what_if(variants: Sequence[Json] | None) -> list[str]:
    if not variants:
        return []
    bins = [f"{one['from']:g} to {one['to']:g}" for one in variants[0]["curve"]]
    rows = [
        f"| {one['delta']:g} | {_number(one['false_high_per_100'])} | "
        f"{_numbers(one['false_high_per_100'])} | "
        + " | ".join(_share(part["recall"]) for part in one["curve"])
        + " |"
        for one in variants
    ]
    return [
        "## What another threshold would do",
        "",
        (
            "The same sessions with the rule's fall set to other values: what would be found, by drop "
            "in mm[Hg], and what it would cost in false pages of high priority per 100 clean sessions."
        ),
        "",
        "| fall, mm[Hg] | false | 95 % interval | " + " | ".join(bins) + " |",
        "|---|---|---|" + "---|" * len(bins),
        *rows,
        "",
    ]


def _reasons(reasons: Json) -> list[str]:
    return [f"- {count} x {reason}" for reason, count in reasons.items()]


def _share(interval: Json | None) -> str:
    return _of(interval, lambda share: f"{share * 100:.1f}", " %")


def _shares(interval: Json | None) -> str:
    return _bounds(interval, lambda share: f"{share * 100:.1f}", " %")


def _number(interval: Json | None) -> str:
    return _of(interval, lambda number: f"{number:.2f}")


def _numbers(interval: Json | None) -> str:
    return _bounds(interval, lambda number: f"{number:.2f}")


def _interval(interval: Json | None) -> str:
    if interval is None:
        return _NONE
    return f"{interval['value']:.3f} ({_bounds(interval, lambda number: f'{number:.3f}')})"


def _of(interval: Json | None, form: Callable[[float], str], unit: str = "") -> str:
    return _NONE if interval is None else form(interval["value"]) + unit


def _bounds(interval: Json | None, form: Callable[[float], str], unit: str = "") -> str:
    if interval is None:
        return _NONE
    return f"{form(interval['low'])} to {form(interval['high'])}{unit}"


def _seconds(value: float | None) -> str:
    return _NONE if value is None else f"{value:.1f}"
