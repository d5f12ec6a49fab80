"""Small writes that share a transaction: what one of them meets, the others do not."""

import asyncio

import pytest

from fhirserver.kernel.errors import FhirError, Unprocessable
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Access
from fhirserver.kernel.resource import Json, Stored
from fhirserver.store.record import Record
from tests.integration.store.conftest import Witness


def patient(id_: str) -> Json:
    return {"resourceType": "Patient", "id": id_}


async def put(record: Record, id_: str, *, refuses: bool = False) -> Stored:
    async def work(tx: Transaction) -> Stored:
        if refuses:
            raise Unprocessable("no")
        return await tx.put(patient(id_), id_=id_)

    return await record.write(1, work, touching=[("Patient", id_)])


async def test_who_refuses_fails_alone(record: Record, admin: Access) -> None:
    outcomes = await asyncio.gather(
        *(put(record, f"p{number}", refuses=number % 3 == 0) for number in range(12)),
        return_exceptions=True,
    )

    assert [isinstance(one, Unprocessable) for one in outcomes] == [n % 3 == 0 for n in range(12)]
    for number in (1, 2, 11):
        assert (await record.read(admin, "Patient", f"p{number}")).version == 1


async def test_several_writes_of_one_resource_follow_each_other(
    record: Record, witness: Witness
) -> None:
    stored = await asyncio.gather(*(put(record, "same") for _ in range(10)))

    assert sorted(one.version for one in stored) == list(range(1, 11))
    assert len(witness.seen) == 10


async def test_an_observer_that_refuses_one_change_stops_that_one_alone(
    record: Record, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = witness.changed

    async def changed(tx: Transaction, changes: object) -> None:
        assert isinstance(changes, list)
        if any(one.id == "bad" for one in changes):
            raise Unprocessable("this one not")
        await seen(tx, changes)

    monkeypatch.setattr(witness, "changed", changed)
    names = ["a", "b", "bad", "c"]
    outcomes = await asyncio.gather(*(put(record, one) for one in names), return_exceptions=True)

    assert [isinstance(one, FhirError) for one in outcomes] == [False, False, True, False]
    assert sorted(one.id for one in witness.seen) == ["a", "b", "c"]


async def test_a_row_held_by_a_long_transaction_holds_up_nobody_else(record: Record) -> None:
    await put(record, "held")
    async with record.transaction(1) as tx:
        await tx.get("Patient", "held", lock=True)
        waiting = asyncio.create_task(put(record, "held"))
        others = await asyncio.gather(*(put(record, f"free{number}") for number in range(8)))
        assert not waiting.done()

    assert [one.version for one in others] == [1] * 8
    assert (await waiting).version == 2


async def test_a_transaction_that_takes_long_holds_nobody_up(record: Record) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(tx: Transaction) -> Stored:
        begun.set()
        await go_on.wait()
        return await tx.put(patient("slow"), id_="slow")

    waiting = asyncio.create_task(record.write(1, slow, touching=[("Patient", "slow")]))
    await begun.wait()
    assert (await put(record, "quick")).version == 1
    assert not waiting.done()
    go_on.set()
    assert (await waiting).version == 1
