"""The simulator's sender over MLLP, against a receiver that misbehaves."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from simulator.hl7v2.messages import Spoken
from simulator.hl7v2.mllp import Caller, UnansweredError
from simulator.hl7v2.play import Order, play
from tests.patience import PATIENCE_SECONDS

MESSAGE = Spoken("b1-t1", b"MSH|^~\\&|SIM||||||ORU^R01|b1-t1|T|2.6\r")
FRAME = b"\x0b" + MESSAGE.content + b"\x1c\r"
# What the receiver does with one message; None: hang up.
Reaction = Callable[[str], bytes] | None


def answer(code: str, about: str | None = None) -> Callable[[str], bytes]:
    def made(control_id: str) -> bytes:
        text = f"MSH|^~\\&|X||||||ACK|1|T|2.6\rMSA|{code}|{about or control_id}\r"
        return b"\x0b" + text.encode() + b"\x1c\r"

    return made


def nothing(_: str) -> bytes:
    return b""


class Receiver:
    """Remembers what it got, and reacts to one message after another as it was told to."""

    def __init__(self, reactions: Sequence[Reaction]) -> None:
        self.got: list[bytes] = []
        self.port = 0
        self._reactions = list(reactions)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                frame = await reader.readuntil(b"\x1c\r")
                self.got.append(frame)
                reaction = self._reactions.pop(0)
                if reaction is None:
                    return
                writer.write(reaction(frame.split(b"|")[9].decode()))
        except asyncio.IncompleteReadError:
            return
        finally:
            writer.close()


@asynccontextmanager
async def receiving(*reactions: Reaction) -> AsyncIterator[Receiver]:
    receiver = Receiver(reactions)
    async with await asyncio.start_server(receiver.serve, "127.0.0.1", 0) as server:
        receiver.port = server.sockets[0].getsockname()[1]
        yield receiver


def caller(receiver: Receiver, *, within_s: float = PATIENCE_SECONDS, attempts: int = 3) -> Caller:
    return Caller(
        "127.0.0.1", receiver.port, answered_within_s=within_s, pause_s=0.0, attempts=attempts
    )


async def test_the_answer_is_that_to_this_message() -> None:
    both = answer("AA", "another")("") + answer("AE")("b1-t1")
    async with receiving(lambda _: both) as receiver, caller(receiver) as one:
        answered = await one.send(MESSAGE)
    assert (answered.code, answered.is_accepted) == ("AE", False)
    assert receiver.got == [FRAME]


async def test_what_was_not_answered_is_sent_again_as_it_was() -> None:
    async with receiving(None, None, answer("CA")) as receiver, caller(receiver) as one:
        answered = await one.send(MESSAGE)
        assert one.resent == 2
    assert answered.is_accepted
    assert receiver.got == [FRAME] * 3


async def test_who_is_silent_is_called_again() -> None:
    async with receiving(nothing, answer("CA")) as receiver, caller(receiver, within_s=0.2) as one:
        assert (await one.send(MESSAGE)).is_accepted
    assert receiver.got == [FRAME] * 2


async def test_one_connection_carries_many_messages() -> None:
    async with receiving(answer("CA"), answer("CA")) as receiver, caller(receiver) as one:
        for _ in range(2):
            await one.send(MESSAGE)
        assert one.resent == 0
    assert len(receiver.got) == 2


async def test_nobody_there_is_said_in_the_end() -> None:
    async with receiving() as receiver:
        port = receiver.port
    async with Caller("127.0.0.1", port, pause_s=0.0, attempts=2) as one:
        with pytest.raises(UnansweredError, match="b1-t1 2 times"):
            await one.send(MESSAGE)


async def test_a_home_is_played_and_every_message_counted() -> None:
    order = Order("played", "blood-leak", 0.0, 2.0, 1.0, 60.0, 1)
    told: list[str] = []
    reactions = [answer("AA"), answer("AE"), *[answer("AA")] * 20]
    async with receiving(*reactions) as receiver:
        tally = await play(
            ("127.0.0.1", receiver.port), order, lambda: datetime.now(UTC), told.append
        )
    # Two samples of the machine, one of the cuff, and the alarm; a birth is not said.
    assert (tally.accepted, tally.refused, tally.unanswered, tally.resent) == (3, 1, 0, 0)
    kinds = [one.split(b"|")[8] for one in receiver.got]
    assert sorted(kinds) == [b"ORU^R01^ORU_R01"] * 3 + [b"ORU^R40^ORU_R40"]
    refused, alarm = told
    assert "MSA|AE" in refused
    assert alarm == "AA PH 198244 start"
