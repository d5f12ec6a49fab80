"""Treatments of many machines that are told of in one batch."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, LiteralString

import pytest

from fhirserver.kernel.readings import Contact, Mode
from fhirserver.store.transaction import WriteTransaction
from tests.integration.sessions.conftest import Home


def said(home: Home, number: int, mode: Mode, session: str = "t-1", *, ago: float = 0.0) -> Contact:
    """What machine `number` of its own patient says."""
    return Contact(
        home.tenant,
        f"many-m{number}",
        f"many-p{number}",
        mode,
        True,
        home.now,
        True,
        session,
        home.now - timedelta(seconds=ago),
    )


async def hear(home: Home, *contacts: Contact) -> None:
    async with home.record.telemetry(home.tenant) as tx:
        await home.parts.sessions.contacts(tx, contacts)


async def states(home: Home) -> dict[str, list[str]]:
    """Return how the treatments of each machine stand, the earliest first."""
    async with home.record.transaction(home.tenant) as tx:
        rows = await tx.execute(
            "SELECT device, procedure, paused IS NOT NULL FROM treatment WHERE device LIKE 'many-%%' "
            "ORDER BY device, started",
            (),
        )
        found: dict[str, list[str]] = {}
        for device, procedure, paused in rows:
            resource = await tx.get("Procedure", procedure)
            assert resource is not None
            state = "paused" if paused and resource["status"] == "in-progress" else None
            found.setdefault(device, []).append(state or resource["status"])
    return found


async def test_each_is_followed_through_all_it_says(home: Home) -> None:
    await hear(
        home,
        said(home, 1, "TX", ago=40),
        said(home, 2, "TX", ago=30),
        said(home, 3, "IDL", ago=30),
        said(home, 1, "TX", "t-2", ago=20),
        said(home, 2, "POSTTX", ago=10),
        said(home, 4, "TX", ago=5),
        said(home, 4, "IDL", ago=4),
        said(home, 4, "TX", ago=3),
    )
    expected = {
        "many-m1": ["completed", "in-progress"],
        "many-m2": ["paused"],
        "many-m4": ["in-progress"],
    }
    assert await states(home) == expected
    home.pass_time(1)
    await hear(home, said(home, 1, "TX", "t-2"), said(home, 4, "TX"), said(home, 3, "IDL"))
    assert await states(home) == expected


async def test_however_many_begin_the_database_is_asked_as_often(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    execute = WriteTransaction.execute

    async def counted(
        self: WriteTransaction, sql: LiteralString, args: Any = ()
    ) -> list[tuple[Any, ...]]:
        asked.append(sql)
        return await execute(self, sql, args)

    async def statements(contacts: Sequence[Contact]) -> int:
        asked.clear()
        async with home.record.telemetry(home.tenant) as tx:
            with monkeypatch.context() as patched:
                patched.setattr(WriteTransaction, "execute", counted)
                await home.parts.sessions.contacts(tx, contacts)
        return len(asked)

    one = await statements([said(home, 10, "TX")])
    twenty = await statements([said(home, number, "TX") for number in range(11, 31)])
    assert one == twenty
    assert set(map(tuple, (await states(home)).values())) == {("in-progress",)}
    assert len(await states(home)) == 21


async def test_what_a_batch_that_failed_said_is_heard_again(home: Home) -> None:
    begins = [said(home, 40, "TX", ago=2), said(home, 40, "TX")]

    async def fail() -> None:
        async with home.record.telemetry(home.tenant) as tx:
            await home.parts.sessions.contacts(tx, begins)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await states(home) == {}
    await hear(home, *begins)
    assert await states(home) == {"many-m40": ["in-progress"]}
