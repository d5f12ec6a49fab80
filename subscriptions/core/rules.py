"""How rules become the set that is in force for one patient.

`compile_rules` merges a patient's own rules and the defaults into a `RuleSet`: for every parameter
two ladders of `Level`s, one below and one above, and the changes that are watched over time. How
rules combine:

- Limits are inclusive; a breach lies outside.
- All of a patient's own active rules hold at once, so the tightest speaks first.
- A patient rule adds a level. It replaces the default limit of its side only where it is looser
  and holds in every mode of operation in which the default does, and only down to the default's hard
  floor. Beyond the floor it is ignored and recorded as a
  problem, unless two people have signed it. A rule's own floor counts where it is tighter.
- A change watched by default stays watched whatever else is written, unless two people have signed
  a rule on the change of the same parameter in the same direction.
- Without an own rule the defaults hold, never nothing.
- A machine's own limit counts where nobody ordered a limit for that side, and only where it is
  tighter than the default one and its floor.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from fhirserver.kernel.canonical import ALERT_CODES, MDC
from subscriptions.core.alert import Family
from subscriptions.core.baseline import stretch_seconds, stretches
from subscriptions.core.constants import PLAUSIBLE
from subscriptions.core.dry_weight import weighed
from subscriptions.core.event_codes import OWN_CODES
from subscriptions.core.parameters import BLOOD_FLOW, BY_CODE, Parameter
from subscriptions.core.rule import (
    CODE_OF_SIDE,
    DryWeight,
    Interval,
    Level,
    Rule,
    RuleSet,
    Side,
    SideWatch,
    Trend,
    Watch,
)

_LOWEST: Final = Decimal("-Infinity")
_HIGHEST: Final = Decimal("Infinity")


def compile_rules(
    own: Sequence[Rule], defaults: Sequence[Rule], now: datetime, weight: DryWeight | None = None
) -> RuleSet:
    """Return the rules in force at `now` for a patient with `own` rules over the `defaults`.

    Among `own` are the limits of the machines the patient uses. Without a dry `weight` no limit is
    made of those that are for a kilogram.
    """
    own, defaults = list(weighed(own, weight)), list(weighed(defaults, weight))
    machine = [rule for rule in own if rule.announced is not None and rule.active(now)]
    active_own = [rule for rule in own if rule.announced is None and rule.active(now)]
    active_defaults = [rule for rule in defaults if rule.active(now)]
    both = (*active_defaults, *active_own)
    trends = _trends(active_own, active_defaults)
    intervals = _intervals(both)
    problems: list[str] = []
    watches: dict[str, Watch] = {}
    for name in dict.fromkeys(rule.parameter for rule in (*both, *machine)):
        mine = [rule for rule in active_own if rule.parameter == name]
        theirs = [rule for rule in active_defaults if rule.parameter == name]
        its = [rule for rule in machine if rule.parameter == name]
        watch = replace(watch_of(name, mine, theirs, problems, its), interval=intervals.get(name))
        for rule in (*mine, *theirs, *its):
            watches.update(dict.fromkeys(rule.codes, watch))
    for codes, companion in (*_companions(both), *flow_of(machine)):
        for code in codes:
            watches.setdefault(code, companion)
    return RuleSet(
        _fed(watches, trends),
        tuple(problems),
        next_boundary((*own, *defaults), now),
        frozenset(rule.source for rule in both) | counting(watches.values()),
        trends,
        intervals,
        limited(watches.values()),
    )


def watch_of(
    name: str,
    own: list[Rule],
    defaults: list[Rule],
    problems: list[str],
    machine: Sequence[Rule] = (),
) -> Watch:
    """Return the watch over parameter `name`; what is wrong with `own` rules is added to `problems`."""
    first = (*own, *defaults, *machine)[0]
    low = _side("low", own, defaults, problems, machine)
    high = _side("high", own, defaults, problems, machine)
    plausible = PLAUSIBLE.get(name)
    parameter = BY_CODE.get(first.codes[0])
    return Watch(
        parameter=name,
        display=first.display,
        unit=first.unit,
        calm_low=max((level.bound for level in low.levels), default=_LOWEST),
        calm_high=min((level.bound for level in high.levels), default=_HIGHEST),
        plausible_low=_LOWEST if plausible is None else plausible.low,
        plausible_high=_HIGHEST if plausible is None else plausible.high,
        in_circuit=parameter is not None and parameter.in_circuit,
        low=low,
        high=high,
    )


def _side(
    side: Side,
    own: list[Rule],
    defaults: list[Rule],
    problems: list[str],
    machine: Sequence[Rule],
) -> SideWatch:
    floors = [bound for rule in defaults if (bound := rule.floor(side)) is not None]
    floor = None if not floors else (max(floors) if side == "low" else min(floors))
    accepted: list[Rule] = []
    for rule in own:
        bound = rule.limit(side)
        if bound is None and rule.floor(side) is None:
            continue
        beyond = bound is not None and floor is not None and _looser(side, bound, floor)
        if beyond and not rule.signed:
            problems.append(
                f"{rule.version} rule {rule.id}: {side} limit {bound} {rule.unit} is beyond the "
                f"hard floor {floor} {rule.unit}; the default limit stays in force"
            )
            continue
        accepted.append(rule)
    own_limits = [bound for rule in accepted if (bound := rule.limit(side)) is not None]
    levels = [level for rule in accepted for level in _levels(side, rule)]
    for rule in defaults:
        bound = rule.limit(side)
        instead = [one for one in accepted if _wherever(one, rule)]
        replaced = (
            bound is not None
            and any(one.limit(side) is not None for one in instead)
            and all(_looser(side, limit, bound) for limit in own_limits)
        )
        waived = floor is not None and any(
            rule.signed and _looser(side, limit, floor)
            for rule in accepted
            if (limit := rule.limit(side)) is not None
        )
        levels += [
            level for level in _levels(side, rule) if (not waived if level.floor else not replaced)
        ]
    if not own_limits:
        levels += _machine_levels(side, machine, defaults)
    family = _family(side, [*accepted, *defaults, *machine] or own)
    name = (*own, *defaults, *machine)[0].parameter
    display = (*own, *defaults, *machine)[0].display
    return SideWatch(
        side=side,
        levels=tuple(levels),
        alert_key=family if family in ("hypotension", "hypertension") else f"{name}:{side}",
        family=family,
        display=f"{display} {side}",
    )


def _machine_levels(
    side: Side, machine: Iterable[Rule], defaults: Sequence[Rule]
) -> Iterator[Level]:
    """Yield what machines limit tighter than the defaults, eased as these are."""
    both = [(rule.limit(side), rule.floor(side)) for rule in defaults]
    known = [bound for pair in both for bound in pair if bound is not None]
    eased = max((rule.hysteresis for rule in defaults), default=Decimal(0))
    for rule in machine:
        bound = rule.limit(side)
        if bound is not None and all(_looser(side, other, bound) for other in known):
            yield from _levels(side, replace(rule, hysteresis=eased))


def counting(watches: Iterable[Watch]) -> frozenset[str]:
    """Return the DeviceMetrics whose limits count."""
    return frozenset(level.source for level in _announced(watches))


def limited(watches: Iterable[Watch]) -> dict[str, datetime]:
    """Return when the machines whose limits count announced them."""
    told = [level.announced for level in _announced(watches) if level.announced is not None]
    return {one.device: one.at for one in told}


def _announced(watches: Iterable[Watch]) -> Iterator[Level]:
    for watch in watches:
        for level in (*watch.low.levels, *watch.high.levels):
            if level.announced is not None:
                yield level


def _levels(side: Side, rule: Rule) -> list[Level]:
    levels: list[Level] = []
    bound = rule.limit(side)
    if bound is not None:
        levels.append(
            Level(
                key=f"{rule.source}#{rule.id}",
                bound=bound,
                priority=rule.priority,
                sustained=rule.sustained,
                hysteresis=rule.hysteresis,
                modes=rule.modes,
                reread=rule.reread,
                floor=False,
                source=rule.source,
                version=rule.version,
                announced=rule.announced,
                weighed=rule.weighed if side == "high" else None,
            )
        )
    floor = rule.floor(side)
    if floor is not None:
        levels.append(
            Level(
                key=f"{rule.source}#{rule.id}!",
                bound=floor,
                priority="PH",
                sustained=0.0,
                hysteresis=rule.hysteresis,
                modes=rule.modes,
                reread=False,
                floor=True,
                source=rule.source,
                version=rule.version,
            )
        )
    return levels


def _wherever(own: Rule, default: Rule) -> bool:
    """Return whether `own` holds in every mode of operation in which `default` does."""
    return not own.modes or (bool(default.modes) and set(default.modes) <= set(own.modes))


def _looser(side: Side, bound: Decimal, than: Decimal) -> bool:
    return bound < than if side == "low" else bound > than


def _family(side: Side, rules: Iterable[Rule]) -> Family:
    for rule in rules:
        if rule.family is not None and (
            rule.limit(side) is not None or rule.floor(side) is not None
        ):
            return rule.family
    for rule in rules:
        parameter = BY_CODE.get(rule.codes[0])
        if parameter is not None:
            return parameter.low if side == "low" else parameter.high
    return "other"


def next_boundary(rules: Iterable[Rule], now: datetime) -> datetime | None:
    """Return when the next of `rules` begins or ends to hold."""
    moments = (moment for rule in rules for moment in (rule.starts, rule.ends))
    return min((moment for moment in moments if moment is not None and moment > now), default=None)


def _trends(own: Sequence[Rule], defaults: Sequence[Rule]) -> dict[str, Trend]:
    """Return the changes that are watched, by key."""
    waived = {
        (rule.parameter, rule.change.side)
        for rule in own
        if rule.signed and rule.change is not None
    }
    kept = [
        rule
        for rule in defaults
        if rule.change is not None and (rule.parameter, rule.change.side) not in waived
    ]
    trends = [_trend(rule) for rule in (*own, *kept) if rule.change is not None]
    return {trend.key: trend for trend in trends}


def _trend(rule: Rule) -> Trend:
    change = rule.change
    assert change is not None
    side = change.side
    parameter = BY_CODE.get(rule.codes[0])
    key = f"{rule.parameter}:change:{rule.source}#{rule.id}"
    companions = [one.parameter for one in (change.steady, change.shared) if one is not None]
    level = Level(
        key=f"{rule.source}#{rule.id}",
        bound=change.by,
        priority=rule.priority,
        sustained=rule.sustained,
        hysteresis=rule.hysteresis,
        modes=rule.modes,
        reread=False,
        floor=False,
        source=rule.source,
        version=rule.version,
    )
    return Trend(
        key=key,
        watched=rule.parameter,
        columns=(rule.parameter, *companions),
        change=change,
        level=level,
        side=SideWatch(
            side=side,
            levels=(level,),
            alert_key=f"{rule.parameter}:change:{side}" if rule.alert is None else rule.alert,
            family=_changing(rule, side),
            display=f"{rule.display} {'fell' if side == 'low' else 'rose'}"
            if rule.alert is None
            else OWN_CODES[rule.alert].display,
        ),
        system=MDC if rule.alert is None else ALERT_CODES,
        code=CODE_OF_SIDE[side] if rule.alert is None else rule.alert,
        in_circuit=parameter is not None and parameter.in_circuit,
        stretch=stretch_seconds(change),
        remembered=stretches(change),
    )


def _changing(rule: Rule, side: Side) -> Family:
    parameter = BY_CODE.get(rule.codes[0])
    if rule.family is not None or parameter is None:
        return rule.family or "other"
    return parameter.low if side == "low" else parameter.high


def _companions(rules: Iterable[Rule]) -> Iterator[tuple[tuple[str, ...], Watch]]:
    """Return watches without limits for what is only looked at beside something else."""
    for rule in rules:
        if rule.change is None:
            continue
        for companion in (rule.change.steady, rule.change.shared):
            known = None if companion is None else BY_CODE.get(companion.codes[0])
            if known is not None:
                yield known.codes, watch_of(known.name, [], [_bare(rule, known)], [])


def flow_of(machine: Sequence[Rule]) -> Iterator[tuple[tuple[str, ...], Watch]]:
    """Return the watch over the blood flow that machines' own limits are judged beside."""
    for rule in machine[:1]:
        flow = BY_CODE[BLOOD_FLOW]
        yield flow.codes, watch_of(flow.name, [], [_bare(rule, flow)], [])


def _bare(rule: Rule, parameter: Parameter) -> Rule:
    """Return a rule of `rule`'s origin that limits nothing about `parameter`."""
    return replace(
        rule,
        id=f"{rule.id}-{parameter.name}",
        parameter=parameter.name,
        display=parameter.display,
        codes=parameter.codes,
        unit=parameter.unit,
        low=None,
        high=None,
        floor_low=None,
        floor_high=None,
        change=None,
        interval=None,
        alert=None,
        family=None,
    )


def _fed(watches: Mapping[str, Watch], trends: Mapping[str, Trend]) -> dict[str, Watch]:
    """Return `watches`, each knowing which trends remember its values."""
    feeds = feeds_of(trends)
    done: dict[str, Watch] = {}
    for watch in watches.values():
        if watch.parameter not in done:
            done[watch.parameter] = replace(watch, feeds=feeds.get(watch.parameter, ()))
    return {code: done[watch.parameter] for code, watch in watches.items()}


def feeds_of(trends: Mapping[str, Trend]) -> dict[str, tuple[tuple[str, int], ...]]:
    """Return by parameter the keys and columns of the `trends` that remember its values."""
    feeds: dict[str, tuple[tuple[str, int], ...]] = {}
    for trend in trends.values():
        for column, parameter in enumerate(trend.columns):
            feeds[parameter] = (*feeds.get(parameter, ()), (trend.key, column))
    return feeds


def _intervals(rules: Iterable[Rule]) -> dict[str, Interval]:
    """Return the shortest interval each parameter is to be measured at."""
    shortest: dict[str, Interval] = {}
    for rule in rules:
        known = shortest.get(rule.parameter)
        if rule.interval is not None and (known is None or rule.interval < known.seconds):
            shortest[rule.parameter] = Interval(
                rule.parameter, rule.display, rule.interval, rule.source, rule.version
            )
    return shortest
