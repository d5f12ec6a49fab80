"""Silence is an alarm: a machine that treats somebody and says nothing.

A bound device that has ever told its mode is expected to speak all the time while it treats; a cuff
that reports twice an hour never told one and is not watched. Devices that were never bound page
nobody.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from fhirserver.kernel.readings import Mode, Priority
from subscriptions.core.constants import (
    GATEWAY_LOST_AFTER,
    INTERVALS_MISSED,
    MODE_KNOWN_FOR,
    MONITORING_LOST_AFTER,
    SILENT_AFTER,
)
from subscriptions.core.event_codes import DEVICE_SILENT
from subscriptions.core.findings import Finding, What, own_finding

# How far a silence has been told: nobody, PM, PH.
Stage = Literal[0, 1, 2]
HEARD: Final[Stage] = 0
SILENT: Final[Stage] = 1
LOST: Final[Stage] = 2


@dataclass(frozen=True, slots=True)
class Watched:
    """What is known of a bound device.

    `mode_at` is when it last told its mode, None if it never did; `every` how many seconds apart it means
    to send, None where it does not say. `unseen`: since when the line of its gateway is lost.
    """

    device: str
    patient: str
    mode: Mode | None
    mode_at: datetime | None
    last_contact: datetime
    online: bool
    stage: Stage
    simulated: bool
    every: float | None = None
    unseen: datetime | None = None

    @property
    def silent_after(self) -> float:
        """Return after how many seconds its silence is told: three of its intervals at least."""
        return max(SILENT_AFTER.value, INTERVALS_MISSED.value * (self.every or 0.0))

    @property
    def lost_after(self) -> float:
        """Return after how many seconds monitoring counts as lost."""
        return self.silent_after + MONITORING_LOST_AFTER.value - SILENT_AFTER.value


def expected_to_speak(watched: Watched) -> bool:
    """Return whether this device treats somebody (an unknown mode counts as treatment)."""
    if watched.mode_at is None:
        return False
    stale = (watched.last_contact - watched.mode_at).total_seconds() > MODE_KNOWN_FOR.value
    return stale or watched.mode is None or watched.mode == "TX"


def judge_silence(watched: Watched, now: datetime, listening_since: datetime) -> Stage:
    """Return the stage the device's silence has reached at `now`.

    `listening_since` is when this server began to hear devices: its own absence is not theirs.
    """
    if not expected_to_speak(watched):
        return watched.stage
    silent_for = (now - max(watched.last_contact, listening_since)).total_seconds()
    if silent_for >= watched.lost_after:
        return LOST
    if (
        silent_for >= watched.silent_after
        or not watched.online
        or _cut_off(watched, now, listening_since)
    ):
        return max(SILENT, watched.stage)
    return watched.stage


def _cut_off(watched: Watched, now: datetime, listening_since: datetime) -> bool:
    """Return whether its gateway has been lost for longer than a moment."""
    if watched.unseen is None:
        return False
    lost_for = (now - max(watched.unseen, listening_since)).total_seconds()
    return lost_for >= GATEWAY_LOST_AFTER.value


def silence_finding(watched: Watched, stage: Stage, now: datetime) -> Finding:
    """Return the finding for a device that reached `stage`; HEARD ends the condition."""
    what: What = "ended" if stage == HEARD else "breached"
    priority: Priority = "PH" if stage == LOST else "PM"
    return own_finding(
        what,
        DEVICE_SILENT,
        key=f"silence:{watched.device}",
        patient=watched.patient,
        device=watched.device,
        priority=priority,
        at=now if stage == HEARD else watched.last_contact,
        simulated=watched.simulated,
        detail={
            "reason": "heard again" if stage == HEARD else "no sign of life",
            "last contact": watched.last_contact.isoformat(),
            "said goodbye": not watched.online,
            "gateway lost": watched.unseen is not None,
        },
        display="monitoring lost" if stage == LOST else None,
    )
