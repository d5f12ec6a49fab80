"""The server as a child process: started with its settings, waited for, stopped with it all.

The child gets its own process group, so that Ctrl-C in a terminal reaches only the demonstration,
which then stops the server in order.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

READY_WITHIN_S = 180.0
STOP_WITHIN_S = 30.0
KEPT_LINES = 20


class ServerError(RuntimeError):
    """The server did not come up, or went away."""


class ServerProcess:
    """`python -m fhirserver serve`, its output in `log`."""

    def __init__(self, base: str, log: Path) -> None:
        self._base = base
        self.log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, settings: Mapping[str, str]) -> None:
        """Start the server with `settings` added to this process's environment."""
        self.log.touch(mode=0o600)
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "fhirserver",
                "serve",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **settings},
                start_new_session=True,
            )

    async def ready(self, http: httpx.AsyncClient) -> None:
        """Wait until `/health/ready` answers 200; raises ServerError when it does not in time."""
        assert self._process is not None
        deadline = asyncio.get_running_loop().time() + READY_WITHIN_S
        while asyncio.get_running_loop().time() < deadline:
            if self._process.returncode is not None:
                raise ServerError(
                    f"the server ended with code {self._process.returncode}\n{self.last_words()}"
                )
            try:
                answer = await http.get(f"{self._base}/health/ready")
            except httpx.TransportError:
                pass
            else:
                if answer.status_code == 200:
                    return
            await asyncio.sleep(0.1)
        raise ServerError(f"the server was not ready in {READY_WITHIN_S:.0f} s")

    async def ended(self) -> int:
        """Wait until the server ends by itself; return its exit code."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> None:
        """Ask the server to stop; after a while make it."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                await process.wait()
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    def last_words(self) -> str:
        """Return the end of the server's log."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-KEPT_LINES:])
