"""Was anything lost, stored twice, invented, or left unsaid? Pure.

A history is what the outside saw: which numbered readings were sent and which of them the server
acknowledged, what a search finds afterwards, which alarms were owed a call and what telephones
received. The rules are those of a log with acknowledgements: an acknowledged reading is there
exactly once; one that was sent and never acknowledged may be there, once; nothing else is there.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

Fault = Literal["lost", "duplicated", "invented", "alarm-unsaid", "alarm-unrecorded"]


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise: about which stream or telephone, which number, how often it was seen."""

    fault: Fault
    where: str
    number: int
    seen: int

    def __str__(self) -> str:
        """Return it in one line for a person."""
        return f"{self.fault}: {self.where} number {self.number}, seen {self.seen} times"


@dataclass(frozen=True, slots=True)
class Owed:
    """An alarm the server acknowledged: its number, who is to be told, when it was sent (s)."""

    number: int
    telephone: str
    sent: float


@dataclass(frozen=True, slots=True)
class Told:
    """An alarm message a telephone received, and when (s, the clock of `Owed.sent`)."""

    telephone: str
    at: float


def check_readings(
    stream: str, sent: AbstractSet[int], acknowledged: AbstractSet[int], found: Iterable[int]
) -> list[Violation]:
    """Return what is wrong with one stream; `found` are the numbers a search returned, repeated
    when found more than once. `acknowledged` leaves out what the server said it refused.

    Raises ValueError when something is said to be acknowledged that was never sent: then the
    history itself is wrong.
    """
    if not acknowledged <= sent:
        raise ValueError(f"{stream}: acknowledged but never sent: {sorted(acknowledged - sent)}")
    times = Counter(found)
    violations = [Violation("lost", stream, one, 0) for one in sorted(acknowledged - times.keys())]
    for number, count in sorted(times.items()):
        if number not in sent:
            violations.append(Violation("invented", stream, number, count))
        elif count > 1:
            violations.append(Violation("duplicated", stream, number, count))
    return violations


def check_alarms(owed: Iterable[Owed], told: Iterable[Told]) -> list[Violation]:
    """Return the owed alarms after whose sending their telephone received nothing."""
    last: dict[str, float] = {}
    for one in told:
        last[one.telephone] = max(one.at, last.get(one.telephone, one.at))
    return [
        Violation("alarm-unsaid", one.telephone, one.number, 0)
        for one in owed
        if last.get(one.telephone, float("-inf")) < one.sent
    ]


def check_records(owed: Mapping[str, int], found: Mapping[str, int]) -> list[Violation]:
    """Return the patients with an owed alarm that have not exactly one record of it.

    `owed`: alarm number by patient; `found`: how many records of that alarm a patient has.
    """
    return [
        Violation("alarm-unrecorded" if found.get(patient, 0) == 0 else "duplicated", patient,
                  number, found.get(patient, 0))
        for patient, number in owed.items()
        if found.get(patient, 0) != 1
    ]  # fmt: skip
