"""A sender of HL7 v2 over a real socket, and a house with a listener for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from adapters.hl7v2 import sites
from adapters.hl7v2.connection import Bounds
from adapters.hl7v2.intake import Intake
from adapters.hl7v2.listener import Door, Listener
from adapters.hl7v2.sites import Sites
from fhirserver import definitions
from fhirserver.hl7v2_side import Behind, intake
from fhirserver.kernel.hl7 import AlertAnswers
from fhirserver.wire.hl7v2.mllp import Frame, FrameReader, framed
from tests.integration.ingest.test_ingest import Home
from tests.patience import PATIENCE_SECONDS
from tests.unit.adapters.hl7v2.machine_messages import EUI, PATIENT, header, mode, venous

NOW = datetime(2026, 8, 1, 9, tzinfo=UTC)
SENT = "20260801090000+0000"
OPEN = Bounds(message=100_000, idle=PATIENCE_SECONDS, pause=PATIENCE_SECONDS)


def snapshot(control_id: str, *lines: str, eui: str = EUI, **head: Any) -> bytes:
    """A PCD-01 message of one measure, or of these lines."""
    obr = f"OBR|1||therapy^SIM_HD^{eui}^EUI-64|70929^^MDC|||{SENT}"
    said = lines or (venous(),)
    top = header(sent=SENT, control_id=control_id, **head)
    return "\r".join([top, PATIENT, "PV1||U", obr, mode(), *said, ""]).encode()


def original(message: bytes) -> bytes:
    """The same message, of a sender that knows no enhanced mode."""
    return message.replace(b"|2.6|||AL|NE", b"|2.6")


class Sender:
    """The other end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._frames = FrameReader(1_000_000)
        self._answers: list[str] = []

    async def send(self, message: bytes) -> str:
        """Send a message and return its answer."""
        self.writer.write(framed(message))
        return await self.answer()

    async def answer(self) -> str:
        """Return the next answer."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not self._answers:
                data = await self.reader.read(65536)
                if not data:
                    raise EOFError
                found = self._frames.feed(data)
                self._answers += [one.content.decode() for one in found if isinstance(one, Frame)]
        return self._answers.pop(0)

    async def is_hung_up_on(self) -> bool:
        """Wait until the other end closes, without having said anything."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.reader.read(65536) == b""

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


def code(answer: str) -> tuple[str, str]:
    """Return the code of an answer and the control id it is about."""
    msa = next(one for one in answer.split("\r") if one.startswith("MSA"))
    _, found, about, *_ = [*msa.split("|"), ""]
    return found, about


def faults(answer: str) -> list[tuple[str, str]]:
    """Return (code of table 0357, severity) of each ERR."""
    lines = [one.split("|") for one in answer.split("\r") if one.startswith("ERR")]
    return [(one[3].split("^")[0], one[4]) for one in lines]


@dataclass
class Interface:
    """A listener and what stands behind it."""

    home: Home
    intake: Intake
    listener: Listener

    async def connect(self) -> Sender:
        return Sender(*await asyncio.open_connection("127.0.0.1", self.listener.port))

    async def messages(self) -> list[tuple[str, str, str, int]]:
        """Return (control id, outcome, reason, attempts) of every message that is kept."""
        async with self.home.record.transaction(1) as tx:
            return [
                (one[0], one[1], one[2], one[3])
                for one in await tx.execute(
                    "SELECT control_id, outcome, reason, attempts FROM hl7_message ORDER BY control_id"
                )
            ]


@asynccontextmanager
async def opened(
    home: Home,
    bounds: Bounds = OPEN,
    *,
    site: Sites | None = None,
    connections: int = 20,
    answers: AlertAnswers | None = None,
    port: int = 0,
) -> AsyncIterator[Interface]:
    """Listen on a free port of this machine, or on one that is shared."""
    base = "http://localhost/fhir"
    parts = Behind(
        home.record, home.witness, lambda _: definitions.load(), base, answers, home.clock
    )
    async with intake(parts, site or sites.load(unknown="accept"), (1, "home")) as taking:
        door = Door("127.0.0.1", port, None, connections, connections, shared=bool(port))
        listener = Listener(door, taking, bounds)
        await listener.start()
        try:
            yield Interface(home, taking, listener)
        finally:
            await listener.stop()
