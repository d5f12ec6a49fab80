"""Looking at and ending single processes, by what they are and not only by their number.

A process id read from a file may belong to somebody else by now. Both daemons of ours are started
inside their own data directory, so "a live process of this name whose working directory is ours" is
the question asked here.
"""

import signal
import socket
import time
from pathlib import Path
from typing import Final

import psutil

POLL_SECONDS: Final = 0.05


def is_alive(pid: int) -> bool:
    """Tell whether `pid` runs; a zombie (dead, not yet collected by its parent) does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def works_in(pid: int, directory: Path, name: str) -> bool:
    """Tell whether `pid` is a live process called `name` whose working directory is `directory`."""
    try:
        process = psutil.Process(pid)
        return (
            process.status() != psutil.STATUS_ZOMBIE
            and process.name().startswith(name)
            and Path(process.cwd()) == directory.resolve()
        )
    except psutil.Error:
        return False


def working_in(directory: Path, name: str) -> list[int]:
    """Return the ids of all live processes called `name` whose working directory is `directory`."""
    return [pid for pid in psutil.pids() if works_in(pid, directory, name)]


def wait_until_gone(pid: int, seconds: float) -> bool:
    """Wait up to `seconds` for `pid` to end; return whether it did (a zombie has ended)."""
    deadline = time.monotonic() + seconds
    while is_alive(pid):
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def send(pid: int, sign: signal.Signals) -> None:
    """Send `sign` to `pid`; a process that is already gone is no error."""
    try:
        psutil.Process(pid).send_signal(sign)
    except psutil.NoSuchProcess:
        return


def free_port(host: str = "127.0.0.1") -> int:
    """Return a TCP port nobody listens on now; the caller may still lose it to somebody else."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def accepts_connections(host: str, port: int, seconds: float = 1.0) -> bool:
    """Tell whether something accepts TCP connections at `host`:`port`."""
    try:
        with socket.create_connection((host, port), timeout=seconds):
            return True
    except OSError:
        return False
