"""What each process of the server uses: processor time and memory, by what the process is for.

A process that lives shorter than two looks is missed, except where its parent waited for it:
PostgreSQL's backends are counted by their postmaster that way.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

POSTGRES: Final = "postgres"
BROKER: Final = "nats-server"
OURSELVES: Final = "load generator"
_MEGABYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor seconds and resident megabytes of one kind of process."""

    cpu_s: float
    rss_mb: float
    processes: int


def server_pid(data: Path) -> int:
    """Return the process id in the lock file of the DATA directory `data`.

    Raises FileNotFoundError and ValueError when no server noted itself there.
    """
    return int((data / "run" / "server.lock").read_text().strip())


def purpose(name: str, command: Iterable[str]) -> str:
    """Return what a process is for, from its name and command line."""
    words = list(command)
    if name.startswith(POSTGRES):
        return POSTGRES
    if name.startswith(BROKER):
        return BROKER
    for position, word in enumerate(words):
        if word == "--roles" and position + 1 < len(words):
            return f"worker {words[position + 1].replace(',', '+')}"
        if word.startswith("--roles="):
            return f"worker {word.removeprefix('--roles=').replace(',', '+')}"
    return "supervisor" if "fhirserver" in words else name


def family(pid: int) -> list[psutil.Process]:
    """Return the process `pid` and everything below it; none when it is gone."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def matching(processes: Iterable[psutil.Process], wanted: str) -> list[psutil.Process]:
    """Return those of `processes` whose purpose is `wanted`."""
    return [one for one in processes if _purpose_of(one) == wanted]


def postmaster(processes: Iterable[psutil.Process]) -> psutil.Process | None:
    """Return the PostgreSQL process the others come from."""
    found = {one.pid: one for one in matching(processes, POSTGRES)}
    for one in found.values():
        try:
            if one.ppid() not in found:
                return one
        except psutil.NoSuchProcess:
            continue
    return None


class Meter:
    """Adds up what the processes below `pid` use from `start` on; `look` now and then."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._seen: dict[tuple[int, float], tuple[str, float]] = {}
        self._before: dict[tuple[int, float], float] = {}

    def start(self) -> None:
        """Count from now on."""
        self._seen = {}
        self.look()
        self._before = {key: cpu for key, (_, cpu) in self._seen.items()}

    def look(self) -> None:
        """Note what everything has used so far."""
        for one in family(self._pid):
            try:
                with one.oneshot():
                    key = one.pid, one.create_time()
                    name = _purpose_of(one)
                    cpu = one.cpu_times()
                    used = cpu.user + cpu.system
                    if name == POSTGRES:
                        used += cpu.children_user + cpu.children_system
            except psutil.NoSuchProcess:
                continue
            self._seen[key] = name, used

    def usage(self) -> dict[str, Usage]:
        """Return by purpose what was used since `start`, and the memory resident now."""
        self.look()
        cpu: dict[str, float] = {}
        for key, (name, used) in self._counted().items():
            cpu[name] = cpu.get(name, 0.0) + used - self._before.get(key, 0.0)
        memory, count = _memory(self._pid)
        return {
            name: Usage(round(cpu[name], 3), round(memory.get(name, 0.0), 1), count.get(name, 0))
            for name in sorted(cpu)
        }

    def _counted(self) -> Mapping[tuple[int, float], tuple[str, float]]:
        """Leave out dead backends: their postmaster has taken their time over by waiting."""
        alive = {one.pid for one in family(self._pid)}
        return {
            key: (name, used)
            for key, (name, used) in self._seen.items()
            if name != POSTGRES or key[0] in alive
        }


def _memory(pid: int) -> tuple[dict[str, float], dict[str, int]]:
    memory: dict[str, float] = {}
    count: dict[str, int] = {}
    for one in family(pid):
        try:
            name = _purpose_of(one)
            resident = one.memory_info().rss / _MEGABYTE
        except psutil.NoSuchProcess:
            continue
        memory[name] = memory.get(name, 0.0) + resident
        count[name] = count.get(name, 0) + 1
    return memory, count


def _purpose_of(one: psutil.Process) -> str:
    try:
        return purpose(one.name(), one.cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return "gone"
