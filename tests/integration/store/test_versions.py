"""Many versions of many resources in one transaction: few statements, and only what there is."""

from typing import Any

import pytest

from fhirserver.kernel.resource import Json
from fhirserver.store.connection import Connection
from fhirserver.store.record import Record
from fhirserver.wire import fhir_json


def flag(patient: str, status: str = "active") -> Json:
    return {
        "resourceType": "Flag",
        "status": status,
        "code": {"text": "x"},
        "subject": {"reference": f"Patient/{patient}"},
    }


def states(found: Any, type_: str, id_: str) -> list[tuple[int, str]]:
    """The versions that were found, with the status each had ("" for a deletion)."""
    return [
        (one.version, "" if one.deleted else fhir_json.read(one.content)["status"])
        for one in found[type_, id_]
    ]


async def test_the_current_version_first_then_those_asked_for(record: Record) -> None:
    for status in ("active", "inactive", "active"):
        async with record.transaction(1) as tx:
            await tx.put(flag("ann", status), id_="f1")
            await tx.put(flag("joe", status), id_="f2")
    async with record.transaction(1) as tx:
        found = await tx.versions(
            {("Flag", "f1"): {1, 2}, ("Flag", "f2"): {3}, ("Flag", "f3"): {1}, ("Task", "t"): set()}
        )
    assert states(found, "Flag", "f1") == [(3, "active"), (1, "active"), (2, "inactive")]
    assert states(found, "Flag", "f2") == [(3, "active")]
    assert len(found) == 2


async def test_after_a_deletion_and_after_a_move(record: Record) -> None:
    async with record.transaction(1) as tx:
        made = await tx.put(flag("ann"))
        await tx.put(flag("ann"), id_="gone")
    async with record.transaction(1) as tx:
        await tx.put(flag("joe", "inactive"), id_=made.id)
        await tx.delete("Flag", "gone")
    async with record.transaction(1) as tx:
        found = await tx.versions({("Flag", made.id): {1}, ("Flag", "gone"): {1, 2}})
    assert states(found, "Flag", made.id) == [(2, "inactive"), (1, "active")]
    assert states(found, "Flag", "gone") == [(2, ""), (1, "active")]


async def test_what_this_transaction_wrote_itself(record: Record) -> None:
    async with record.transaction(1) as tx:
        await tx.put(flag("ann"), id_="f1")
    async with record.transaction(1) as tx:
        await tx.put(flag("ann", "inactive"), id_="f1")
        await tx.put(flag("ann"), id_="f2")
        found = await tx.versions({("Flag", "f1"): {1}, ("Flag", "f2"): {1}})
    assert states(found, "Flag", "f1") == [(2, "inactive"), (1, "active")]
    assert states(found, "Flag", "f2") == [(1, "active")]


async def test_a_version_removed_from_the_history_is_left_out(record: Record) -> None:
    for status in ("active", "inactive"):
        async with record.transaction(1) as tx:
            await tx.put(flag("ann", status), id_="f1")
    async with record.transaction(1) as tx:
        await tx.execute("DELETE FROM resource_history WHERE tenant = %s", (1,))
    async with record.transaction(1) as tx:
        assert states(await tx.versions({("Flag", "f1"): {1}}), "Flag", "f1") == [(2, "inactive")]


async def test_many_take_as_many_round_trips_as_one(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: dict[tuple[str, str], set[int]] = {}
    async with record.transaction(1) as tx:
        for _ in range(200):
            wanted["Flag", (await tx.put(flag("ann"))).id] = {1}
    async with record.transaction(1) as tx:
        for _, id_ in wanted:
            await tx.put(flag("ann", "inactive"), id_=id_)
    rounds = 0
    ask = Connection.round

    async def counted(self: Connection, queries: Any) -> Any:
        nonlocal rounds
        rounds += 1
        return await ask(self, queries)

    async with record.transaction(1) as tx:
        monkeypatch.setattr(Connection, "round", counted)
        found = await tx.versions(wanted)
        monkeypatch.undo()
    assert rounds == 2
    assert all(states(found, *one) == [(2, "inactive"), (1, "active")] for one in wanted)


async def test_nothing_is_asked_for_nothing(record: Record) -> None:
    async with record.transaction(1) as tx:
        assert await tx.versions({}) == {}
