"""Rules and the set of them that is in force for one patient.

A `Rule` is what a clinician or the default set wrote. `compile_rules` merges a patient's own rules
with the defaults into a `RuleSet`: for every parameter two ladders of `Level`s, one below and one
above, so that judging a reading is a few comparisons. How rules combine:

- Limits are inclusive; a breach lies outside.
- All of a patient's own active rules hold at once, so the tightest speaks first.
- A patient rule adds a level. It replaces the default limit of its side only where it is looser,
  and only down to the default's hard floor; beyond the floor it is ignored and recorded as a
  problem. Floors always stay, and a rule's own floor counts where it is tighter.
- Without an own rule the defaults hold, never nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

from fhirserver.kernel.readings import Mode, Priority
from subscriptions.core.alert import Family
from subscriptions.core.constants import PLAUSIBLE
from subscriptions.core.parameters import BY_CODE

Side = Literal["low", "high"]

_LOWEST: Final = Decimal("-Infinity")
_HIGHEST: Final = Decimal("Infinity")

# MDC event codes for a value below or above its limit.
CODE_OF_SIDE: Final[dict[Side, str]] = {"low": "196670", "high": "196648"}


@dataclass(frozen=True, slots=True)
class Rule:
    """One monitoring rule as written. Bounds in `unit` (UCUM), `sustained` in seconds.

    `source` is who wrote it (``ServiceRequest/x`` or a canonical URL), `version` the exact version.
    `family` None means the parameter's own. `modes` empty means any mode.
    """

    id: str
    parameter: str
    display: str
    codes: tuple[str, ...]
    unit: str
    low: Decimal | None
    high: Decimal | None
    floor_low: Decimal | None
    floor_high: Decimal | None
    sustained: float
    hysteresis: Decimal
    priority: Priority
    modes: tuple[Mode, ...]
    reread: bool
    family: Family | None
    starts: datetime | None
    ends: datetime | None
    source: str
    version: str

    def active(self, now: datetime) -> bool:
        """Return whether `now` lies in the rule's period."""
        return (self.starts is None or self.starts <= now) and (
            self.ends is None or now < self.ends
        )

    def limit(self, side: Side) -> Decimal | None:
        """Return the limit on `side`, None when the rule has none there."""
        return self.low if side == "low" else self.high

    def floor(self, side: Side) -> Decimal | None:
        """Return the hard floor (or ceiling) on `side`, None when the rule has none there."""
        return self.floor_low if side == "low" else self.floor_high


@dataclass(frozen=True, slots=True)
class Level:
    """One bound of one side. `floor` True: beyond it PH on the first plausible reading."""

    key: str
    bound: Decimal
    priority: Priority
    sustained: float
    hysteresis: Decimal
    modes: tuple[Mode, ...]
    reread: bool
    floor: bool
    source: str
    version: str


@dataclass(frozen=True, slots=True)
class SideWatch:
    """The levels of one side, and what an alert of this side is about.

    `alert_key`: one open alert per patient and key; all blood pressures share one key per
    direction, so that systolic and mean falling together are one alert.
    """

    side: Side
    levels: tuple[Level, ...]
    alert_key: str
    family: Family
    display: str


@dataclass(frozen=True, slots=True)
class Watch:
    """Everything watched about one parameter.

    Between `calm_low` and `calm_high` nothing is wrong.
    """

    parameter: str
    display: str
    unit: str
    calm_low: Decimal
    calm_high: Decimal
    plausible_low: Decimal
    plausible_high: Decimal
    in_circuit: bool
    low: SideWatch
    high: SideWatch


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules in force for one patient until `valid_until` (None: until a rule changes)."""

    watches: dict[str, Watch]
    problems: tuple[str, ...] = ()
    valid_until: datetime | None = None
    sources: frozenset[str] = field(default_factory=frozenset)


def compile_rules(own: Sequence[Rule], defaults: Sequence[Rule], now: datetime) -> RuleSet:
    """Return the rules in force at `now` for a patient with `own` rules over the `defaults`."""
    active_own = [rule for rule in own if rule.active(now)]
    active_defaults = [rule for rule in defaults if rule.active(now)]
    names = dict.fromkeys(rule.parameter for rule in (*active_defaults, *active_own))
    problems: list[str] = []
    watches: dict[str, Watch] = {}
    for name in names:
        mine = [rule for rule in active_own if rule.parameter == name]
        theirs = [rule for rule in active_defaults if rule.parameter == name]
        watch = _watch(name, mine, theirs, problems)
        for rule in (*mine, *theirs):
            watches.update(dict.fromkeys(rule.codes, watch))
    return RuleSet(
        watches,
        tuple(problems),
        _next_boundary((*own, *defaults), now),
        frozenset(rule.source for rule in (*active_own, *active_defaults)),
    )


def _watch(name: str, own: list[Rule], defaults: list[Rule], problems: list[str]) -> Watch:
    first = (own or defaults)[0]
    low = _side("low", own, defaults, problems)
    high = _side("high", own, defaults, problems)
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


def _side(side: Side, own: list[Rule], defaults: list[Rule], problems: list[str]) -> SideWatch:
    floors = [bound for rule in defaults if (bound := rule.floor(side)) is not None]
    floor = None if not floors else (max(floors) if side == "low" else min(floors))
    accepted: list[Rule] = []
    for rule in own:
        bound = rule.limit(side)
        if bound is None and rule.floor(side) is None:
            continue
        if bound is not None and floor is not None and _looser(side, bound, floor):
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
        replaced = (
            bound is not None
            and bool(own_limits)
            and all(_looser(side, limit, bound) for limit in own_limits)
        )
        levels += [level for level in _levels(side, rule) if level.floor or not replaced]
    family = _family(side, [*accepted, *defaults] or [*own, *defaults])
    name = (own or defaults)[0].parameter
    display = (own or defaults)[0].display
    return SideWatch(
        side=side,
        levels=tuple(levels),
        alert_key=family if family in ("hypotension", "hypertension") else f"{name}:{side}",
        family=family,
        display=f"{display} {side}",
    )


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


def _next_boundary(rules: Iterable[Rule], now: datetime) -> datetime | None:
    moments = (moment for rule in rules for moment in (rule.starts, rule.ends))
    return min((moment for moment in moments if moment is not None and moment > now), default=None)
