"""Worker processes: started, started again when they die, and ended together."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from fhirserver.supervisor.restart import RestartPlan

WORKER_COMMAND: Final = (sys.executable, "-m", "fhirserver", "worker")

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Child:
    """One process to keep alive: its name for people, and how it is started."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    plan: RestartPlan = field(default=RestartPlan(0.0), init=False)
    due: float = field(default=0.0, init=False)

    def start(self) -> None:
        """Start the process in its own session, so that Ctrl-C reaches the supervisor alone."""
        self.process = subprocess.Popen(
            list(self.command),
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.plan = self.plan.after_start(time.monotonic())
        log.info("worker started", worker=self.name, pid=self.process.pid)

    def keep_alive(self) -> None:
        """Notice a death, and start again once its delay is over."""
        now = time.monotonic()
        if self.process is not None and self.process.poll() is not None:
            self.plan, delay = self.plan.after_death(now)
            self.due = now + delay
            log.error(
                "worker died",
                worker=self.name,
                pid=self.process.pid,
                ended=ending(self.process.returncode),
                restart_seconds=delay,
            )
            self.process = None
        if self.process is None and now >= self.due:
            self.start()

    def send(self, sign: signal.Signals) -> None:
        """Send `sign` if the process runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(sign)

    @property
    def is_running(self) -> bool:
        """Tell whether the process lives."""
        return self.process is not None and self.process.poll() is None


def worker(
    roles: Sequence[str],
    environment: Mapping[str, str],
    *,
    command: Sequence[str] = WORKER_COMMAND,
) -> Child:
    """Return the process that plays `roles` by `command`; it must end when this process does."""
    return Child(
        name="+".join(roles),
        command=[*command, "--roles", ",".join(roles)],
        environment={**os.environ, **environment, "SUPERVISOR_PID": str(os.getpid())},
    )


def ending(code: int) -> str:
    """Return in words how a process ended: its exit code or the signal that killed it."""
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
