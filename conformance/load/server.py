"""The server under test as a child process: `python -m fhirserver serve` on a directory of its own."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import psutil

from conformance.load import processes

READY_SECONDS: Final = 300.0
_PORTS: Final = range(20_000, 32_768)
STOP_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.1
_KEPT_LINES: Final = 25


class ServerError(RuntimeError):
    """The server did not come up; the message quotes the end of its log."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server runs: ports on loopback and its DATA directory."""

    data: Path
    port: int
    mqtt_port: int

    @property
    def url(self) -> str:
        """The server's URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def base(self) -> str:
        """The FHIR base URL."""
        return f"{self.url}/fhir"

    @property
    def mqtt(self) -> tuple[str, int]:
        """Where devices connect."""
        return "127.0.0.1", self.mqtt_port

    def admin_token(self) -> str:
        """Return the administrator's bearer token the server wrote at its first start."""
        return (self.data / "admin.token").read_text().strip()


def free_port() -> int:
    """Return a TCP port of loopback nobody listens on now.

    It is none of those that outgoing connections are given (32768 and more), one of which may take it before whoever
    asked listens on it, or while a server that was killed is started again.
    """
    while True:
        port = _PORTS[secrets.randbelow(len(_PORTS))]
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def fresh_data() -> Path:
    """Return a new directory that the database's own account can enter, also when we are root."""
    data = Path(tempfile.mkdtemp(prefix="fhirserver-load-"))
    data.chmod(0o711)
    return data


class Server:
    """One server on `place`; its output goes to DATA/server.log."""

    def __init__(self, place: Place, settings: Mapping[str, str]) -> None:
        """`settings` are added to this process's environment."""
        self.place = place
        self.log = place.data / "server.log"
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The supervisor's process id; raises `ServerError` before `start`."""
        if self._process is None:
            raise ServerError("the server was not started")
        return self._process.pid

    def start(self) -> None:
        """Start, or start again after `kill`."""
        place = self.place
        environment = {
            "HOST": "127.0.0.1",
            "PORT": str(place.port),
            "DATA": str(place.data),
            "MQTT_PORT": str(place.mqtt_port),
            "NATS_PORT": "0",
            "LOG_LEVEL": "warning",
            # Nobody answers a test page here; whoever measures arming says so.
            "ARMING": "off",
            # One caller plays a whole clinic: its requests are counted, and nobody has that many.
            **dict.fromkeys(
                ("RATE_ACCOUNT", "RATE_CLIENT", "RATE_STRANGERS", "RATE_ALARMS"), "9999999"
            ),
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fhirserver", "serve"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **environment, **self._settings},
                start_new_session=True,
            )

    def wait_ready(self, seconds: float = READY_SECONDS) -> float:
        """Wait until `/health/ready` answers 200; return how long that took. Raises `ServerError`."""
        begun = time.monotonic()
        while time.monotonic() - begun < seconds:
            if self._process is not None and self._process.poll() is not None:
                code = self._process.returncode
                raise ServerError(f"the server ended with code {code}\n{self.last_words()}")
            try:
                if httpx.get(f"{self.place.url}/health/ready", timeout=5.0).status_code == 200:
                    return time.monotonic() - begun
            except httpx.TransportError:
                pass  # not listening yet
            time.sleep(_LOOK_SECONDS)
        raise ServerError(f"the server was not ready in {seconds:.0f} s\n{self.last_words()}")

    def kill(self) -> None:
        """Kill -9 the supervisor alone; what it started may live on."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """Ask the server to stop, make it after a while; nothing it started is left running."""
        process = self._process
        if process is None:
            return
        below = processes.of_data(self.place.data, process.pid)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._end(below)

    def _end(self, below: list[psutil.Process]) -> None:
        for one in below:
            # psutil compares the start time, so a process id used again is not hit.
            if one.is_running():
                one.kill()
        psutil.wait_procs(below, timeout=STOP_SECONDS)

    def last_words(self) -> str:
        """Return the end of the server's log."""
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_KEPT_LINES:])


@contextmanager
def running(
    settings: Mapping[str, str], *, data: Path, port: int = 0, mqtt_port: int = 0
) -> Iterator[Server]:
    """Run a server on `data`, ready, until the block ends; ports of 0 are free ones."""
    place = Place(data, port or free_port(), mqtt_port or free_port())
    server = Server(place, settings)
    try:
        server.start()
        server.wait_ready()
        yield server
    finally:
        server.stop()
