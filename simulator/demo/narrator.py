"""Prints the story on a terminal, one line a happening; colour only where somebody looks."""

import sys
from typing import Final, TextIO

from simulator.demo.cast import HOUSEHOLDS
from simulator.demo.picture import Line, LineKind

_COLOURS: Final[dict[LineKind, str]] = {
    "ready": "1;32",
    "reading": "2",
    "scenario": "1;33",
    "alert": "1;31",
    "told": "1;36",
    "answer": "1;32",
    "phone": "35",
    "end": "32",
    "fault": "1;31",
}
_WHO: Final = {home.key: f"{home.key.upper()} {home.patient.name}" for home in HOUSEHOLDS}
_WIDTH: Final = max(len(who) for who in _WHO.values())


def render(line: Line) -> str:
    """Return `line` as plain text: local time, home, kind, words."""
    who = _WHO.get(line.home or "", "")
    return f"{line.at.astimezone():%H:%M:%S}  {who:<{_WIDTH}}  {line.kind:<8}  {line.text}"


class Narrator:
    """Writes lines to `out`."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._coloured = out.isatty()

    def tell(self, line: Line) -> None:
        """Write one line of the story."""
        text = render(line)
        if self._coloured:
            text = f"\x1b[{_COLOURS[line.kind]}m{text}\x1b[0m"
        self.say(text)

    def say(self, text: str) -> None:
        """Write plain text."""
        print(text, file=self._out, flush=True)
