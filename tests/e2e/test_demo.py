"""`make run` against the whole server: two care partners, a nurse, and asked again after "there"."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from conformance.load.server import free_port
from tests.conftest import make_data_directory

# The story of home B takes four minutes when nobody is in a hurry.
_LONGEST_SECONDS: Final = 600.0
_HOME: Final = "B Carmen Ortega"


class Story:
    """A running demonstration and what it has told so far."""

    def __init__(self, process: subprocess.Popen[str], out: Path) -> None:
        self.process = process
        self._out = out
        self._read = 0

    def tells(self, *parts: str) -> None:
        """Wait until each of `parts`, in any order, stands in a line of home B after what was told
        before.
        """
        deadline = time.monotonic() + _LONGEST_SECONDS
        while time.monotonic() < deadline:
            lines = self._out.read_text().splitlines()
            places = [
                next((n for n, line in enumerate(lines) if n >= self._read and part in line), None)
                for part in (f"{_HOME}  {one}" for one in parts)
            ]
            found = [place for place in places if place is not None]
            if len(found) == len(parts):
                self._read = max(found) + 1
                return
            assert self.process.poll() is None, self._out.read_text()
            # A process of its own tells when it likes; what it tells is a file, and files do not call.
            time.sleep(0.5)
        raise AssertionError(f"never told: {parts}\n{self._out.read_text()}")


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    data, out = make_data_directory(), tmp_path / "told"
    places = {"PORT": str(free_port()), "MQTT_PORT": str(free_port()), "NATS_PORT": "0"}
    with (
        out.open("w") as told,
        subprocess.Popen(
            [sys.executable, "-m", "simulator", "demo"],
            env=os.environ | places | {"DATA": str(data)},
            stdout=told,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        try:
            yield Story(process, out)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()
            shutil.rmtree(data)


@pytest.mark.slow
def test_two_care_partners_and_a_nurse_are_called_and_asked_again(story: Story) -> None:
    story.tells("ready     monitoring is armed")
    story.tells(
        "alert     ALERT PH",
        "told      Luis Ortega told by",
        "answer    Rosa Ortega is being called",
        "answer    Nina Clark is being called",
        "answer    Rosa Ortega is coming",
        "answer    Rosa Ortega has answered",
    )
    # "Is somebody still there?"
    story.tells('phone     text to Rosa Ortega: "ALERTA', 'phone     text to Luis Ortega: "ALERTA')
    story.tells("end       alert closed")
