"""A delivery asks anew: who may not see a patient any more is told numbers only, however it ended."""

import pytest

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Principal
from fhirserver.kernel.relationships import Emergency
from fhirserver.kernel.resource import Json
from tests.integration.notifications.conftest import Ward, flag, status_of, subscription
from tests.integration.notifications.test_shape import told

OMAR = "Practitioner/omar"


async def named(ward: Ward, id_: str, owner: Principal) -> bool:
    """Whether the Bundle for `owner` names its focus."""
    bundle: Json = await told(ward, id_, owner)
    said = status_of(bundle["entry"][0]["resource"])
    return "focus" in said["events"][0]


async def test_help_in_an_emergency(ward: Ward) -> None:
    id_ = await ward.subscribe(subscription())
    await ward.write(flag("f1"))
    omar = Principal(ward.tenant, "practitioner", OMAR)
    rows = ward.record.relationships.emergencies
    assert not await named(ward, id_, omar)
    async with ward.record.transaction(ward.tenant) as tx:
        hours = tx.now.replace(year=tx.now.year + 1)
        lasting = Emergency(tx.new_id("ann"), "ann", OMAR, "help", tx.now, hours, "task")
        await rows.open(tx, lasting)
    assert await named(ward, id_, omar)
    async with ward.record.transaction(ward.tenant) as tx:
        assert await rows.end(tx, "ann", OMAR) == 1
    assert not await named(ward, id_, omar)


async def test_support_between_patients(ward: Ward) -> None:
    id_ = await ward.subscribe(subscription())
    await ward.write(flag("f1"))
    joe = Principal(ward.tenant, "patient", "Patient/joe")
    rows = ward.record.relationships.peers
    assert not await named(ward, id_, joe)
    async with ward.record.transaction(ward.tenant) as tx:
        await rows.agree(tx, "ann", "joe")
    assert await named(ward, id_, joe)
    async with ward.record.transaction(ward.tenant) as tx:
        assert await rows.end(tx, "joe", "ann", "Patient/joe")
    assert not await named(ward, id_, joe)


async def test_a_guardian(ward: Ward) -> None:
    id_ = await ward.subscribe(subscription())
    await ward.write(flag("f1"))
    parent = Principal(ward.tenant, "related-person", "RelatedPerson/mum")
    rows = ward.record.relationships.guardians
    async with ward.record.transaction(ward.tenant) as tx:
        await rows.appoint(tx, "ann", "RelatedPerson/mum")
        assert await rows.keep(tx, "ann", "RelatedPerson/mum")
    assert await named(ward, id_, parent)
    async with ward.record.transaction(ward.tenant) as tx:
        assert await rows.end(tx, "ann", "RelatedPerson/mum")
    assert not await named(ward, id_, parent)


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_the_epoch_moves_with_the_change_and_not_before(ward: Ward, moment: str) -> None:
    before = await ward.record.access_epoch()

    async def change(tx: Transaction) -> None:
        await ward.record.relationships.peers.agree(tx, "ann", "joe")
        if moment == "before":
            raise RuntimeError

    try:
        async with ward.record.transaction(ward.tenant) as tx:
            await change(tx)
    except RuntimeError:
        assert moment == "before"
    assert (await ward.record.access_epoch() > before) == (moment == "after")
