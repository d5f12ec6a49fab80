"""Talks to `python -m subscriptions.rehearsal`: the server's decisions, by pipe.

Lines are written as they come while a thread reads the answers, so neither side waits for a full
pipe.
"""

import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

COMMAND: Final = (sys.executable, "-m", "subscriptions.rehearsal")

Json = dict[str, Any]


class RehearsalError(RuntimeError):
    """The rehearsal ended before its time; the message quotes what it said last."""


@dataclass(slots=True)
class Rehearsal:
    """A running rehearsal. `decided` holds the decisions of every patient told so far."""

    process: subprocess.Popen[bytes]
    decided: dict[str, list[Json]] = field(default_factory=dict)
    _encoder: msgspec.json.Encoder = field(
        default_factory=lambda: msgspec.json.Encoder(decimal_format="number")
    )
    _ended: dict[str, threading.Event] = field(default_factory=dict)
    _reader: threading.Thread | None = None

    def start(self) -> None:
        """Begin to read its answers."""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def tell(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Write `lines`. Raises RehearsalError when nobody reads them."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.writelines(self._encoder.encode(line) + b"\n" for line in lines)
        except BrokenPipeError as error:
            raise RehearsalError(self._last_words()) from error

    def take(self, patient: str, until: int) -> list[Json]:
        """Let time pass until `until` (ms), end `patient` and return everything decided."""
        over = self._ended.setdefault(patient, threading.Event())
        self.tell([{"kind": "end", "at": until, "patient": patient}])
        assert self.process.stdin is not None
        self.process.stdin.flush()
        while not over.wait(0.5):
            if self.process.poll() is not None and not over.wait(0.5):
                raise RehearsalError(self._last_words())
        del self._ended[patient]
        return self.decided.pop(patient, [])

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            self.process.kill()
        self.process.wait()
        if self._reader is not None:
            self._reader.join()

    def _read(self) -> None:
        decoder = msgspec.json.Decoder(Json)
        for text in self._answers():
            answer = decoder.decode(text)
            patient = answer["patient"]
            if answer["kind"] == "ended":
                self._ended.setdefault(patient, threading.Event()).set()
            else:
                self.decided.setdefault(patient, []).append(answer)

    def _answers(self) -> Iterator[bytes]:
        assert self.process.stdout is not None
        yield from self.process.stdout

    def _last_words(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read().decode(errors="replace").strip() or "it said nothing"


@contextmanager
def rehearsing(defaults: Path | None = None) -> Iterator[Rehearsal]:
    """Run a rehearsal, with other default rules (a PlanDefinition) than those shipped if given."""
    command = COMMAND if defaults is None else (*COMMAND, "--defaults", str(defaults))
    with subprocess.Popen(
        list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        rehearsal = Rehearsal(process)
        rehearsal.start()
        try:
            yield rehearsal
        finally:
            rehearsal.close()
