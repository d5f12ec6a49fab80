"""The watcher survives a server that goes away, and stops when told to, at whatever moment."""

import asyncio
from datetime import UTC, datetime

import httpx
import pytest

from simulator.demo.picture import Line, Picture
from simulator.demo.watcher import Watcher
from simulator.record import Record


class DyingServer(httpx.AsyncBaseTransport):
    """Answers the phone company's log; of FHIR requests at one time one fails, others hang."""

    def __init__(self) -> None:
        self._waiting = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/events":
            return httpx.Response(200, json=[])
        self._waiting += 1
        try:
            if self._waiting > 1:
                await asyncio.Event().wait()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        finally:
            self._waiting -= 1
        raise httpx.ConnectError("refused")


def a_watcher(http: httpx.AsyncClient, told: list[Line]) -> Watcher:
    record = Record(http, "http://server/fhir", "admin")
    return Watcher(
        record,
        http,
        "http://phone",
        Picture(),
        clock=lambda: datetime(2026, 8, 1, 9, 30, tzinfo=UTC),
        tell=told.append,
    )


@pytest.mark.parametrize("turns", range(1, 25))
async def test_a_cancellation_is_never_lost_to_a_failing_server(turns: int) -> None:
    async with httpx.AsyncClient(transport=DyingServer()) as http:
        watching = asyncio.create_task(a_watcher(http, []).run())
        for _ in range(turns):
            await asyncio.sleep(0)
        watching.cancel()
        for _ in range(50):
            await asyncio.sleep(0)
        assert watching.cancelled()


async def test_a_server_that_does_not_answer_is_said_once() -> None:
    told: list[Line] = []
    async with httpx.AsyncClient(transport=DyingServer()) as http:
        watcher = a_watcher(http, told)
        with pytest.raises(httpx.ConnectError):
            await watcher.look()
        watching = asyncio.create_task(watcher.run())
        for _ in range(50):
            await asyncio.sleep(0)
        watching.cancel()
    assert [line.text for line in told] == ["the server does not answer: refused"]
