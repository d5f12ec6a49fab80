"""The watch over ourselves: what is wrong with the server, and when whoever runs it is told. Pure.

A trouble is told once it has lasted for `TELL_AFTER`, so that a process that was started anew rings
nobody; again every `REPEAT_EVERY` while it lasts; and that it is over once nothing was wrong for
`OVER_AFTER`. Whether the server is *well* has no such patience: heartbeats stop at once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from subscriptions.core.constants import EVALUATION_LATE_AFTER

Ailment = Literal[
    "database-away",
    "broker-away",
    "evaluation-late",
    "api-silent",
    "ingest-silent",
    "engine-silent",
    "deliver-silent",
    "timers-late",
    "sending-late",
    "companies-away",
    "synthetic-missed",
    "alarm-unanswered",
]

# [P] Restarts take a second or two; an operator who is called for each of them stops looking.
TELL_AFTER: Final = timedelta(seconds=10)
# [P] News within this time of the last message waits for it, so that an outage is not ten messages.
TELL_APART: Final = timedelta(seconds=20)
REPEAT_EVERY: Final = timedelta(minutes=5)
OVER_AFTER: Final = timedelta(seconds=20)
# Nobody took the message: tried again this soon.
RETRY_AFTER: Final = timedelta(seconds=15)

# A process tells that it lives every second or two; its silence for this long is its end.
BEAT_LOST_AFTER: Final = timedelta(seconds=8)
# Processes are given this long after the watch began.
START_GRACE: Final = timedelta(seconds=45)
# Timers run every 50 ms and sends begin within 40 ms of being due.
DUE_LATE_AFTER: Final = timedelta(seconds=5)
# The synthetic patient may miss one run; after two somebody looks.
SYNTHETIC_RUNS_MISSED: Final = 2.5

ROLE_AILMENTS: Final[Mapping[str, Ailment]] = {
    "api": "api-silent",
    "ingest": "ingest-silent",
    "engine": "engine-silent",
    "deliver": "deliver-silent",
}

WORDS: Final[Mapping[Ailment, str]] = {
    "database-away": "the database does not answer",
    "broker-away": "the broker does not answer",
    "evaluation-late": "readings wait too long to be evaluated",
    "api-silent": "nothing answers requests",
    "ingest-silent": "nothing takes in what devices send",
    "engine-silent": "nothing watches time: timers, ladders, silence",
    "deliver-silent": "nothing is sent to anybody",
    "timers-late": "timers of ladders are due and not carried out",
    "sending-late": "people are to be told and nothing is sent",
    "companies-away": "no telephone company takes messages",
    "synthetic-missed": "the alarms of the synthetic patient do not arrive",
    "alarm-unanswered": "everyone was told of an alarm and nobody is with the patient",
}
# The server is well, and somebody must act all the same.
_OF_PEOPLE: Final = frozenset(("alarm-unanswered",))


@dataclass(frozen=True, slots=True)
class Measured:
    """What the watchdog could see just now; None where it could not look.

    `lag` is the age of the oldest message of a device that is not evaluated. `beats` are the last signs of
    life by role, None for a role that never gave one; `answers` says whether the API answered (None: not
    asked). `timer_due` and `send_due` are when the oldest work that nobody does was due. `synthetic` is
    when the synthetic patient last got through, `synthetic_every` how often it should (None: switched off).
    `unanswered`: everyone was told of some alarm, and nobody has come. `refused`: telephone companies were
    asked just now, and none took anything.
    """

    database: bool
    broker: bool
    lag: timedelta | None
    beats: Mapping[str, datetime | None]
    answers: bool | None
    timer_due: datetime | None
    send_due: datetime | None
    synthetic: datetime | None
    synthetic_every: timedelta | None
    unanswered: bool = False
    refused: bool = False


def ailments(seen: Measured, began: datetime, now: datetime) -> frozenset[Ailment]:
    """Return what is wrong now, for a watch that `began` then."""
    found: set[Ailment] = set()
    if not seen.database:
        found.add("database-away")
    if not seen.broker:
        found.add("broker-away")
    if seen.lag is not None and seen.lag.total_seconds() > EVALUATION_LATE_AFTER.value:
        found.add("evaluation-late")
    settled = now - began >= START_GRACE
    if seen.database:
        found |= {
            ROLE_AILMENTS[role]
            for role, at in seen.beats.items()
            if role in ROLE_AILMENTS
            and (settled or at is not None)
            and (at is None or now - max(at, began) > BEAT_LOST_AFTER)
        }
    if seen.answers is False and settled:
        found.add("api-silent")
    if _is_late(seen.timer_due, began, now):
        found.add("timers-late")
    if _is_late(seen.send_due, began, now):
        found.add("sending-late")
    if seen.database and seen.synthetic_every is not None:
        last = began if seen.synthetic is None else max(seen.synthetic, began)
        if now - last > seen.synthetic_every * SYNTHETIC_RUNS_MISSED:
            found.add("synthetic-missed")
    if seen.refused:
        found.add("companies-away")
    if seen.unanswered:
        found.add("alarm-unanswered")
    return frozenset(found)


def is_well(seen: Measured, found: Iterable[Ailment]) -> bool:
    """Return whether heartbeats may tell that alarms work: nothing is wrong, and everything could be seen."""
    alive = all(at is not None for role, at in seen.beats.items() if role in ROLE_AILMENTS)
    return not set(found) - _OF_PEOPLE and seen.lag is not None and alive


@dataclass(frozen=True, slots=True)
class Notice:
    """What whoever runs the server is told: ``trouble``, ``still`` (a repetition) or ``over``.

    `ailments` are those told, with when each began.
    """

    kind: Literal["trouble", "still", "over"]
    ailments: tuple[tuple[Ailment, datetime], ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class Vigil:
    """What is wrong since when, what of it was told, and when."""

    since: Mapping[Ailment, datetime] = field(default_factory=dict)
    seen: Mapping[Ailment, datetime] = field(default_factory=dict)
    told: frozenset[Ailment] = frozenset()
    told_at: datetime | None = None


def watched(vigil: Vigil, found: frozenset[Ailment], now: datetime) -> tuple[Vigil, Notice | None]:
    """Return the watch after a look that found `found`, and what is to be told now."""
    seen = {**vigil.seen, **dict.fromkeys(found, now)}
    lasting = {one: at for one, at in seen.items() if now - at < OVER_AFTER}
    since = {one: vigil.since.get(one, now) for one in lasting}
    after = replace(vigil, since=since, seen=lasting)
    if vigil.told and not lasting:
        gone = tuple(sorted((one, vigil.since[one]) for one in vigil.told & vigil.since.keys()))
        return Vigil(), Notice("over", gone, now)
    # Something seen a moment ago and not now may be a flicker: it is no reason to begin, and none to end.
    ripe = frozenset(one for one in found if now - since[one] >= TELL_AFTER)
    news = ripe - vigil.told
    waited = vigil.told_at is None or now - vigil.told_at >= TELL_APART
    if news and waited:
        told = (vigil.told & since.keys()) | ripe
        return replace(after, told=told, told_at=now), _notice("trouble", told, since, now)
    if vigil.told and vigil.told_at is not None and now - vigil.told_at >= REPEAT_EVERY:
        told = (vigil.told & since.keys()) | ripe
        return replace(after, told=told, told_at=now), _notice("still", told, since, now)
    return after, None


def not_taken(before: Vigil, after: Vigil, notice: Notice, now: datetime) -> Vigil:
    """Return the watch after `notice` that nobody took: it is owed again soon."""
    if notice.kind == "over":
        # What is over need not be told for ever; the next trouble is told in any case.
        return after
    waits = TELL_APART if notice.kind == "trouble" else REPEAT_EVERY
    return replace(after, told=before.told, told_at=now + RETRY_AFTER - waits)


def text_of(notice: Notice, server: str) -> str:
    """Return the notice in words for `server` (its URL); nothing in it is about a person."""
    if notice.kind == "over":
        return f"{server}: over since {_clock(notice.at)}: {_listed(notice)}."
    begin = "ALARMS MAY NOT REACH ANYBODY" if notice.kind == "trouble" else "STILL"
    return f"{server}: {begin}: {_listed(notice)}."


def _listed(notice: Notice) -> str:
    return "; ".join(f"{WORDS[one]} (since {_clock(at)})" for one, at in notice.ailments)


def _clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _notice(
    kind: Literal["trouble", "still"],
    told: frozenset[Ailment],
    since: Mapping[Ailment, datetime],
    now: datetime,
) -> Notice:
    return Notice(kind, tuple(sorted((one, since[one]) for one in told)), now)


def _is_late(due: datetime | None, began: datetime, now: datetime) -> bool:
    return due is not None and now - max(due, began) > DUE_LATE_AFTER
