"""A client of another world, node-hl7-client, sends to a listener and understands what it answers."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from tests.integration.ingest.test_ingest import Home, clock, home, witness
from tests.integration.interfaces.interface import opened, original, snapshot
from tests.integration.interfaces.test_others import ADMISSION
from tests.patience import PATIENCE_SECONDS

__all__ = ["clock", "home", "witness"]  # fixtures are found by their names here
PACKAGE = Path(__file__).parents[3] / "build" / "peers" / "node-hl7-client"
SCRIPT = Path(__file__).with_name("node_peer.js")


@pytest.fixture
def node() -> str:
    """Where node is; skips the test where there is none, or not the package."""
    found = shutil.which("node")
    if found is None or not PACKAGE.is_dir():
        # `make test` brings the package where there is npm; a server needs neither, so a machine without runs the rest.
        pytest.skip(
            "node is missing"
            if found is None
            else "node-hl7-client is missing: run `make peers` (needs npm)"
        )
    return found


async def test_node_hl7_client_sends_and_understands_the_answers(home: Home, node: str) -> None:
    messages = [
        original(snapshot("m-1")),
        snapshot("m-2"),
        ADMISSION,
        b"MSH|^~\\&|A||B||||XYZ^Z01|x-1|P|2.6\r",
    ]
    async with opened(home) as interface:
        process = await asyncio.create_subprocess_exec(
            node,
            str(SCRIPT),
            str(PACKAGE),
            str(interface.listener.port),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                texts = json.dumps([one.decode().rstrip("\r") for one in messages])
                told, complaints = await process.communicate(texts.encode())
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, complaints.decode()
        answers = [json.loads(line) for line in told.decode().splitlines()]
        assert [answer[1:] for answer in answers] == [
            ["AA", "m-1"],
            ["CA", "m-2"],
            ["AA", "a-1"],
            ["AR", "x-1"],
        ]
        assert {answer[0] for answer in answers} == {"ACK"}
        assert len(await home.observations()) == 2
        assert [one[:2] for one in await interface.messages()][:3] == [
            ("a-1", "accepted"),
            ("m-1", "accepted"),
            ("m-2", "accepted"),
        ]
