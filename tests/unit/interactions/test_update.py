"""What an update asks of the current version, without HTTP."""

import pytest

from fhirserver.definitions import load
from fhirserver.interactions.context import Context
from fhirserver.interactions.update import Expected, update
from fhirserver.kernel.errors import BadRequest, NotFound, PreconditionFailed
from fhirserver.kernel.principal import Access, Principal
from fhirserver.kernel.resource import Json
from tests.unit.rest.memory_record import MemoryRecord, Observer

NURSE = Access(Principal(1, "practitioner", "Practitioner/nina"), False, frozenset({"ann"}))


def observation(of: str, id_: str = "x") -> Json:
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": f"Patient/{of}"},
    }


async def write(record: MemoryRecord, expected: Expected) -> bool:
    context = Context(NURSE, record, load(), Observer(), "http://test/fhir")
    return (await update(context, "Observation", "x", observation("ann"), expected)).created


async def test_the_first_version_is_a_create_and_the_next_is_not() -> None:
    record = MemoryRecord()

    assert await write(record, Expected()) is True
    assert await write(record, Expected(version=1)) is False


@pytest.mark.parametrize("expected", [Expected(version=2), Expected(absent=True)])
async def test_an_expectation_that_is_not_met_stores_nothing(expected: Expected) -> None:
    record = MemoryRecord()
    await write(record, Expected())

    with pytest.raises(PreconditionFailed):
        await write(record, expected)
    assert len(record.versions["Observation", "x"]) == 1


async def test_what_the_caller_cannot_see_is_not_there() -> None:
    record = MemoryRecord()
    record.add(observation("joe"))

    with pytest.raises(NotFound):
        await write(record, Expected())


async def test_another_id_in_the_body_is_refused() -> None:
    context = Context(NURSE, MemoryRecord(), load(), Observer(), "http://test/fhir")

    with pytest.raises(BadRequest):
        await update(context, "Observation", "x", observation("ann", "y"), Expected())
