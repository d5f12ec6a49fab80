"""What evaluation found: the vocabulary between judging a reading and deciding about an alert."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from fhirserver.kernel.canonical import ALERT_CODES
from fhirserver.kernel.readings import Priority, Reading
from subscriptions.core.alert import Family, Kind
from subscriptions.core.event_codes import EventCode
from subscriptions.core.rule import Level, SideWatch

What = Literal["breached", "still-breached", "ended", "kept-alive", "went-stale"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing noticed about a patient or a device.

    `what`: ``breached`` is a new crossing or a higher priority, ``still-breached`` a further sample
    of the same one. `at` is when it happened by the device, `age` how old that was on receipt
    (seconds). `live` True lifts the age rules (an event whose state is active, a silence noticed
    now). `damped` False for machine events: every crossing counts. `evidence` is a reference to the
    Observation, `detail` what a person asking why will want to see. `worse`: further out of limits,
    by more than the hysteresis, than anything told of this crossing before.
    """

    what: What
    key: str
    patient: str | None
    device: str | None
    system: str
    code: str
    display: str
    kind: Kind
    family: Family
    priority: Priority
    at: datetime
    age: float
    bound: bool
    live: bool
    damped: bool
    rule: str | None
    rule_version: str | None
    evidence: str | None
    simulated: bool
    detail: Mapping[str, Any] = field(default_factory=dict)
    worse: bool = False


def finding_of(  # noqa: PLR0913 - every part of a finding, named at each call
    what: What,
    reading: Reading,
    *,
    key: str,
    code: str,
    system: str,
    display: str,
    priority: Priority,
    level: Level | None = None,
    side: SideWatch | None = None,
    worse: bool = False,
    detail: dict[str, Any],
) -> Finding:
    """Return the finding of one reading; without a `side` it is about the reading's credibility."""
    evidence = reading.observation
    return Finding(
        what=what,
        key=key,
        patient=reading.patient,
        device=reading.device or None,
        system=system,
        code=code,
        display=display,
        kind="technical" if side is None else "physiological",
        family="credibility" if side is None else side.family,
        priority=priority,
        at=reading.effective,
        age=reading.age,
        bound=reading.bound,
        live=False,
        damped=True,
        rule=None if level is None else level.source,
        rule_version=None if level is None else level.version,
        evidence=evidence if "/" in evidence or not evidence else f"Observation/{evidence}",
        simulated=reading.simulated,
        detail=detail,
        worse=worse,
    )


def own_finding(  # noqa: PLR0913 - as above
    what: What,
    code: EventCode,
    *,
    key: str,
    patient: str | None,
    device: str | None,
    priority: Priority,
    at: datetime,
    simulated: bool,
    detail: Mapping[str, Any],
    display: str | None = None,
    bound: bool = True,
    live: bool = True,
    damped: bool = True,
    rule: tuple[str, str] | None = None,
    evidence: str | None = None,
) -> Finding:
    """Return a finding of the server itself under a code of ours: true now, whatever its `at`.

    `display` in place of the code's own, `rule` as source and version, `evidence` as a reference.
    """
    source, version = (None, None) if rule is None else rule
    return Finding(
        what=what,
        key=key,
        patient=patient,
        device=device,
        system=ALERT_CODES,
        code=code.code,
        display=display or code.display,
        kind=code.kind,
        family=code.family,
        priority=priority,
        at=at,
        age=0.0,
        bound=bound,
        live=live,
        damped=damped,
        rule=source,
        rule_version=version,
        evidence=evidence,
        simulated=simulated,
        detail=detail,
    )
