"""Simulates one session in virtual time and tells it to a rehearsal."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

from conformance.alarms.case import Case
from conformance.alarms.door import Door, millis
from conformance.alarms.rehearsal import Rehearsal
from conformance.alarms.result import Result, result_of
from simulator import codes
from simulator.virtual import Sent, Session, run

START: Final = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)
# After the last message: what time itself still raises about a session that is over belongs to it.
AFTER: Final = timedelta(seconds=1)
METRICS: Final = {metric.code: metric.unit for metric in codes.MACHINE_METRICS + codes.CUFF_METRICS}
_AT_ONCE: Final = 64

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Played:
    """A session that was told to its end: what was decided, in order, and what was set aside."""

    session: Session
    decided: tuple[Json, ...]
    refused: Mapping[str, int]
    duplicates: int
    ended: datetime


def play(session: Session, rehearsal: Rehearsal, name: str, after: timedelta = AFTER) -> Played:
    """Tell `session` as the home `name`; time goes on for `after` behind its last message."""
    door = Door(name, session.bindings, METRICS)
    ended = START
    for some in _batches(session):
        ended = max(ended, some[-1].received)
        rehearsal.tell(line for sent in some for line in door.lines(sent))
    until = millis(ended + after)
    decided = [one for patient in door.patients for one in rehearsal.take(patient, until)]
    decided.sort(key=lambda one: one["at"])
    return Played(session, tuple(decided), door.refused, door.duplicates, ended)


def play_case(case: Case, rehearsal: Rehearsal) -> Result:
    """Simulate `case` and return what came of it."""
    session = run(
        case.scenario,
        seed=case.seed,
        minutes=case.minutes,
        start=START,
        at_min=case.at_min,
        parameters=dict(case.parameters),
    )
    played = play(session, rehearsal, f"case{case.number}")
    onset = session.moments.get("start", [])
    drop = case.parameters.get("venous_drop")
    if case.group == "access":
        drop = session.person.access_pressure
    return result_of(
        case,
        access=session.person.access,
        access_pressure=session.person.access_pressure,
        drop=drop,
        started=START,
        ended=played.ended,
        onset=onset[0] if onset else None,
        decided=played.decided,
    )


def _batches(session: Iterable[Sent]) -> Iterator[list[Sent]]:
    messages = iter(session)
    while some := list(islice(messages, _AT_ONCE)):
        yield some
