"""The quarter-second memory of callers, where HTTP would not show it."""

import asyncio
from dataclasses import replace

import pytest

from fhirserver.kernel.errors import Unauthenticated
from fhirserver.kernel.principal import Grant, Principal, Relations
from fhirserver.rest import callers
from fhirserver.rest.callers import Callers, bearer_token
from tests.unit.rest.conftest import Server


def make(server: Server) -> Callers:
    services = server.services()
    return Callers(
        services.store,
        access_epoch=services.access_epoch,
        clock=services.clock,
        monotonic=services.monotonic,
    )


async def test_many_requests_at_once_ask_the_store_once(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = asyncio.Event()
    asked: list[str] = []

    async def slow(token: str) -> Grant | None:
        asked.append(token)
        await answer.wait()
        return Grant(Principal(1, "admin", ""))

    monkeypatch.setattr(server.record, "grant", slow)
    known = make(server)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(known.access(b"Bearer x")) for _ in range(50)]
        await asyncio.sleep(0)
        answer.set()

    assert {task.result().everything for task in tasks} == {True}
    assert asked == ["x"]


async def test_a_change_while_asking_counts_as_a_change(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = make(server)
    genuine = server.record.relations

    async def overtaken(principal: Principal) -> Relations:
        found = await genuine(principal)
        server.record.teams.clear()
        server.epoch += 1
        return found

    monkeypatch.setattr(server.record, "relations", overtaken)
    assert (await known.access(b"Bearer nurse")).patients == {"ann"}
    assert (await known.access(b"Bearer nurse")).patients == frozenset()


async def test_the_memory_is_bounded(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "MAX_TOKENS", 3)
    known = make(server)
    for number in range(20):
        server.record.tokens[f"t{number}"] = replace(server.record.tokens["admin"])
        server.seconds += 0.1 if number < 10 else 0.0
        await known.access(f"Bearer t{number}".encode())

    assert len(known._known) <= 3


@pytest.mark.parametrize(
    "value", [None, b"", b"Bearer ", b"Basic abc", b"Bearer " + b"x" * 5000, b"abc"]
)
def test_headers_without_a_bearer_token(value: bytes | None) -> None:
    with pytest.raises(Unauthenticated):
        bearer_token(value)
