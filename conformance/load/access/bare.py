"""A second API process on the database of a server that runs, without some of its protection.

The program is the repository's own (`tests/load/bare_api.py`), no part of what is installed: what it does cannot be set
up on a server.
"""

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

_PROGRAM: Final = "tests.load.bare_api"
CHECKOUT: Final = Path(__file__).parents[3]
_STOP_SECONDS: Final = 30.0


class BareError(RuntimeError):
    """The process did not come up."""


@contextmanager
def bare_api(data: Path, without: Sequence[str]) -> Iterator[tuple[str, psutil.Process]]:
    """Give the FHIR base URL and the process of an API on the database of `data` until the block ends.

    Raises `BareError`.
    """
    command = [sys.executable, "-m", _PROGRAM, "--data", str(data), "--without", ",".join(without)]
    with subprocess.Popen(
        command, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            said = process.stdout.readline().strip() if process.stdout is not None else ""
            if not said.isdigit():
                raise BareError(
                    "the API without protection did not start; it runs in a checkout only"
                )
            yield f"http://127.0.0.1:{said}/fhir", psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
