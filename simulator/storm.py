"""Scenario 18 as a whole: many treatments start in the same minute, and a few go wrong meanwhile.

Pure: what all of their devices say, merged in the order it arrives.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from simulator.faults import Sent
from simulator.virtual import START, Session, run


@dataclass(frozen=True, slots=True)
class Storm:
    """The treatments: `calm` ones owe nothing, `troubled` ones each their own truth."""

    calm: tuple[Session, ...]
    troubled: tuple[Session, ...]

    def __iter__(self) -> Iterator[Sent]:
        return heapq.merge(*self.calm, *self.troubled, key=lambda sent: sent.received)


def storm(
    seed: int,
    *,
    homes: int = 1000,
    troubled: int = 10,
    within_s: float = 60.0,
    minutes: float = 10.0,
    trouble: str = "needle-slip-graft",
    start: datetime = START,
) -> Storm:
    """Return `homes` treatments that start within `within_s`; in `troubled` of them the needle
    slips some minutes later.
    """
    dice = Random(f"{seed}/storm")
    sessions = []
    for number in range(homes):
        begins = start + timedelta(seconds=round(dice.uniform(0.0, within_s), 3))
        wrong = number < troubled
        sessions.append(
            run(
                trouble if wrong else "storm",
                f"{seed}/{number}",
                minutes=minutes,
                start=begins,
                at_min=dice.uniform(3.5, minutes - 3.0) if wrong else 0.0,
                patient=f"p{number}",
            )
        )
    return Storm(tuple(sessions[troubled:]), tuple(sessions[:troubled]))
