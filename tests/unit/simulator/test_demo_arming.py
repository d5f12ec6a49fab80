"""The demonstration arms its homes: asks for a test page and waits until somebody has answered."""

from datetime import UTC, datetime

import httpx
import pytest

from simulator.demo import arming
from simulator.demo.arming import arm_all
from simulator.demo.cast import HOUSEHOLDS
from simulator.record import Record

NOW = datetime(2026, 8, 1, 9, 30, tzinfo=UTC)


class Server:
    """Answers each home's calls of $test-page and $armed with `states`, the last one for ever."""

    def __init__(self, states: list[str]) -> None:
        self.states = states
        self.asked: dict[str, list[str]] = {}

    def answer(self, request: httpx.Request) -> httpx.Response:
        _, _, _, patient, operation = request.url.path.split("/")
        calls = self.asked.setdefault(patient, [])
        calls.append(f"{request.method} {operation}")
        state = self.states[min(len(calls), len(self.states)) - 1]
        parameter = [{"name": "state", "valueCode": state}]
        return httpx.Response(200, json={"resourceType": "Parameters", "parameter": parameter})


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arming, "_LOOKS_EVERY_S", 0.0)


def a_record(server: Server) -> Record:
    http = httpx.AsyncClient(transport=httpx.MockTransport(server.answer))
    return Record(http, "http://server/fhir", "admin")


async def test_a_home_is_armed_when_its_test_page_is_answered() -> None:
    server = Server(["testing", "testing", "armed"])
    lines = await arm_all(a_record(server), lambda: NOW)
    assert [line.home for line in lines] == [home.key for home in HOUSEHOLDS]
    assert lines[0].text == "monitoring is armed: Bob Fischer has answered the test page"
    assert server.asked["demo-patient-a"] == ["POST $test-page", "GET $armed", "GET $armed"]


async def test_while_nobody_can_be_reached_it_is_asked_again() -> None:
    server = Server(["unarmed", "unarmed", "armed"])
    await arm_all(a_record(server), lambda: NOW)
    assert server.asked["demo-patient-b"] == ["POST $test-page"] * 3


async def test_a_home_that_cannot_be_armed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arming, "LONGEST_S", 0.05)
    lines = await arm_all(a_record(Server(["testing"])), lambda: NOW)
    assert {(line.kind, line.text) for line in lines} == {
        ("fault", "monitoring is NOT armed: testing")
    }
