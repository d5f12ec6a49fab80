"""The demonstration from start to Ctrl-C, with a stand-in for the server and a real broker."""

import asyncio
import json
import os
import shutil
import signal
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from conformance.load.server import free_port
from tests.integration.simulator.running_broker import RunningBroker, until
from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[3]
STAND_IN = Path(__file__).with_name("fake_fhirserver.py")


class Run:
    """One `python -m simulator demo`, its output line by line."""

    def __init__(self, process: asyncio.subprocess.Process, data: Path, port: int) -> None:
        self.process = process
        self.data = data
        self.base = f"http://127.0.0.1:{port}"
        self.out = ""
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.out += line.decode()

    async def said(self, text: str, seconds: float = PATIENCE_SECONDS) -> None:
        def heard() -> bool:
            assert self.process.returncode is None or text in self.out, self.out
            return text in self.out

        await until(heard, seconds)

    @property
    def demo_json(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.data / "demo.json").read_text())
        return content

    async def ended(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Wait for the end by itself; kills it and shows its output when it does not come."""
        try:
            async with asyncio.timeout(seconds):
                code = await self.process.wait()
                await self._reading
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
            raise AssertionError(f"did not end in {seconds} s:\n{self.out}") from None
        return code

    async def stop(self) -> int:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
        return await self.ended()


@pytest.fixture
async def run(broker: RunningBroker, tmp_path: Path) -> AsyncIterator[Run]:
    package = tmp_path / "elsewhere" / "fhirserver"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    shutil.copy(STAND_IN, package / "__main__.py")
    port = free_port()
    data = tmp_path / "data"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "simulator",
        "demo",
        cwd=package.parent,
        env=os.environ
        | {
            "PYTHONPATH": f"{package.parent}{os.pathsep}{ROOT}",
            "PORT": str(port),
            "DATA": str(data),
            "MQTT_PORT": str(broker.address.port),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    running = Run(process, data, port)
    yield running
    await running.stop()


async def test_the_story_from_ready_to_ctrl_c(run: Run) -> None:
    await run.said("ready: open")
    demo = run.demo_json
    assert stat.S_IMODE((run.data / "demo.json").stat().st_mode) == 0o600
    assert set(demo) == {"base", "mqtt", "phone", "tokens", "devices", "patients"}
    assert set(demo["tokens"]) == {"admin", "clinician", "partner", "patient"}
    assert demo["tokens"]["admin"] == "admin-token"
    assert [p["scenario"] for p in demo["patients"]] == [
        "clean",
        "needle-slip-graft",
        "slow-hypotension",
        "device-silent",
    ]
    assert len(demo["devices"]) == 8

    async with httpx.AsyncClient(follow_redirects=True, timeout=PATIENCE_SECONDS) as http:
        page = await http.get(f"{run.base}/")
        assert "Four homes tonight" in page.text
        page_url = str(page.url).rstrip("/")
        flag = {
            "resourceType": "Flag",
            "id": "f1",
            "status": "active",
            "code": {"text": "a test alert"},
            "subject": {"reference": "Patient/demo-patient-b"},
        }
        await http.put(f"{demo['base']}/Flag/f1", json=flag)
        await run.said("a test alert")

        luis = "+12025550122"
        answer = await http.post(f"{page_url}/api/phones/{luis}/messages", json={"body": "7Q2Kh"})
        assert answer.status_code == 201
        await run.said('Luis Ortega answers: "7Q2Kh"')
        state = (await http.get(f"{page_url}/api/state")).json()
        assert state["homes"][1]["state"] in {"no-data", "go-now", "check"}
        assert [a["text"] for a in state["alerts"]] == ["a test alert"]

        wrong_host = await http.get(f"{page_url}/api/state", headers={"Host": "evil.example"})
        assert wrong_host.status_code == 400
        form = await http.post(f"{page_url}/api/control", data={"do": "stop"})
        assert form.status_code == 415
        started = await http.post(
            f"{page_url}/api/control", json={"do": "start", "scenario": 4, "device": "home-a"}
        )
        assert started.status_code == 200
        unknown = await http.post(
            f"{page_url}/api/control", json={"do": "start", "scenario": 99, "device": "home-a"}
        )
        assert unknown.status_code == 400

    assert await run.stop() == 0
    assert "Traceback" not in run.out
    assert "stopped" in run.out
    assert not (run.data / "demo.json").exists()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{run.base}/health/ready", timeout=PATIENCE_SECONDS)  # noqa: ASYNC210 - nothing else runs


async def test_a_server_that_dies_ends_the_demonstration_with_its_last_words(
    run: Run,
) -> None:
    await run.said("ready: open")
    listed = Path(f"/proc/{run.process.pid}/task/{run.process.pid}/children")
    children = listed.read_text().split()  # noqa: ASYNC240 - a file of the kernel, not of a disk
    os.kill(int(children[0]), signal.SIGKILL)
    assert await run.ended() == 1
    assert "the server ended with code -9" in run.out
    assert "Traceback" not in run.out
    assert not (run.data / "demo.json").exists()
