"""A machine in use for somebody is not given to another patient by who has nothing to do with them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fhirserver.kernel.resource import Json
from tests.conftest import Database
from tests.integration.rest.conftest import put
from tests.integration.rest.relationships import Clinic, member, open_clinic, team
from tests.patience import PATIENCE_SECONDS

JOES = {"start": "2026-01-01T08:00:00Z", "end": "2026-03-01T08:00:00Z"}


@pytest.fixture
async def clinic(shared_database: Database) -> AsyncIterator[Clinic]:
    async with open_clinic(shared_database) as found:
        await found.store(
            {"resourceType": "Device", "id": "pump"}, use("joes", "joe", timingPeriod=JOES)
        )
        yield found


def use(id_: str, of: str, **more: Any) -> Json:
    return {
        "resourceType": "DeviceUseStatement",
        "id": id_,
        "status": "active",
        "subject": {"reference": f"Patient/{of}"},
        "device": {"reference": "Device/pump"},
        **more,
    }


@pytest.mark.parametrize(
    "period",
    [
        None,
        {"start": "2026-02-28"},
        {"end": "2026-01-01"},
        {"start": "2026-02-01", "end": "2026-02-02"},
    ],
)
@pytest.mark.parametrize("status", ["active", "completed"])
async def test_nobody_takes_the_machine_of_a_stranger(
    clinic: Clinic, period: Json | None, status: str
) -> None:
    """Joe's readings would be stored in Ann's record, and nobody would watch over Joe."""
    more = {} if period is None else {"timingPeriod": period}
    nina = await clinic.nurse("nina")

    answer = await put(nina, use("anns", "ann", status=status, **more))

    assert answer.status_code == 403, answer.text
    assert "joe" not in answer.text


async def test_nor_by_changing_a_use_that_was_harmless(clinic: Clinic) -> None:
    nina = await clinic.nurse("nina")
    later = {"timingPeriod": {"start": "2026-03-02"}}
    assert (await put(nina, use("anns", "ann", **later))).status_code == 201

    earlier = [{"op": "replace", "path": "/timingPeriod/start", "value": "2026-02-02"}]
    answer = await nina.patch(
        "DeviceUseStatement/anns",
        json=earlier,
        headers={"content-type": "application/json-patch+json"},
    )

    assert answer.status_code == 403, answer.text


async def test_who_is_on_both_teams_hands_a_machine_over(clinic: Clinic) -> None:
    await clinic.store(team("joe", member("Practitioner/nina"), member("Practitioner/omar")))
    nina = await clinic.nurse("nina")

    assert (await put(nina, use("anns", "ann"))).status_code == 201
    assert (await put(clinic.admin, use("kims", "kim"))).status_code == 201


@pytest.mark.parametrize("status", ["intended", "entered-in-error"])
async def test_what_binds_no_machine_takes_none(clinic: Clinic, status: str) -> None:
    nina = await clinic.nurse("nina")

    assert (await put(nina, use("anns", "ann", status=status))).status_code == 201
    assert (await put(nina, use("kims", "kim", device={"display": "scales"}))).status_code == 201


async def test_one_who_changes_nothing_about_whose_it_is_goes_on(clinic: Clinic) -> None:
    """Two statements that overlap were made by who may: the note of either team's nurse is not refused."""
    await clinic.store(use("anns", "ann"))
    nina = await clinic.nurse("nina")

    noted = use("anns", "ann", note=[{"text": "hose replaced"}])

    assert (await put(nina, noted)).status_code == 200


async def test_two_who_take_a_free_machine_at_once_do_not_both_get_it(clinic: Clinic) -> None:
    """The second one asks while the first has asked and not committed, and is told when the first has."""
    machines, whole = clinic.record.relationships.machines, (None, None)
    await clinic.store({"resourceType": "Device", "id": "scales"})

    async def second() -> list[str]:
        async with clinic.record.transaction(clinic.tenant) as tx:
            return list(await machines.used_by(tx, "scales", whole, "kims"))

    async with clinic.record.transaction(clinic.tenant) as tx:
        assert list(await machines.used_by(tx, "scales", whole, "anns")) == []
        asking = asyncio.create_task(second())
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (await _waits_for_a_lock(clinic) or asking.done()):  # noqa: ASYNC110 - the database tells nobody
                await asyncio.sleep(0.01)
        assert not asking.done()
        await tx.put(use("anns", "ann", device={"reference": "Device/scales"}), id_="anns")
    assert await asking == ["ann"]


async def test_machines_are_asked_about_side_by_side(clinic: Clinic) -> None:
    machines, whole = clinic.record.relationships.machines, (None, None)
    async with (
        clinic.record.transaction(clinic.tenant) as one,
        clinic.record.transaction(clinic.tenant) as other,
    ):
        async with asyncio.timeout(PATIENCE_SECONDS):
            await machines.used_by(one, "scales", whole, "")
            await machines.used_by(other, "cuff", whole, "")


async def _waits_for_a_lock(clinic: Clinic) -> bool:
    async with clinic.record.transaction(clinic.tenant) as tx:
        found = await tx.execute(
            "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND NOT granted "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
    return bool(found)
