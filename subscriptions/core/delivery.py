"""The delivery of one Subscription, without any I/O: what has happened goes in, what to do comes out.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html and .../errors.html. A cursor is
worked on under a lease; `epoch` grows with every lease, and a result with an older epoch comes from
a worker that was given up on: it changes nothing. The rules:

- ``requested`` is shaken once: success makes it ``active``, failure ``error``;
- ``active`` is sent what it is owed, in order, and heartbeats in between; a failing endpoint is
  tried again with growing pauses for ten minutes, then the Subscription is in ``error``;
- ``error`` and ``off`` are sent nothing; numbering goes on, and only its owner starts it again;
- content that will never be taken is narrowed down to single events, and these are set aside.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from fhirserver.kernel.canonical import TOPIC_DEVICE_ALERT
from subscriptions.core.backoff import (
    LONGEST_DELAY,
    LONGEST_DELAY_TO_A_PERSON,
    gives_up,
    next_delay,
)
from subscriptions.core.timing import BEATS_AGAIN, EDIT_GRACE, LEASE

Status = Literal["requested", "active", "error", "off"]
Errand = Literal["handshake", "heartbeat", "event-notification", "replay"]
Verdict = Literal["try-again", "never-this", "never-here"]

_NO_HANDSHAKE: Final = "the handshake was not answered with success"
_GIVEN_UP: Final = "the endpoint has not answered with success for ten minutes"
_NOBODY_THERE: Final = "the endpoint says that nothing will ever be taken there"
_LAPSED: Final = "not kept any longer"


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far one Subscription has been numbered and delivered, and what is due when.

    `revision` counts the writes of its resource. `managed`: made by the server for a telephone; it
    is verified by a person, and an outage of the company never ends it. `by_socket`: whoever holds
    its socket delivers it, so it is never due. `shakes`: its channel needs a handshake. `batch`: at
    most so many events next time, None for as many as its owner asked for. `replays`: an
    administrator wants events that were set aside sent again.
    """

    status: Status
    topic: str
    managed: bool = False
    by_socket: bool = False
    shakes: bool = True
    revision: int = 0
    heartbeat: timedelta | None = None
    ends: datetime | None = None
    last_number: int = 0
    delivered_through: int = 0
    due_at: datetime | None = None
    lease_until: datetime | None = None
    epoch: int = 0
    failing_since: datetime | None = None
    failures: int = 0
    failure: str | None = None
    last_sent: datetime | None = None
    batch: int | None = None
    replays: bool = False

    @property
    def owed(self) -> int:
        """How many numbered events have not been handed over."""
        return self.last_number - self.delivered_through


# What happens


@dataclass(frozen=True, slots=True)
class Written:
    """Its resource was written: by its owner (``requested``, or started, or ``off``) or by us."""

    status: Status


@dataclass(frozen=True, slots=True)
class Numbered:
    """So many committed events got the next numbers."""

    count: int


@dataclass(frozen=True, slots=True)
class Looked:
    """A worker looks whether there is something to do, and does it if so.

    Without `beats` heartbeats wait: a server whose alarms do not work must be missed.
    """

    beats: bool = True


@dataclass(frozen=True, slots=True)
class Handed:
    """Success: everything up to `through` was taken (nothing new by handshakes and heartbeats).

    `more`: further events wait to be replayed.
    """

    epoch: int
    errand: Errand
    revision: int
    through: int
    more: bool = False


@dataclass(frozen=True, slots=True)
class Missed:
    """Failure of a sending of the events `first` to `last` (None for none); `draw` is in [0, 1).

    `wait`: the receiver asked for this pause. `carried`: how many events it held.
    """

    epoch: int
    errand: Errand
    revision: int
    first: int | None
    last: int | None
    reason: str
    draw: float
    verdict: Verdict = "try-again"
    wait: timedelta = timedelta(0)
    carried: int = 0
    more: bool = False


@dataclass(frozen=True, slots=True)
class Nothing:
    """There was nothing to send after all."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Lapsed:
    """What was owed up to `through` is not kept any more."""

    epoch: int
    through: int


@dataclass(frozen=True, slots=True)
class Rewound:
    """An administrator wants everything from number `since` on sent again."""

    since: int


@dataclass(frozen=True, slots=True)
class Replayed:
    """An administrator wants events that were set aside sent again."""


Event = Written | Numbered | Looked | Handed | Missed | Nothing | Lapsed | Rewound | Replayed


# What to do


@dataclass(frozen=True, slots=True)
class Send:
    """Send: events above `after`, at most `limit` (None: as many as asked for)."""

    errand: Errand
    after: int
    limit: int | None
    epoch: int
    takes_over: bool = False


@dataclass(frozen=True, slots=True)
class Declare:
    """Write this status into the resource, and for ``error`` why."""

    status: Status
    why: str | None = None


@dataclass(frozen=True, slots=True)
class CallOperator:
    """Somebody must look at once: an alarm does not reach who asked for it."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """These events will never be taken: keep them for an administrator."""

    first: int
    last: int
    reason: str


Command = Send | Declare | CallOperator | SetAside
Step = tuple[Cursor, tuple[Command, ...]]


def step(cursor: Cursor, event: Event, now: datetime) -> Step:
    """Return the cursor after `event`, and what is to be done now that it has happened."""
    match event:
        case Written():
            return _written(cursor, event.status, now), ()
        case Numbered():
            return _numbered(cursor, event.count, now), ()
        case Looked():
            return _looked(cursor, now, beats=event.beats)
        case Rewound():
            return _rewound(cursor, event.since, now), ()
        case Replayed():
            return _rested(replace(cursor, replays=True), now), ()
    if cursor.epoch != event.epoch or cursor.lease_until is None:
        return cursor, ()
    return _reported(cursor, event, now)


def _reported(cursor: Cursor, event: Handed | Missed | Nothing | Lapsed, now: datetime) -> Step:
    match event:
        case Handed():
            return _handed(cursor, event, now)
        case Missed():
            return _missed(cursor, event, now)
        case Nothing():
            waits = cursor.managed or cursor.status == "requested"
            return (
                replace(_free(cursor), due_at=None) if waits else _rested(_free(cursor), now)
            ), ()
        case Lapsed():
            aside = SetAside(cursor.delivered_through + 1, event.through, _LAPSED)
            return replace(cursor, delivered_through=event.through), (aside,)


def _free(cursor: Cursor) -> Cursor:
    return replace(cursor, lease_until=None)


def _well(cursor: Cursor) -> Cursor:
    return replace(cursor, failing_since=None, failures=0, failure=None)


def _written(cursor: Cursor, status: Status, now: datetime) -> Cursor:
    after = replace(cursor, status=status, revision=cursor.revision + 1)
    if cursor.lease_until is not None and not (cursor.by_socket or cursor.managed):
        # What hangs must not hold up what it says now.
        after = replace(after, lease_until=min(cursor.lease_until, now + EDIT_GRACE))
    if status in ("error", "off"):
        return replace(after, due_at=None)
    # Whoever starts it, starts it afresh.
    return replace(_rested(_well(after), now), batch=None)


def wakes(status: Status, *, by_socket: bool, is_failing: bool, is_due: bool) -> bool:
    """Return whether a cursor like this is due now that it has more events; failing ones keep their pause.

    That, and the count, is all that numbering changes: so it can be asked without the whole cursor.
    """
    return status == "active" and not by_socket and not (is_failing and is_due)


def _numbered(cursor: Cursor, count: int, now: datetime) -> Cursor:
    after = replace(cursor, last_number=cursor.last_number + count)
    is_woken = wakes(
        cursor.status,
        by_socket=cursor.by_socket,
        is_failing=cursor.failing_since is not None,
        is_due=cursor.due_at is not None,
    )
    return replace(after, due_at=now) if is_woken else after


def _rested(cursor: Cursor, now: datetime) -> Cursor:
    """Return the cursor due when it next has something to do; failing ones keep their pause."""
    if cursor.status not in ("requested", "active") or cursor.by_socket:
        return replace(cursor, due_at=None)
    if cursor.status == "requested":
        return replace(cursor, due_at=now)
    if cursor.failing_since is not None:
        return replace(cursor, due_at=cursor.due_at or now)
    if cursor.owed > 0 or cursor.replays:
        return replace(cursor, due_at=now)
    moments = [cursor.ends] if cursor.ends is not None else []
    if cursor.heartbeat is not None:
        moments.append((cursor.last_sent or now) + cursor.heartbeat)
    return replace(cursor, due_at=min(moments, default=None))


def _looked(cursor: Cursor, now: datetime, *, beats: bool) -> Step:
    if cursor.due_at is None or cursor.due_at > now:
        return cursor, ()
    if cursor.lease_until is not None and cursor.lease_until >= now:
        return cursor, ()
    if cursor.status not in ("requested", "active"):
        return replace(_free(cursor), due_at=None), ()
    if cursor.ends is not None and cursor.ends <= now:
        return replace(_free(cursor), due_at=None), (Declare("off"),)
    if cursor.status == "requested" and not cursor.shakes:
        return replace(_free(cursor), due_at=None), (Declare("active"),)
    errand = _errand(cursor, now)
    if errand is None:
        return _rested(_free(cursor), now), ()
    if errand == "heartbeat" and not beats:
        return replace(_free(cursor), due_at=now + BEATS_AGAIN), ()
    leased = replace(cursor, lease_until=now + LEASE, epoch=cursor.epoch + 1)
    takes_over = cursor.lease_until is not None
    send = Send(errand, cursor.delivered_through, cursor.batch, leased.epoch, takes_over)
    return leased, (send,)


def _errand(cursor: Cursor, now: datetime) -> Errand | None:
    if cursor.status == "requested":
        return "handshake"
    if cursor.replays:
        return "replay"
    if cursor.owed > 0 or cursor.managed:
        return "event-notification"
    if cursor.heartbeat is None:
        return None
    beaten = cursor.last_sent is not None and cursor.last_sent + cursor.heartbeat > now
    return None if beaten else "heartbeat"


def _handed(cursor: Cursor, event: Handed, now: datetime) -> Step:
    after = replace(_free(cursor), last_sent=now)
    if event.errand == "handshake":
        if cursor.status != "requested":
            return _rested(_well(after), now), ()
        if cursor.managed:
            return replace(_well(after), due_at=None), ()
        if event.revision != cursor.revision:
            return _rested(after, now), ()  # what it says now is shaken in its turn
        return replace(_well(after), due_at=None), (Declare("active"),)
    if event.errand == "replay":
        after = replace(after, replays=event.more)
    else:
        through = max(cursor.delivered_through, event.through)
        after = replace(after, delivered_through=through, batch=None)
    return _rested(_well(after), now), ()


def _missed(cursor: Cursor, event: Missed, now: datetime) -> Step:
    after = replace(_free(cursor), failure=event.reason)
    if cursor.managed:
        return _again(after, event, now, LONGEST_DELAY_TO_A_PERSON), ()
    awaited = "requested" if event.errand == "handshake" else "active"
    if cursor.status != awaited or event.revision != cursor.revision:
        return _rested(after, now), ()  # written meanwhile: this result is about what it was
    if event.errand == "handshake":
        return _in_error(after, f"{_NO_HANDSHAKE}: {event.reason}")
    if event.verdict == "never-here":
        return _in_error(after, f"{_NOBODY_THERE}: {event.reason}")
    if event.verdict == "never-this" and event.last is not None:
        return _never_taken(after, event, now)
    after = _again(after, event, now, LONGEST_DELAY)
    if gives_up(after.failing_since or now, now):
        return _in_error(after, f"{_GIVEN_UP}: {event.reason}")
    return after, ()


def _again(cursor: Cursor, event: Missed, now: datetime, longest: timedelta) -> Cursor:
    failures = cursor.failures + 1
    pause = max(next_delay(failures, event.draw, longest), event.wait)
    since = cursor.failing_since or now
    return replace(cursor, failures=failures, failing_since=since, due_at=now + pause)


def _in_error(cursor: Cursor, why: str) -> Step:
    stopped = replace(cursor, due_at=None)
    if cursor.topic == TOPIC_DEVICE_ALERT:
        return stopped, (Declare("error", why), CallOperator())
    return stopped, (Declare("error", why),)


def _never_taken(cursor: Cursor, event: Missed, now: datetime) -> Step:
    first, last = event.first or 0, event.last or 0
    if event.errand == "replay":
        return _rested(_well(replace(cursor, replays=event.more)), now), ()
    if event.carried > 1:
        return _rested(_well(replace(cursor, batch=max(1, event.carried // 2))), now), ()
    passed = replace(cursor, delivered_through=max(cursor.delivered_through, last), batch=None)
    return _rested(_well(passed), now), (SetAside(first, last, event.reason),)


def _rewound(cursor: Cursor, since: int, now: datetime) -> Cursor:
    # A new epoch: the result of what is on its way must not undo this.
    back = replace(
        _free(cursor),
        epoch=cursor.epoch + 1,
        delivered_through=max(0, min(cursor.delivered_through, since - 1)),
    )
    return _rested(back, now)
