"""A patient at home as a transcript: what was measured, found, and done."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from uuid import UUID

from fhirserver.kernel.readings import DeviceEvent, Mode, Reading
from subscriptions.core.alert import Alert
from subscriptions.core.alerting import Outcome, decide
from subscriptions.core.device_alarm import judge_events
from subscriptions.core.evaluate import evaluate
from subscriptions.core.findings import Finding
from subscriptions.core.overdue import time_passed
from subscriptions.core.rule import Rule, RuleSet
from subscriptions.core.rule_reader import read_defaults
from subscriptions.core.rules import compile_rules
from subscriptions.core.window import Window, decode, encode
from subscriptions.evaluation.rule_book import shipped_plan

START = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)
DEFAULTS = read_defaults(shipped_plan()).rules

SYSTOLIC, DIASTOLIC, MEAN, PULSE = "150021", "150022", "150023", "149546"
VENOUS, ARTERIAL, TMP, UF = "158776", "158744", "158852", "159036"
UNITS = {UF: "mL/h", PULSE: "/min", "150456": "%"}


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def reading(
    code: str,
    value: str | int,
    seconds: float,
    *,
    patient: str = "ann",
    late: float = 0.0,
    mode: Mode | None = "TX",
    bound: bool = True,
    unit: str | None = None,
) -> Reading:
    """A value of `code` taken `seconds` after the start and received `late` seconds later."""
    return Reading(
        patient=patient,
        device=f"machine-{patient}",
        code=code,
        value=Decimal(value),
        unit=unit or UNITS.get(code, "mm[Hg]"),
        effective=at(seconds),
        received=at(seconds + late),
        age=late,
        observation=f"o-{code}-{seconds}",
        mode=mode,
        bound=bound,
        simulated=False,
    )


def event(
    code: str,
    seconds: float,
    *,
    phase: str = "start",
    source: str | None = None,
    patient: str | None = "ann",
    late: float = 0.0,
    priority: str = "PH",
    alarm: str = "a-1",
) -> DeviceEvent:
    return DeviceEvent(
        patient=patient,
        device="machine-ann",
        alarm_id=alarm,
        event=code,
        source=source,
        phase=phase,  # type: ignore[arg-type]  # a literal in every caller
        state="inactive" if phase == "end" else "active",
        activity="enabled",
        priority=priority,
        value=None,
        unit=None,
        effective=at(seconds),
        received=at(seconds + late),
        age=late,
        simulated=False,
    )


def rule(
    parameter: str = "systolic",
    codes: tuple[str, ...] = (SYSTOLIC, "8480-6"),
    *,
    low: int | None = None,
    high: int | None = None,
    floor_low: int | None = None,
    priority: str = "PH",
    sustained: float = 0.0,
    hysteresis: int = 0,
    reread: bool = False,
    id_: str = "own",
    source: str = "ServiceRequest/x",
    starts: datetime | None = None,
    ends: datetime | None = None,
    modes: tuple[Mode, ...] = (),
) -> Rule:
    return Rule(
        id=id_,
        parameter=parameter,
        display="systolic blood pressure",
        codes=codes,
        unit="mm[Hg]",
        low=None if low is None else Decimal(low),
        high=None if high is None else Decimal(high),
        floor_low=None if floor_low is None else Decimal(floor_low),
        floor_high=None,
        sustained=sustained,
        hysteresis=Decimal(hysteresis),
        priority=priority,  # type: ignore[arg-type]  # a literal in every caller
        modes=modes,
        reread=reread,
        family=None,
        starts=starts,
        ends=ends,
        source=source,
        version=f"{source}/_history/3",
    )


@cache
def in_force(own: tuple[Rule, ...], defaults: tuple[Rule, ...]) -> RuleSet:
    """Return the rules compiled once for all tests that use the same."""
    return compile_rules(own, defaults, START)


@dataclass
class World:
    """One patient's window and alerts, driven by readings; survives a restart after every step."""

    own: tuple[Rule, ...] = ()
    defaults: tuple[Rule, ...] = DEFAULTS
    window: Window = field(default_factory=Window)
    alerts: list[Alert] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    made: int = 0

    @property
    def rules(self) -> RuleSet:
        return in_force(self.own, self.defaults)

    @property
    def open(self) -> list[Alert]:
        return [alert for alert in self.alerts if alert.is_open]

    def measure(self, *readings: Reading) -> list[str]:
        """Let readings arrive and return what happened, as ``record priority display``."""
        before = len(self.log)
        for one in readings:
            found = evaluate(self.window, self.rules, [one])
            self.window = decode(encode(self.window))
            self._apply(found, one.received)
        return self.log[before:]

    def hear(self, *events: DeviceEvent) -> list[str]:
        """Let machine events of one batch arrive."""
        before = len(self.log)
        self._apply(judge_events(events), max(one.received for one in events))
        return self.log[before:]

    def wait(self, seconds: float) -> list[str]:
        """Let time pass to `seconds` after the start."""
        before = len(self.log)
        self._apply(time_passed(self.window, self.rules, "ann", at(seconds)), at(seconds))
        return self.log[before:]

    def replace(self, alert: Alert) -> None:
        """Store what somebody else did to an alert."""
        self.alerts = [alert if one.id == alert.id else one for one in self.alerts]

    def _apply(self, findings: list[Finding], now: datetime) -> None:
        for finding in findings:
            self.made += 1
            outcome = decide(finding, self.alerts, tenant=1, new_id=UUID(int=self.made), now=now)
            if outcome is not None:
                self._keep(outcome)

    def _keep(self, outcome: Outcome) -> None:
        alert = outcome.alert
        self.alerts = [one for one in self.alerts if one.id != alert.id] + [alert]
        self.log.append(f"{outcome.record} {alert.priority} {alert.display}")
