"""The watcher survives a server that goes away, and stops when told to, at whatever moment."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from simulator.demo.cast import HOUSEHOLDS
from simulator.demo.picture import Line, Picture
from simulator.demo.watcher import Watcher
from simulator.record import Record

START = datetime(2026, 8, 1, 9, 30, tzinfo=UTC)


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


class BusyServer(httpx.AsyncBaseTransport):
    """Has `TASKS` tasks of the first home, a second apart, and answers with at most a page."""

    TASKS = 450

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        params = request.url.params
        if request.url.path == "/events":
            return httpx.Response(200, json=[])
        if not request.url.path.endswith("/Task"):
            return httpx.Response(200, json={"resourceType": "Bundle"})
        assert HOUSEHOLDS[0].patient.reference in params["patient"].split(",")
        since = datetime.fromisoformat(params["_lastUpdated"].removeprefix("ge"))
        tasks = [self.task(number) for number in range(self.TASKS)]
        page = [
            one for one in tasks if datetime.fromisoformat(one["meta"]["lastUpdated"]) >= since
        ][: int(params["_count"])]
        return httpx.Response(200, json={"entry": [{"resource": one} for one in page]})

    @staticmethod
    def task(number: int) -> dict[str, Any]:
        at = START + timedelta(seconds=number)
        return {
            "resourceType": "Task",
            "id": f"t{number}",
            "meta": {"versionId": "1", "lastUpdated": at.isoformat()},
            "status": "requested",
            "for": {"reference": HOUSEHOLDS[0].patient.reference},
            "partOf": [{"reference": "Task/incident"}],
            "owner": {"reference": "RelatedPerson/nobody"},
        }


def a_watcher(http: httpx.AsyncClient, told: list[Line]) -> Watcher:
    record = Record(http, "http://server/fhir", "admin")
    return Watcher(
        record,
        http,
        "http://phone",
        Picture(),
        clock=lambda: START,
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


async def test_what_happens_after_many_changes_is_told_too() -> None:
    told: list[Line] = []
    async with httpx.AsyncClient(transport=BusyServer()) as http:
        watcher = a_watcher(http, told)
        for _ in range(4):
            await watcher.look()
    assert len([line for line in told if line.kind == "answer"]) == BusyServer.TASKS
