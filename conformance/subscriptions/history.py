"""Did every subscriber hear of everything, in order, once, and of nothing that is not theirs? Pure.

A history is what the outside saw: which writes were asked for and which were acknowledged, what each
Subscription wanted and its owner was allowed to see and when, what the server's own event log says
(`$events`), and what each endpoint received and answered. What could not be known is on the server's
side: a write that was never acknowledged may have happened or not, and around a change of a
Subscription or of a right the old and the new both count.

A repetition is in order when the sender could not know that the first one had arrived: the endpoint did
not answer, answered that it failed, the machine was held up so long that the answer may have come too late, or the sender
was killed about then.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import pairwise
from math import inf
from typing import Final, Literal

Fault = Literal[
    "gap",
    "missing-event",
    "invented-event",
    "repeated-event",
    "disorder",
    "undelivered",
    "skipped",
    "unexplained-repeat",
    "renumbered",
    "without-right",
    "after-the-end",
]
Answered = Literal["taken", "refused", "unanswered", "uncertain"]
# How many seconds have passed from one moment to another, in which the machine had time for us.
Elapsed = Callable[[float, float], float]

# Removal from a CareTeam, `off` and deletion take effect within this (s).
EFFECTIVE_WITHIN: Final = 1.0
# An answer that came this long before the sender was killed may not have been written down: the
# database may be busy.
NOTED_WITHIN: Final = 3.0
# How long a sender waits for the answer to a POST.
GIVES_UP_AFTER: Final = 3.0
# A sender that begins its next POST sees the answer to the last one a little before we have noted it.
SAME_MOMENT: Final = 0.05


def by_the_clock(start: float, end: float) -> float:
    """Return the seconds from `start` to `end`: see `Elapsed`."""
    return end - start


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise: of which Subscription, and what was seen."""

    fault: Fault
    subscription: str
    what: str

    def __str__(self) -> str:
        """Return it in one line for a person."""
        return f"{self.fault}: {self.subscription}: {self.what}"


@dataclass(frozen=True, slots=True)
class Period:
    """When something held: possibly from `begins`, surely from `begun` to `ends`, possibly to `ended`."""

    begins: float
    begun: float
    ends: float = inf
    ended: float = inf

    def surely(self, start: float, end: float) -> bool:
        """Return whether it surely held from `start` to `end`."""
        return self.begun <= start and end <= self.ends

    def possibly(self, start: float, end: float) -> bool:
        """Return whether it may have held at some moment from `start` to `end`."""
        return self.begins <= end and start <= self.ended

    def felt(self, start: float, end: float, elapsed: Elapsed) -> bool:
        """Return whether it may have been in effect then, which outlasts it by `EFFECTIVE_WITHIN`."""
        return self.begins <= end and elapsed(self.ended, start) <= EFFECTIVE_WITHIN


ALWAYS: Final = Period(-inf, -inf)


@dataclass(frozen=True, slots=True)
class Write:
    """A resource was created; `ended` is when it was acknowledged, or given up on when not `sure`."""

    focus: str
    patient: str
    begun: float
    ended: float
    sure: bool


@dataclass(frozen=True, slots=True)
class Interest:
    """What a Subscription wanted during a period."""

    period: Period
    patients: frozenset[str]


@dataclass(frozen=True, slots=True)
class Received:
    """A POST: events by number in the order they stood (focus None: not named), patients its body names.

    `at`: it began; `ended`: it was answered.
    """

    at: float
    ended: float
    events: tuple[tuple[int, str | None], ...]
    named: frozenset[str]
    answered: Answered

    @property
    def counts(self) -> bool:
        """Whether the sender may take these events for delivered."""
        return self.answered in ("taken", "uncertain")


@dataclass(frozen=True, slots=True)
class Followed:
    """One Subscription's side of the history.

    `rights`: the periods in which its owner may see a patient; None: everything, always. `log`: what
    `$events` says in the end. `over`: when it was acknowledged to be off or deleted; then nothing
    more is owed and `log` may be None (unknown). `elapsed`: what is promised in time is held against it.
    """

    name: str
    interests: tuple[Interest, ...]
    log: tuple[tuple[int, str | None], ...] | None
    received: tuple[Received, ...]
    rights: Mapping[str, tuple[Period, ...]] | None = None
    over: float | None = None
    names_focus: bool = True
    elapsed: Elapsed = by_the_clock

    def rights_on(self, patient: str) -> tuple[Period, ...]:
        """Return when the owner may see `patient`."""
        return (ALWAYS,) if self.rights is None else self.rights.get(patient, ())

    def owes(self, write: Write) -> bool:
        """Return whether `write` must be an event."""
        return (
            write.sure
            and any(
                write.patient in one.patients and one.period.surely(write.begun, write.ended)
                for one in self.interests
            )
            and any(one.surely(write.begun, write.ended) for one in self.rights_on(write.patient))
        )

    def may_have(self, write: Write) -> bool:
        """Return whether `write` may be an event."""
        return any(
            write.patient in one.patients and one.period.possibly(write.begun, write.ended)
            for one in self.interests
        ) and any(
            one.felt(write.begun, write.ended, self.elapsed)
            for one in self.rights_on(write.patient)
        )


@dataclass(frozen=True, slots=True)
class Blow:
    """Something was killed at `at`; until `healed` its work may have been in other hands."""

    at: float
    healed: float


@dataclass
class _Findings:
    subscription: str
    violations: list[Violation] = field(default_factory=list)

    def add(self, fault: Fault, what: str) -> None:
        self.violations.append(Violation(fault, self.subscription, what))


def check(
    followed: Followed, writes: Sequence[Write], blows: Sequence[Blow] = ()
) -> list[Violation]:
    """Return everything that is wrong with one Subscription's side of the history, [] when nothing."""
    found = _Findings(followed.name)
    received = sorted(followed.received, key=lambda one: one.at)
    focus_of = _numbering(found, followed, received)
    _log(found, followed, writes, focus_of)
    _order(found, writes, focus_of)
    _deliveries(found, received, blows, followed.elapsed)
    if followed.over is None:
        _undelivered(found, followed, received)
    else:
        for one in received:
            if followed.elapsed(followed.over, one.at) > EFFECTIVE_WITHIN:
                found.add("after-the-end", f"{_text(one)} {one.at - followed.over:.1f} s later")
    _rights(found, followed, received)
    return found.violations


def check_all(
    everybody: Iterable[Followed], writes: Sequence[Write], blows: Sequence[Blow] = ()
) -> list[Violation]:
    """Return what is wrong with any of them."""
    return [violation for one in everybody for violation in check(one, writes, blows)]


def _numbering(
    found: _Findings, followed: Followed, received: Sequence[Received]
) -> dict[int, str]:
    """Return the focus of each number; a number that ever named another one is `renumbered`."""
    focus_of: dict[int, str] = {}
    sources = (*(followed.log or ()), *(event for one in received for event in one.events))
    for number, focus in sources:
        if focus is None:
            continue
        known = focus_of.setdefault(number, focus)
        if known != focus:
            found.add("renumbered", f"event {number} is {known} and {focus}")
    return focus_of


def _log(
    found: _Findings,
    followed: Followed,
    writes: Sequence[Write],
    focus_of: Mapping[int, str],
) -> None:
    """Hold the event log against what was written: without gaps, complete, nothing else in it."""
    if followed.log is None:
        return
    numbers = [number for number, _ in followed.log]
    if numbers != list(range(1, len(numbers) + 1)):
        found.add("gap", f"the event log has the numbers {_ranges(numbers)}")
    times = Counter(focus_of[number] for number in set(numbers) if number in focus_of)
    by_focus: dict[str, list[Write]] = defaultdict(list)
    for write in writes:
        by_focus[write.focus].append(write)
    for focus, count in times.items():
        possible = sum(followed.may_have(write) for write in by_focus[focus])
        if possible == 0:
            found.add("invented-event", f"{focus} is an event")
        elif count > possible:
            found.add("repeated-event", f"{focus} is {count} events of at most {possible}")
    owed = Counter(write.focus for write in writes if followed.owes(write))
    missing = owed - times
    # A number without a name stands for something its owner may not see any more.
    nameless = sum(number not in focus_of for number in numbers)
    if not followed.names_focus:
        _counted(found, followed, writes, len(numbers), owed.total())
    elif missing.total() > nameless:
        for focus, count in sorted(missing.items()):
            found.add("missing-event", f"{focus} lacks {count} events ({nameless} are nameless)")


def _counted(
    found: _Findings, followed: Followed, writes: Sequence[Write], count: int, owed: int
) -> None:
    possible = sum(followed.may_have(write) for write in writes)
    if count < owed:
        found.add("missing-event", f"{count} events, {owed} owed")
    if count > possible:
        found.add("invented-event", f"{count} events, at most {possible} possible")


def _order(found: _Findings, writes: Sequence[Write], focus_of: Mapping[int, str]) -> None:
    """What was acknowledged before the next was asked for has the smaller number, patient by patient."""
    number_of = {focus: number for number, focus in sorted(focus_of.items(), reverse=True)}
    by_patient: dict[str, list[Write]] = defaultdict(list)
    for write in writes:
        if write.sure and write.focus in number_of:
            by_patient[write.patient].append(write)
    for several in by_patient.values():
        several.sort(key=lambda write: write.begun)
        for first, second in pairwise(several):
            if first.ended < second.begun and number_of[first.focus] > number_of[second.focus]:
                found.add(
                    "disorder",
                    f"{first.focus} is {number_of[first.focus]}, the later {second.focus} is "
                    f"{number_of[second.focus]}",
                )


def _deliveries(
    found: _Findings, received: Sequence[Received], blows: Sequence[Blow], elapsed: Elapsed
) -> None:
    """Numbers go up without a step left out, and come again only when they had to."""
    taken: dict[int, Received] = {}
    # Answered ones, until a later POST shows that the sender may have known: (ended, last number).
    answering: list[tuple[float, int]] = []
    reached = 0
    for one in received:
        while answering and answering[0][0] <= one.at + SAME_MOMENT:
            reached = max(reached, heappop(answering)[1])
        numbers = [number for number, _ in one.events]
        if not numbers:
            continue
        if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
            found.add("disorder", f"one notification has the numbers {numbers}")
        if numbers[0] > reached + 1:
            found.add("skipped", f"{_text(one)} after {reached}")
        repeated = [taken[number] for number in numbers if number in taken]
        if repeated and not _excused(repeated[-1], one, blows, elapsed):
            found.add(
                "unexplained-repeat",
                f"{_text(one)}, taken {one.at - repeated[-1].ended:.2f} s before",
            )
        if one.counts:
            heappush(answering, (one.ended, numbers[-1]))
        if one.answered == "taken":
            taken.update(dict.fromkeys(numbers, one))


def _excused(earlier: Received, again: Received, blows: Sequence[Blow], elapsed: Elapsed) -> bool:
    return _too_late(earlier, elapsed) or any(
        elapsed(earlier.ended, blow.at) <= NOTED_WITHIN
        and earlier.at <= blow.healed
        and blow.at <= again.at
        for blow in blows
    )


def _too_late(answered: Received, elapsed: Elapsed) -> bool:
    """Return whether the machine was held up so long that the sender may have given up before the answer came."""
    since = answered.at - GIVES_UP_AFTER
    return answered.ended - since - elapsed(since, answered.ended) >= GIVES_UP_AFTER / 2


def _undelivered(found: _Findings, followed: Followed, received: Sequence[Received]) -> None:
    arrived = {number for one in received if one.counts for number, _ in one.events}
    owed = {number for number, _ in followed.log or ()}
    if owed - arrived:
        found.add("undelivered", f"events {_ranges(sorted(owed - arrived))}")
    if followed.log is not None and arrived - owed:
        found.add("invented-event", f"numbers {_ranges(sorted(arrived - owed))} are not in the log")


def _rights(found: _Findings, followed: Followed, received: Sequence[Received]) -> None:
    for one in received:
        for patient in sorted(one.named):
            periods = followed.rights_on(patient)
            if not any(period.felt(one.at, one.at, followed.elapsed) for period in periods):
                found.add("without-right", f"{_text(one)} names {patient}")


def _text(one: Received) -> str:
    return f"events {_ranges([number for number, _ in one.events])}"


def _ranges(numbers: Sequence[int]) -> str:
    """Return ``1-3, 7`` for 1, 2, 3, 7."""
    return ", ".join(_spans(numbers)) or "none"


def _spans(numbers: Sequence[int]) -> Iterator[str]:
    first = last = None
    for number in numbers:
        if last is not None and number == last + 1:
            last = number
            continue
        if first is not None:
            yield str(first) if first == last else f"{first}-{last}"
        first = last = number
    if first is not None:
        yield str(first) if first == last else f"{first}-{last}"
