"""The whole life of a server: order of start, restarts, adoption, and nothing left behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fhirserver.supervisor import broker, data_lock, postgres
from fhirserver.supervisor.process import is_alive, wait_until_gone, working_in
from tests.conftest import make_data_directory
from tests.patience import PATIENCE_SECONDS

SERVER = Path(__file__).parent / "programs" / "server.py"


class RunningServer:
    """A server in a process of its own, as `python -m fhirserver serve` is."""

    def __init__(self, data: Path, roles: str = "api,engine+deliver") -> None:
        self.data = data
        self.output = data / "output.txt"
        for note in data.glob("worker-*.json"):
            note.unlink()
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(SERVER)],
                env={
                    "DATA": str(data),
                    "ROLES": roles,
                    "NATS_PORT": "0",
                    "MQTT_PORT": "0",
                    "PYTHONPATH": str(Path.cwd()),
                    "PATH": os.environ["PATH"],
                },
                stdout=output,
                stderr=output,
            )

    def worker(self, roles: str, other_than: int = 0) -> dict[str, Any]:
        """Return what the worker of `roles` wrote, waiting for one that is not `other_than`."""
        note = self.data / f"worker-{roles}.json"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if note.exists():
                told: dict[str, Any] = json.loads(note.read_text())
                if told["pid"] != other_than:
                    return told
            time.sleep(0.02)
        raise AssertionError(self.output.read_text())

    def database_process(self) -> int:
        """Return the postmaster's process id."""
        lines = (self.data / "postgres" / "cluster" / "postmaster.pid").read_text().splitlines()
        return int(lines[0])

    def end(self, sign: signal.Signals = signal.SIGTERM) -> int:
        """Send `sign` and return the exit code."""
        self.process.send_signal(sign)
        return self.process.wait(PATIENCE_SECONDS + 10)


def leftovers(data: Path) -> list[int]:
    """Return database and broker processes of `data` that still run."""
    return [
        *working_in(data / "postgres" / "cluster", postgres.PROCESS_NAME),
        *working_in(data / "broker", broker.PROCESS_NAME),
    ]


@pytest.fixture
def data() -> Iterator[Path]:
    directory = make_data_directory()
    yield directory
    left = leftovers(directory)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    for pid in left:
        wait_until_gone(pid, 10)
    shutil.rmtree(directory)
    assert left == []


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_workers_get_working_endpoints_and_everything_ends_with_the_server(
    data: Path, sign: signal.Signals
) -> None:
    server = RunningServer(data)
    told = [server.worker("api"), server.worker("engine,deliver")]
    with psycopg.connect(told[0]["dsn"]) as connection:
        assert connection.info.dbname == "fhirserver"
    assert told[0]["nats"].startswith("nats://server:")
    assert server.end(sign) == 0
    assert [is_alive(worker["pid"]) for worker in told] == [False, False]
    assert leftovers(data) == []
    assert server.output.read_text().splitlines()[-2:] == ["stopping", "stopped"]


def test_killed_worker_broker_and_database_are_started_again(data: Path) -> None:
    server = RunningServer(data, "api")
    first = server.worker("api")
    os.kill(first["pid"], signal.SIGKILL)
    second = server.worker("api", other_than=first["pid"])
    [old_broker] = working_in(data / "broker", broker.PROCESS_NAME)
    old_database = server.database_process()
    os.kill(old_broker, signal.SIGKILL)
    os.kill(old_database, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        revived = working_in(data / "broker", broker.PROCESS_NAME)
        try:
            psycopg.connect(second["dsn"]).close()
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, server.output.read_text()
            time.sleep(0.05)
            continue
        if revived and server.database_process() != old_database:
            break
        assert time.monotonic() < deadline, server.output.read_text()
    assert server.end() == 0
    assert leftovers(data) == []


def test_kill_9_of_the_server_ends_workers_and_the_next_start_takes_over(data: Path) -> None:
    server = RunningServer(data, "api")
    worker = server.worker("api")
    database = server.database_process()
    assert server.end(signal.SIGKILL) == -signal.SIGKILL
    assert wait_until_gone(worker["pid"], 10)
    assert is_alive(database)
    again = RunningServer(data, "api")
    again.worker("api", other_than=worker["pid"])
    assert again.database_process() == database
    assert again.end() == 0
    assert leftovers(data) == []


def test_second_server_on_the_same_data_is_refused_with_a_reason(data: Path) -> None:
    server = RunningServer(data, "api")
    server.worker("api")
    assert data_lock.holder(data) == server.process.pid
    second = subprocess.run(
        [sys.executable, str(SERVER)],
        env={"DATA": str(data), "PYTHONPATH": str(Path.cwd()), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 2
    assert f"Another server (process {server.process.pid}) is using {data}." in second.stdout
    assert server.end() == 0
    assert data_lock.holder(data) is None


def test_second_ctrl_c_does_not_wait_for_a_deaf_worker(data: Path) -> None:
    server = RunningServer(data, "deliver")
    worker = server.worker("deliver")
    server.process.send_signal(signal.SIGINT)
    while "stopping" not in server.output.read_text():
        time.sleep(0.02)
    assert is_alive(worker["pid"])
    assert server.end(signal.SIGINT) == 0
    assert not is_alive(worker["pid"])


def test_unusable_broker_port_stops_the_start_and_the_database(data: Path) -> None:
    server = subprocess.run(
        [sys.executable, str(SERVER)],
        env={
            "DATA": str(data),
            "MQTT_HOST": "203.0.113.1",  # documentation address, nobody's
            "NATS_PORT": "0",
            "PYTHONPATH": str(Path.cwd()),
            "PATH": os.environ["PATH"],
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert server.returncode == 2
    assert "The broker cannot listen on 203.0.113.1" in server.stdout
