"""Message centres that die, talk nonsense, or send what nobody can read."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from subscriptions.channels import smpp_line
from subscriptions.channels.smpp import Smpp, SmppAccount
from subscriptions.core import smpp
from tests.contract.telephone_companies import BOB, NUMBER, Ours, until

CALLBACK = "https://us.example.org/status"


class Centre:
    """A message centre in a few lines: lets everybody in, then does what it is told."""

    def __init__(self, after_bind: bytes | None = None, *, lives: bool = True) -> None:
        self.binds = 0
        self._after_bind = after_bind
        self._lives = lives

    async def line(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one line until it ends."""
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                head = smpp.header(await reader.readexactly(16))
                await reader.readexactly(head.length - 16)
                if head.command == smpp.BIND_TRANSCEIVER:
                    self.binds += 1
                    writer.write(smpp.bare(head.command | smpp.RESPONSE, head.sequence))
                    writer.write(self._after_bind or b"")
                elif self._lives:
                    writer.write(smpp.bare(head.command | smpp.RESPONSE, head.sequence))
        writer.close()


@contextlib.asynccontextmanager
async def served(centre: Centre) -> AsyncIterator[Smpp]:
    server = await asyncio.start_server(centre.line, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    company = Smpp(SmppAccount("127.0.0.1", port, "clinic", "secret", NUMBER, "smpp"))
    stop = asyncio.Event()
    serving = asyncio.ensure_future(company.serve(Ours(), stop))
    yield company
    stop.set()
    await serving
    server.close()


async def test_a_centre_that_has_died_is_noticed_and_bound_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(smpp_line, "QUIET_SECONDS", 0.02)
    monkeypatch.setattr(smpp_line, "ANSWER_SECONDS", 0.1)
    centre = Centre(lives=False)
    async with served(centre) as company:
        await until(lambda: centre.binds == 2)
        assert company.carries == {"sms"}


async def test_a_centre_that_lives_is_asked_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smpp_line, "QUIET_SECONDS", 0.01)
    centre = Centre()
    async with served(centre) as company:
        await until(lambda: company.is_open)
        await asyncio.sleep(0.1)
        assert company.is_open
    assert centre.binds == 1


@pytest.mark.parametrize(
    "nonsense", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 16, b"\xff" * 64]
)
async def test_a_centre_that_talks_nonsense_is_left_and_bound_again(nonsense: bytes) -> None:
    centre = Centre(nonsense)
    async with served(centre) as company:
        await until(lambda: centre.binds == 2)
        assert company.carries == {"sms"}


async def test_what_cannot_be_read_is_rejected_and_the_line_stays() -> None:
    """A deliver_sm cut short, a command nobody knows, a response to nothing."""
    cut = smpp.bare(smpp.DELIVER_SM, 5)
    unknown = smpp.bare(0x00000103, 6)
    stray = smpp.bare(smpp.SUBMIT_SM | smpp.RESPONSE, 99)
    centre = Centre(cut + unknown + stray)
    async with served(centre) as company:
        await until(lambda: company.is_open)
        assert await company.text(BOB, "still here", CALLBACK) == ""
    assert centre.binds == 1
