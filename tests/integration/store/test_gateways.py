"""A gateway's broker credentials speak for the devices behind it, and for no others."""

import pytest

from fhirserver.kernel.errors import NotFound, Unprocessable
from fhirserver.store.record import Record

EUI64 = "urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680"


@pytest.fixture
async def devices(record: Record) -> Record:
    async with record.transaction(1) as tx:
        for number in range(4):
            identifier = {"system": EUI64, "value": f"0A-1B-2C-FF-FE-00-00-0{number}"}
            await tx.put({"resourceType": "Device", "identifier": [identifier]}, id_=f"d{number}")
        await tx.put({"resourceType": "Device"}, id_="nameless")
    return record


def address(number: int) -> str:
    return f"0A1B2CFFFE00000{number}"


async def test_a_gateway_speaks_for_what_is_behind_it(devices: Record) -> None:
    granted = await devices.enroll_device(1, "d0", ["d1", "d2"])
    checked = await devices.check_device(granted.username, granted.password)
    assert checked == ("home", address(0), (address(1), address(2)))
    async with devices.transaction(1) as tx:
        rows = await tx.execute("SELECT address, device FROM device_enrollment ORDER BY address")
    assert rows == [(address(0), "d0"), (address(1), "d1"), (address(2), "d2")]


async def test_enrolling_again_replaces_what_is_behind(devices: Record) -> None:
    first = await devices.enroll_device(1, "d0", ["d1", "d2"])
    second = await devices.enroll_device(1, "d0", ["d3"])
    assert await devices.check_device(first.username, first.password) is None
    assert await devices.check_device(second.username, second.password) == (
        "home",
        address(0),
        (address(3),),
    )


async def test_a_device_keeps_its_own_credentials_behind_a_gateway(devices: Record) -> None:
    own = await devices.enroll_device(1, "d1")
    await devices.enroll_device(1, "d0", ["d1"])
    assert await devices.check_device(own.username, own.password) == ("home", address(1), ())


async def test_nobody_speaks_for_a_device_that_is_not_there_or_has_no_address(
    devices: Record,
) -> None:
    with pytest.raises(NotFound):
        await devices.enroll_device(1, "d0", ["stranger"])
    with pytest.raises(Unprocessable):
        await devices.enroll_device(1, "d0", ["nameless"])
    with pytest.raises(Unprocessable):
        await devices.enroll_device(1, "d0", ["d1"] * 501)
