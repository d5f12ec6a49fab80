"""What a rule is, as it was written and as it is in force: values without behaviour.

`Rule` is what a clinician or the default set says. `RuleSet` is what holds for one
patient at one moment, compiled so that judging a reading is a few comparisons. How one becomes the
other: `subscriptions.core.rules`.
"""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

from fhirserver.kernel.readings import Mode, Priority
from subscriptions.core.alert import Family

Side = Literal["low", "high"]

# MDC event codes for a value below or above its limit.
CODE_OF_SIDE: Final[dict[Side, str]] = {"low": "196670", "high": "196648"}


@dataclass(frozen=True, slots=True)
class Companion:
    """A second quantity a change is judged beside.

    As `steady`: only times at which it differs by at most `within` are compared, and `effect` is
    what one unit of it adds to the watched quantity. As `shared`: a change that is seen in it at
    the same time, beyond `within`, is not counted; `effect` is what one unit of the steady
    quantity adds to it.
    """

    parameter: str
    codes: tuple[str, ...]
    within: Decimal
    effect: Decimal


@dataclass(frozen=True, slots=True)
class Change:
    """A change that is an alert: by at least `by` (a fall is negative) within `window` seconds.

    `per_minute` True: `by` is a rate. `baseline` seconds: not the window's beginning but the
    rolling median of what was before is what it is compared with.
    """

    by: Decimal
    window: float
    baseline: float | None = None
    per_minute: bool = False
    steady: Companion | None = None
    shared: Companion | None = None

    @property
    def side(self) -> Side:
        """Return the side it goes to."""
        return "low" if self.by < 0 else "high"


@dataclass(frozen=True, slots=True)
class DryWeight:
    """The weight (kg) a patient's treatment plan aims at, and the version of the Goal that says so."""

    kilograms: Decimal
    version: str


@dataclass(frozen=True, slots=True)
class Announced:
    """A machine's own limit: which Device said when that it has it. It speaks of that Device's values only."""

    device: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Rule:
    """One monitoring rule as written. Bounds in `unit` (UCUM), `sustained` in seconds.

    `source` is who wrote it (``ServiceRequest/x`` or a canonical URL), `version` the
    exact version. `family` None means the parameter's own. `modes` empty means any
    mode. `change` is watched over time. `interval`: how often (seconds) the parameter is to be
    measured in treatment. `alert`: the code of ours it raises instead of high or low. `signed`: two
    people have signed it, so it may be looser than a safety floor. `announced`: by a machine, None for
    what people wrote. `high_per_weight` is the high limit for each kilogram of dry weight; `weighed` is
    the weight that `high` was made with.
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
    change: Change | None = None
    interval: float | None = None
    alert: str | None = None
    signed: bool = False
    announced: Announced | None = None
    high_per_weight: Decimal | None = None
    weighed: DryWeight | None = None

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
    """One bound of one side. `floor` True: beyond it PH on the first plausible reading.

    `announced`: it is a machine's own limit, None for the others. `weighed`: the dry weight it is
    made with, None where it is not.
    """

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
    announced: Announced | None = None
    weighed: DryWeight | None = None


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

    Between `calm_low` and `calm_high` nothing is wrong. `feeds`: key and column of the trends that
    remember it.
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
    feeds: tuple[tuple[str, int], ...] = ()
    interval: "Interval | None" = None


@dataclass(frozen=True, slots=True)
class Trend:
    """A change that is watched: the rule it comes from, compiled.

    `columns` are the parameters it remembers: the watched one, then the steady, then the shared;
    of each the means of the last `remembered` stretches of `stretch` seconds.
    """

    key: str
    watched: str
    columns: tuple[str, ...]
    change: Change
    level: Level
    side: SideWatch
    system: str
    code: str
    in_circuit: bool
    stretch: float
    remembered: int


@dataclass(frozen=True, slots=True)
class Interval:
    """How often (`seconds`) a parameter is to be measured in treatment, by which rule."""

    parameter: str
    display: str
    seconds: float
    source: str
    version: str


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules in force for one patient until `valid_until` (None: until a rule changes).

    `watches` by code, `trends` by key, `intervals` by parameter; `limited` are the Devices whose own
    limits count, with the time they announced them.
    """

    watches: dict[str, Watch]
    problems: tuple[str, ...] = ()
    valid_until: datetime | None = None
    sources: frozenset[str] = field(default_factory=frozenset)
    trends: dict[str, Trend] = field(default_factory=dict)
    intervals: dict[str, Interval] = field(default_factory=dict)
    limited: dict[str, datetime] = field(default_factory=dict)
