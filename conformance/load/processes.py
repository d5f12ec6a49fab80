"""What each process of the server uses: processor time and memory, by what the process is for.

A process that lives shorter than two looks is missed, except where its parent waited for it:
PostgreSQL's backends are counted by their postmaster that way.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import psutil

POSTGRES: Final = "postgres"
BROKER: Final = "nats-server"
OURSELVES: Final = "load generator"
# A figure means little when somebody else worked on the same cores: say how much.
OTHERS: Final = "everything else here"
_MEGABYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor seconds and memory of one kind of process, in megabytes: resident, and its
    proportional share of what several map together (None where the system does not tell).
    """

    cpu_s: float
    rss_mb: float
    pss_mb: float | None
    processes: int

    def using(self, cpu_s: float) -> "Usage":
        """Return the same with `cpu_s` processor seconds."""
        return replace(self, cpu_s=round(cpu_s, 3))


NOTHING: Final = Usage(0.0, 0.0, None, 0)


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


def of_data(data: Path, pid: int) -> list[psutil.Process]:
    """Return the family of `pid` and whatever else works inside the DATA directory `data`.

    A database or broker whose supervisor was killed lives on as nobody's child.
    """
    found = {one.pid: one for one in family(pid)}
    for one in psutil.process_iter():
        with suppress(psutil.Error):
            if one.pid not in found and Path(one.cwd()).is_relative_to(data):
                found[one.pid] = one
    return list(found.values())


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


def machine_cpu_s() -> float:
    """Return the processor seconds this whole machine has been busy since it started."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    # Linux counts a guest's time twice, in `user` and beside it.
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    return sum(times) - idle - guests


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

    def cpu(self, wanted: str) -> float:
        """Return the processor seconds processes of purpose `wanted` used since `start`."""
        self.look()
        return sum(
            used - self._before.get(key, 0.0)
            for key, (name, used) in self._counted().items()
            if name == wanted
        )

    def usage(self) -> dict[str, Usage]:
        """Return by purpose what was used since `start`, and the memory resident now."""
        self.look()
        cpu: dict[str, float] = {}
        for key, (name, used) in self._counted().items():
            cpu[name] = cpu.get(name, 0.0) + used - self._before.get(key, 0.0)
        memory = _memory(self._pid)
        return {name: memory.get(name, NOTHING).using(cpu[name]) for name in sorted(cpu)}

    def _counted(self) -> Mapping[tuple[int, float], tuple[str, float]]:
        """Leave out dead backends: their postmaster has taken their time over by waiting."""
        alive = {one.pid for one in family(self._pid)}
        return {
            key: (name, used)
            for key, (name, used) in self._seen.items()
            if name != POSTGRES or key[0] in alive
        }


def _memory(pid: int) -> dict[str, Usage]:
    found: dict[str, Usage] = {}
    for one in family(pid):
        try:
            name = _purpose_of(one)
            resident = one.memory_info().rss / _MEGABYTE
            share = _share(one)
        except psutil.NoSuchProcess:
            continue
        known = found.get(name, NOTHING)
        found[name] = Usage(
            0.0,
            round(known.rss_mb + resident, 1),
            None if share is None else round((known.pss_mb or 0.0) + share, 1),
            known.processes + 1,
        )
    return found


def _share(one: psutil.Process) -> float | None:
    try:
        pss = getattr(one.memory_full_info(), "pss", None)
    except psutil.AccessDenied:
        return None
    return None if pss is None else pss / _MEGABYTE


def _purpose_of(one: psutil.Process) -> str:
    try:
        return purpose(one.name(), one.cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return "gone"
