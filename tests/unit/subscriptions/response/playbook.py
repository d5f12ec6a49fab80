"""Plays a ladder against a virtual clock, so that a test reads as a transcript."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from fhirserver.kernel.readings import Priority
from subscriptions.core.ladder import step
from subscriptions.core.ladder_commands import Cancel, Command, Page, Schedule
from subscriptions.core.ladder_events import (
    Due,
    Ended,
    Event,
    Paused,
    Replied,
    Ring,
    RosterChanged,
    Unreached,
)
from subscriptions.core.ladder_state import Answer, Contact, Ladder, Roster, timers
from subscriptions.core.timing import LADDERS, LadderTiming

START = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)
ALERT = UUID(int=1)
OTHER_ALERT = UUID(int=2)


def partner(name: str = "bob", tier: int = 1, *, shared: bool = False) -> Contact:
    return Contact(f"RelatedPerson/{name}", tier, False, shared, None)


def nurse(name: str = "nina", tier: int = 2) -> Contact:
    return Contact(f"Practitioner/{name}", tier, True, False, None)


def patient(name: str = "ann", tier: int = 1) -> Contact:
    return Contact(f"Patient/{name}", tier, False, True, None)


def without_number(contact: Contact, reason: str = "no-number") -> Contact:
    return replace(contact, unreachable=reason)


TEAM = (partner("bob", 1), partner("eve", 2), nurse("nina", 2))


@dataclass
class Play:
    """A ladder under test: what was commanded, with the second it happened."""

    roster: tuple[Contact, ...] = TEAM
    seconds: float = 0.0
    ladder: Ladder | None = None
    log: list[tuple[float, Command]] = field(default_factory=list)
    present: bool = True
    until_: datetime | None = None
    pace: Mapping[Priority, LadderTiming] = field(default_factory=lambda: LADDERS)

    @property
    def on_it(self) -> Roster:
        return Roster(self.roster, self.until_, self.pace)

    @property
    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def do(self, event: Event) -> list[Command]:
        before = {str(kind): at for kind, at in timers(self.ladder).items()}
        if isinstance(event, Due):
            # What has come due is carried out in the transaction that removes its row.
            before = {kind: at for kind, at in before.items() if at > self.now}
        self.ladder, commands = step(self.ladder, event, self.now)
        self._check_timers(before, commands)
        self.log += [(self.seconds, command) for command in commands]
        return commands

    def _check_timers(self, rows: dict[str, datetime], commands: Sequence[Command]) -> None:
        """The timer rows the commands leave behind are exactly the timers the state needs."""
        for command in commands:
            if isinstance(command, Schedule):
                rows[command.kind] = command.at
            elif isinstance(command, Cancel):
                rows.pop(command.kind, None)
        assert rows == dict(timers(self.ladder))

    def ring(
        self,
        priority: str = "PH",
        *,
        alert: UUID = ALERT,
        again: bool = False,
        needs_other: bool = True,
        everyone: bool = False,
    ) -> list[Command]:
        return self.do(Ring(alert, priority, needs_other, again, self.on_it, everyone))  # type: ignore[arg-type]

    def reply(self, member: str, answer: Answer) -> list[Command]:
        return self.do(Replied(_full(member), answer, self.present, self.on_it))

    def unreached(self, member: str) -> list[Command]:
        return self.do(Unreached(_full(member), "undelivered", self.on_it))

    def now_has(self, *roster: Contact) -> list[Command]:
        self.roster = roster
        return self.do(RosterChanged(self.on_it))

    def pause(self, member: str, seconds: float) -> list[Command]:
        until = self.now + timedelta(seconds=seconds)
        return self.do(Paused(_full(member), until, self.on_it))

    def end(self, by: str = "Practitioner/nina") -> list[Command]:
        return self.do(Ended(by))

    def until(self, seconds: float) -> "Play":
        """Let time pass, firing every timer when it is due."""
        while True:
            due = min(timers(self.ladder).values(), default=None)
            if due is None or due > START + timedelta(seconds=seconds):
                break
            self.seconds = max(self.seconds, (due - START).total_seconds())
            assert self.ladder is not None
            self.do(Due(self.ladder.round, self.on_it, self.present))
        self.seconds = seconds
        return self

    def pages(self) -> list[tuple[float, str, str, str]]:
        """Everything that was sent: (second, to whom, why, how)."""
        return [
            (at, command.member.split("/")[1], command.purpose, "+".join(command.media))
            for at, command in self.log
            if isinstance(command, Page)
        ]

    def told(self, name: str) -> list[float]:
        return [at for at, who, _, _ in self.pages() if who == name]

    def commands(self, kind: type[Command]) -> list[Command]:
        return [command for _, command in self.log if isinstance(command, kind)]


def _full(member: str) -> str:
    names = {
        "bob": "RelatedPerson/bob",
        "eve": "RelatedPerson/eve",
        "ann": "Patient/ann",
        "nina": "Practitioner/nina",
    }
    return names.get(member, member)
