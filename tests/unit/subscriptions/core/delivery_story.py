"""A Subscription, its engine and its endpoint in virtual time, for transcripts of deliveries."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from subscriptions.core.delivery import (
    Command,
    Cursor,
    Declare,
    Event,
    Handed,
    Looked,
    Missed,
    Send,
    Status,
    Verdict,
    Written,
    step,
)

START = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)


@dataclass
class Story:
    """A Subscription, its engine and its endpoint, in virtual time."""

    cursor: Cursor
    now: datetime = START
    said: list[Command] = field(default_factory=list)

    def tell(self, event: Event) -> tuple[Command, ...]:
        self.cursor, commands = step(self.cursor, event, self.now)
        self.said += commands
        for command in commands:
            if isinstance(command, Declare):
                self.tell(Written(command.status))
        return commands

    def look(self) -> Send | None:
        return next((one for one in self.tell(Looked()) if isinstance(one, Send)), None)

    def sends(self) -> Send:
        send = self.look()
        assert send is not None
        return send

    def taken(self, send: Send, through: int | None = None) -> None:
        reached = self.cursor.last_number if through is None else through
        self.tell(Handed(send.epoch, send.errand, self.cursor.revision, reached))

    def fails(
        self, send: Send, *, verdict: Verdict = "try-again", first: int = 1, carried: int = 1
    ) -> None:
        last = first + carried - 1
        self.tell(
            Missed(
                send.epoch,
                send.errand,
                self.cursor.revision,
                first,
                last,
                "answered 500",
                0.5,
                verdict=verdict,
                carried=carried,
            )
        )

    def after(self, **time: float) -> None:
        self.now += timedelta(**time)

    @property
    def status(self) -> Status:
        return self.cursor.status


def new(**given: object) -> Story:
    story = Story(replace(Cursor("off", "http://example.org/topic"), **given))  # type: ignore[arg-type]
    story.tell(Written("requested"))
    return story


def active(**given: object) -> Story:
    story = new(**given)
    story.taken(story.sends())
    story.said.clear()
    return story
