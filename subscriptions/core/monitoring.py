"""One patient in virtual time: everything the server decides about them, without a server.

Composed of exactly the functions the edge calls between its reads and its writes, in the same
order: judge readings and machine alarms, note signs of life, let time itself raise what nobody
reports, decide about alerts. Nothing here judges by itself; a difference between this and a running
server is a defect of one of them. Time is what the caller says it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

from fhirserver.kernel.readings import (
    Contact,
    DeviceEvent,
    DeviceFault,
    DeviceLimits,
    FaultKind,
    Reading,
)
from subscriptions.core import (
    device_alarm,
    device_limits,
    device_trouble,
    evaluate,
    life_cycle,
    overdue,
    silence,
)
from subscriptions.core.alert import Alert, more_urgent
from subscriptions.core.alerting import Outcome, decide
from subscriptions.core.constants import (
    KEEP_ALIVE_LOST_AFTER,
    MONITORING_LOST_AFTER,
    SILENT_AFTER,
    STILL_PRESENT_AFTER,
)
from subscriptions.core.device_trouble import Judged, Trouble
from subscriptions.core.findings import Finding
from subscriptions.core.life_cycle import Step, Transition
from subscriptions.core.rule import Rule, RuleSet
from subscriptions.core.rules import compile_rules
from subscriptions.core.silence import Watched
from subscriptions.core.window import Window

_TENANT: Final = 1
_SECOND: Final = timedelta(seconds=1)
_NAMES: Final = UUID("8d0f3a54-6a3e-5a2e-9a39-6f4f6e0b6f11")
_RINGING: Final = frozenset(("raised", "priority-raised", "rang-again"))


@dataclass(frozen=True, slots=True)
class Decided:
    """One thing decided: when, what was found, what it did to an alert.

    `rings`: whether people are called anew because of it. Where an open alert of the same incident
    is at least as urgent, they are being called already.
    """

    at: datetime
    finding: Finding
    outcome: Outcome
    rings: bool


@dataclass(slots=True)
class Monitored:
    """All state of one patient.

    `defaults` are the rules of the default set, `own` those of the patient's orders. Every method
    takes what arrived and when (`now`, never earlier than the call before) and returns what was
    decided, in order.
    """

    patient: str
    defaults: Sequence[Rule]
    own: Sequence[Rule] = ()
    window: Window = field(default_factory=Window)
    alerts: list[Alert] = field(default_factory=list)
    watched: dict[str, Watched] = field(default_factory=dict)
    troubles: dict[tuple[str, FaultKind], Trouble] = field(default_factory=dict)
    limits: dict[str, DeviceLimits] = field(default_factory=dict)
    _kept_alive: dict[UUID, datetime] = field(default_factory=dict)
    _look_at: dict[tuple[str, FaultKind], datetime] = field(default_factory=dict)
    _rules: RuleSet | None = None
    _named: int = 0

    def readings(self, readings: Sequence[Reading], now: datetime) -> list[Decided]:
        """Judge `readings`, committed together, against the rules in force."""
        return self._apply(evaluate.evaluate(self.window, self._in_force(now), readings), now)

    def events(self, events: Sequence[DeviceEvent], now: datetime) -> list[Decided]:
        """Let machine alarms, committed together, raise, keep alive and end their alerts."""
        return self._apply(device_alarm.judge_events(events), now)

    def contact(self, contact: Contact, now: datetime) -> list[Decided]:
        """Note a sign of life, or the goodbye of a device."""
        known = self.watched.get(contact.device)
        self.watched[contact.device] = after = _noted(known, contact, self.patient)
        if known is None or not (known.stage or (known.online and not contact.online)):
            return []
        if contact.online:
            stage = silence.HEARD
        else:
            gone = replace(known, online=False)
            stage = silence.judge_silence(gone, now, known.last_contact)
        return self._silent(replace(after, last_contact=known.last_contact), stage, known, now)

    def faults(self, faults: Sequence[DeviceFault], now: datetime) -> list[Decided]:
        """Note what is wrong with what devices send; what was told ends with a fault of amount 0."""
        decided: list[Decided] = []
        for fault in faults:
            place = (fault.device or fault.address, fault.kind)
            judged = device_trouble.noticed(self.troubles.get(place), fault, now)
            decided += self._troubled(place, judged, now)
        return decided

    def released(self, device: str) -> None:
        """Forget `device`: from now on it belongs to somebody else, or to nobody."""
        self.watched.pop(device, None)
        if self.limits.pop(device, None) is not None:
            self._rules = None

    def limits_announced(self, told: DeviceLimits) -> None:
        """Let the limits of a machine this patient uses count from the next reading on."""
        self.limits[told.device] = told
        self._rules = None

    def rules_changed(self, own: Sequence[Rule]) -> None:
        """Obey the orders `own` from the next reading on."""
        self.own = own
        self._rules = None

    def answered(self, alert: UUID, transition: Transition, by: str, now: datetime) -> Step:
        """Apply what a person or the ladder did to an alert; raises KeyError, Forbidden."""
        place = {one.id: index for index, one in enumerate(self.alerts)}[alert]
        step = life_cycle.respond(self.alerts[place], transition, by, now)
        self.alerts[place] = step.alert
        if not step.alert.is_open:
            self._kept_alive.pop(alert, None)
        return step

    @property
    def due(self) -> datetime | None:
        """Return the first moment at which time itself may raise something, None for never."""
        moments = [self.window.due]
        moments += [_next_silence(watched) for watched in self.watched.values()]
        moments += [
            at + timedelta(seconds=KEEP_ALIVE_LOST_AFTER.value) for at in self._kept_alive.values()
        ]
        moments += self._look_at.values()
        return min((moment for moment in moments if moment is not None), default=None)

    def time_passes(self, now: datetime) -> list[Decided]:
        """Tick as the server does until `now`: at the whole seconds, where anything may be due."""
        decided: list[Decided] = []
        ticked: datetime | None = None
        while (due := self.due) is not None:
            tick = _whole_second(due)
            if ticked is not None and tick <= ticked:
                tick = ticked + _SECOND
            if tick > now:
                break
            decided += self.tick(tick)
            ticked = tick
        return decided

    def tick(self, now: datetime) -> list[Decided]:
        """Raise what time itself raises; the server does so once a second."""
        findings = overdue.time_passed(self.window, self._in_force(now), self.patient, now)
        decided = self._apply(findings, now)
        for watched in list(self.watched.values()):
            stage = silence.judge_silence(watched, now, watched.last_contact)
            decided += self._silent(watched, stage, watched, now)
        for place, look_at in list(self._look_at.items()):
            if look_at <= now:
                judged = device_trouble.judged(self.troubles[place], now)
                decided += self._troubled(place, judged, now)
        return decided + self._apply(self._gone_quiet(now), now)

    def _in_force(self, now: datetime) -> RuleSet:
        rules = self._rules
        if rules is None or (rules.valid_until is not None and rules.valid_until <= now):
            machines = [
                rule
                for told in self.limits.values()
                for rule in device_limits.rules_of(told, [(None, None)])
            ]
            rules = self._rules = compile_rules((*self.own, *machines), self.defaults, now)
        return rules

    def _silent(
        self, watched: Watched, stage: silence.Stage, before: Watched, now: datetime
    ) -> list[Decided]:
        if stage == before.stage:
            return []
        self.watched[watched.device] = replace(self.watched[watched.device], stage=stage)
        return self._apply([silence.silence_finding(watched, stage, now)], now)

    def _troubled(
        self, place: tuple[str, FaultKind], judged: Judged, now: datetime
    ) -> list[Decided]:
        self.troubles.pop(place, None)
        self._look_at.pop(place, None)
        if judged.trouble is not None:
            self.troubles[place] = judged.trouble
            if judged.look_at is not None:
                self._look_at[place] = judged.look_at
        return self._apply(judged.findings, now)

    def _gone_quiet(self, now: datetime) -> list[Finding]:
        before = now - timedelta(seconds=KEEP_ALIVE_LOST_AFTER.value)
        quiet = [
            alert
            for alert in self.alerts
            if alert.is_open
            and alert.condition == "present"
            and self._kept_alive.get(alert.id, now) < before
        ]
        for alert in quiet:
            del self._kept_alive[alert.id]
        return [device_alarm.no_longer_repeated(alert, now) for alert in quiet]

    def _apply(self, findings: Sequence[Finding], now: datetime) -> list[Decided]:
        decided: list[Decided] = []
        lately = now - timedelta(seconds=STILL_PRESENT_AFTER.value)
        for finding in findings:
            known = [one for one in self.alerts if one.closed is None or one.closed > lately]
            outcome = decide(finding, known, tenant=_TENANT, new_id=self._new_id(), now=now)
            if outcome is not None:
                after = outcome.alert
                self.alerts = [one for one in self.alerts if one.id != after.id] + [after]
                decided.append(Decided(now, finding, outcome, _rings(outcome, self.alerts)))
            if not finding.damped:
                self._note_repeats(finding, now)
        return decided

    def _note_repeats(self, finding: Finding, now: datetime) -> None:
        """Note which machine alarms are still being repeated; those that ended need not be."""
        for alert in self.alerts:
            if alert.key != finding.key or not alert.is_open:
                continue
            if finding.what in ("breached", "kept-alive"):
                self._kept_alive[alert.id] = now
            else:
                self._kept_alive.pop(alert.id, None)

    def _new_id(self) -> UUID:
        self._named += 1
        return uuid5(_NAMES, f"{self.patient}/{self._named}")


def _rings(outcome: Outcome, alerts: Sequence[Alert]) -> bool:
    """Return whether the ladder hears of `outcome` as something to ring anew for."""
    alert = outcome.alert
    if outcome.cause not in _RINGING or not alert.pages or not alert.is_open:
        return False
    called_already = outcome.cause == "raised" and any(
        other.incident == alert.incident
        and other.id != alert.id
        and other.is_open
        and other.pages
        and not more_urgent(alert.priority, other.priority)
        for other in alerts
    )
    return alert.priority != "PL" and not called_already


def _whole_second(moment: datetime) -> datetime:
    whole = moment.replace(microsecond=0)
    return whole if whole == moment else whole + _SECOND


def _next_silence(watched: Watched) -> datetime | None:
    """Return when the silence of a device may reach its next stage, at the earliest."""
    if watched.stage == silence.LOST or not silence.expected_to_speak(watched):
        return None
    wait = SILENT_AFTER if watched.stage == silence.HEARD else MONITORING_LOST_AFTER
    return watched.last_contact + timedelta(seconds=wait.value)


def _noted(known: Watched | None, contact: Contact, patient: str) -> Watched:
    if known is None:
        return Watched(
            contact.device,
            patient,
            contact.mode,
            None if contact.mode is None else contact.received,
            contact.received,
            contact.online,
            silence.HEARD,
            contact.simulated,
        )
    return replace(
        known,
        patient=contact.patient or known.patient,
        mode=contact.mode or known.mode,
        mode_at=known.mode_at if contact.mode is None else contact.received,
        last_contact=max(known.last_contact, contact.received)
        if contact.online
        else known.last_contact,
        online=contact.online,
        simulated=contact.simulated,
    )
