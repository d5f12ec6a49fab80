"""update, where HTTP alone cannot make two writers meet."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fhirserver.definitions import load
from fhirserver.interactions.context import Context
from fhirserver.interactions.update import Expected, update
from fhirserver.kernel.errors import Conflict, NotFound
from fhirserver.kernel.principal import Access, Principal
from fhirserver.kernel.resource import Json, Stored
from tests.unit.rest.memory_record import MemoryRecord, Observer

NURSE = Access(
    Principal(1, "practitioner", "Practitioner/nina"), everything=False, patients=frozenset({"ann"})
)


class RacingRecord(MemoryRecord):
    """Somebody else writes for `rival` between the look and the write, `races` times."""

    rival = "joe"
    races = 1

    async def get_stored(self, type_: str, id_: str, *, lock: bool = False) -> Stored | None:
        seen = await super().get_stored(type_, id_, lock=lock)
        if self.races > 0 and seen is None:
            self.races -= 1
            self.committed = [self._append(observation(self.rival), id_)]
        return seen

    @asynccontextmanager
    async def transaction(self, tenant: int) -> AsyncIterator[MemoryRecord]:
        try:
            async with super().transaction(tenant) as tx:
                yield tx
        except BaseException:
            self.versions["Observation", "x"] = self.committed
            raise


def observation(of: str) -> Json:
    return {
        "resourceType": "Observation",
        "id": "x",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": f"Patient/{of}"},
    }


async def write(record: MemoryRecord) -> bool:
    context = Context(NURSE, record, load(), Observer(), "http://test/fhir")
    return (await update(context, "Observation", "x", observation("ann"), Expected())).created


async def test_a_resource_created_meanwhile_for_another_patient_is_not_overwritten() -> None:
    record = RacingRecord()

    with pytest.raises(NotFound):
        await write(record)


async def test_a_resource_created_meanwhile_for_the_same_patient_is_updated() -> None:
    record = RacingRecord()
    record.rival = "ann"

    assert await write(record) is False


async def test_an_endless_race_is_a_conflict() -> None:
    class ForgetfulRecord(RacingRecord):
        races = 100

        async def get_stored(self, type_: str, id_: str, *, lock: bool = False) -> Stored | None:
            self.versions.clear()
            return await super().get_stored(type_, id_, lock=lock)

    with pytest.raises(Conflict):
        await write(ForgetfulRecord())
