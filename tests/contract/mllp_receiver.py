"""A receiver of HL7 v2 over MLLP that misbehaves when told to; it frames and answers without our codec."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from fhirserver.wire.hl7v2.message import Message, read
from tests.contract.receivers import SAID, Receiver, reset

VT, FS = b"\x0b", b"\x1c\r"
_MEBIBYTE = b"x" * 1_048_576
_FLOOD = 256
_CODES = {"takes": "AA", "busy": "AE", "never-this": "AE", "never-here": "AR"}
# Makes the answer to a message whose MSH-10 is given; None: no answer.
Answering = Callable[[str], list[str]]


def acknowledgement(control_id: str, code: str = "AA", *more: str, kind: str = "ACK") -> str:
    """Return an answer, line by line."""
    lines = [
        f"MSH|^~\\&|EHR|CLINIC|FHIRSERVER||20260801093006||{kind}|{control_id[-20:]}a|P|2.6",
        f"MSA|{code}|{control_id}|{SAID}",
        *more,
    ]
    return "".join(f"{line}\r" for line in lines)


@dataclass
class MllpReceiver(Receiver):
    """`got` are the messages it took; with `answering` it says what that returns instead of AA."""

    got: list[Message] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """The MSH-10 of everything that came, taken or not, but for answers."""
    answers: list[str] = field(default_factory=list)
    """The MSA of what was answered to what it said by itself."""
    answering: Answering | None = None
    scheme: str = "mllp"
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"{self.scheme}://{self.host}:{self.port}"

    def say(self, text: str) -> None:
        """Say something over the newest connection, unasked."""
        self.writers[-1].write(VT + text.encode() + FS)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take messages until the sender goes."""
        self.connections += 1
        self.writers.append(writer)
        try:
            while True:
                frame = await reader.readuntil(FS)
                self.arrived.set()
                await self._take(read(frame[1:-2].decode()), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.left.set()
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _take(self, message: Message, writer: asyncio.StreamWriter) -> None:
        msa = message.first("MSA")
        if msa is not None and not message.header.raw(15):
            self.answers.append(f"MSA|{msa.text(1)}|{msa.text(2)}")
            return
        control_id = message.header.text(10) or ""
        self.asked.append(control_id)
        if self.manner == "hangs":
            await self.over.wait()
        elif self.manner == "resets":
            reset(writer.transport)
        elif self.manner == "drips":
            await self.drip(writer.transport, VT + b"MSH|" + b"x" * 10_000)
        elif self.manner == "floods":
            writer.write(VT)
            for _ in range(_FLOOD):
                writer.write(_MEBIBYTE)
                await writer.drain()
                self.flooded += 1
        elif self.manner == "redirects":
            writer.write(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1/\r\n\r\n")
        else:
            self._answer(message, control_id, writer)

    def _answer(self, message: Message, control_id: str, writer: asyncio.StreamWriter) -> None:
        if self.manner == "takes":
            self.got.append(message)
        if self.answering is not None:
            answers = self.answering(control_id)
        else:
            faults = ["ERR||MSH^1|207^^HL70357|E"] if self.manner == "busy" else []
            answers = [acknowledgement(control_id, _CODES[self.manner], *faults)]
        for one in answers:
            writer.write(VT + one.encode() + FS)


@asynccontextmanager
async def mllp_receiver(
    host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[MllpReceiver]:
    """Run a receiver."""
    receiver = MllpReceiver(host, scheme="mllp" if tls is None else "mllps")
    tasks: set[asyncio.Task[None]] = set()

    def came(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(receiver.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(came, host, port, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        receiver.over.set()
        server.close()
        for writer in receiver.writers:
            writer.transport.abort()
        await asyncio.gather(*tasks)
        await server.wait_closed()
