"""The people of the demonstration who answer by themselves: a script, and who plays it.

Everybody answers a test page. In one home nobody is quick: the partner does not hear the phone, the
second care partner says that she is coming, is there, and is asked again two minutes later; the
nurse has seen it. All other alarms wait for somebody at the page.
"""

import asyncio
import heapq
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from simulator.demo.cast import HOUSEHOLDS, NURSE, phones
from simulator.phone_company.exchange import Exchange

Heard = Literal["test", "alert", "recheck"]

_LISTENS_EVERY_S: Final = 0.25
_TEXT: Final = re.compile(r"(ALERTA?|TEST|PRUEBA) ([A-Z0-9]{4,}): (.*)", re.DOTALL)
_RECHECK: Final = re.compile(r"is somebody still there|sigue alguien", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Move:
    """`after_s` after hearing something, answer with `letter`, or, without one, put things right."""

    after_s: float
    letter: Literal["a", "y", "n", "h"] | None


Script = Mapping[tuple[str, Heard], tuple[Move, ...]]


def script() -> Script:
    """Return who does what after which text, by phone number."""
    moves: dict[tuple[str, Heard], tuple[Move, ...]] = {
        (person.phone, "test"): (Move(1.5, "a"),) for person in phones()
    }
    troubled = next(home for home in HOUSEHOLDS if home.scenario == "needle-slip-graft")
    second = troubled.second.phone
    # The nurse is called before she says so. The needle is out until she has put it right.
    moves[second, "alert"] = (Move(32.0, "y"), Move(52.0, "h"), Move(112.0, None))
    moves[second, "recheck"] = (Move(10.0, "h"),)
    moves[NURSE.phone, "alert"] = (Move(9.0, "a"),)
    return moves


def heard(body: str) -> tuple[Heard, str] | None:
    """Return what kind of text `body` is and its code; None for one that asks nothing."""
    found = _TEXT.match(body)
    if found is None:
        return None
    word, code, rest = found.groups()
    if word in ("TEST", "PRUEBA"):
        return "test", code
    return ("recheck" if _RECHECK.search(rest) else "alert"), code


class Prompter:
    """Keeps who has to say what when. Pure: seconds of any clock come in."""

    def __init__(self, moves: Script) -> None:
        self._moves = moves
        self._heard: set[tuple[str, str, str]] = set()
        self._due: list[tuple[float, int, str, str, Move]] = []

    def listen(self, number: str, body: str, now_s: float) -> None:
        """The phone `number` got the text `body`; the same one again changes nothing."""
        found = heard(body)
        if found is None or (number, *found) in self._heard:
            return
        kind, code = found
        self._heard.add((number, kind, code))
        for move in self._moves.get((number, kind), ()):
            entry = (now_s + move.after_s, len(self._heard), number, code, move)
            heapq.heappush(self._due, entry)

    def due(self, now_s: float) -> list[tuple[str, str | None]]:
        """Return whose turn it is: phone number and text to send, None to put things right."""
        turns: list[tuple[str, str | None]] = []
        while self._due and self._due[0][0] <= now_s:
            _, _, number, code, move = heapq.heappop(self._due)
            turns.append((number, None if move.letter is None else f"{code}{move.letter}"))
        return turns


class Players:
    """Plays the script on the phones of `exchange`; `help_home` puts a home right."""

    def __init__(self, exchange: Exchange, help_home: Callable[[str], None]) -> None:
        self._exchange = exchange
        self._help_home = help_home
        self._prompter = Prompter(script())
        self._home_of = {
            person.phone: home.key for home in HOUSEHOLDS for person in (home.partner, home.second)
        }

    async def run(self) -> None:
        """Play until cancelled."""
        loop = asyncio.get_running_loop()
        read = 0
        while True:
            for event in self._exchange.events.after(read):
                read = event.number
                if event.kind == "message":
                    self._prompter.listen(event.detail["to"], event.detail["body"], loop.time())
            for number, text in self._prompter.due(loop.time()):
                if text is None:
                    self._help_home(self._home_of[number])
                else:
                    await self._exchange.send_from_phone(self._exchange.phone(number), text)
            await asyncio.sleep(_LISTENS_EVERY_S)
