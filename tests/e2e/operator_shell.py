"""The operator's commands beside a running server: what ``python -m fhirserver WORDS`` prints and ends with.

One process runs them all, one after another: Python and the program are loaded once, not for every command.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from fhirserver import __main__ as program


@dataclass(frozen=True, slots=True)
class Done:
    """A command that ended: its exit code and both its outputs."""

    code: int
    out: str
    err: str


class Operator:
    """Runs commands with `settings` in their environment; its process starts with the first of them."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        """Start nothing yet."""
        self._settings = settings
        self._process: subprocess.Popen[str] | None = None

    def run(self, *words: str) -> Done:
        """Return what the command did, whatever that was."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.e2e.operator_shell"],
                env={**os.environ, **self._settings},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "a command ended the operator's process: its traceback is on standard error"
        return Done(**json.loads(answer))

    def command(self, *words: str) -> str:
        """Return what a command prints that must not fail."""
        done = self.run(*words)
        assert done.code == 0, done.out + done.err
        return done.out

    def leave(self) -> None:
        """End the process, when there is one."""
        if self._process is not None:
            # Closes what it reads from, which ends it, and waits for that.
            self._process.communicate()
            self._process = None


@contextmanager
def operator(settings: Mapping[str, str]) -> Iterator[Operator]:
    """An operator until the block ends."""
    beside = Operator(settings)
    try:
        yield beside
    finally:
        beside.leave()


def _done(words: list[str], out: IO[str], err: IO[str]) -> Done:
    kept = os.dup(1), os.dup(2)
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    sys.argv = ["fhirserver", *words]
    code: object = 0
    try:
        program.main()
    except SystemExit as end:
        code = end.code or 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, original in enumerate(kept, start=1):
            os.dup2(original, number)
            os.close(original)
    out.seek(0)
    err.seek(0)
    return Done(code if isinstance(code, int) else 1, out.read(), err.read())


def _serve() -> None:
    """Run the commands that come in, a line of JSON each, and answer each with one."""
    for line in sys.stdin:
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            done = _done(json.loads(line), out, err)
        print(json.dumps({"code": done.code, "out": done.out, "err": done.err}), flush=True)


if __name__ == "__main__":
    _serve()
