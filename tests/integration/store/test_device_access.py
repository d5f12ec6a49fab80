"""Devices that were let in and are no more: alone, behind a gateway, and let in again."""

from datetime import UTC, datetime

import pytest

from fhirserver.revocation import Revocation
from fhirserver.store import device_access
from fhirserver.store.record import Record

EUI64 = "urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680"
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
async def devices(record: Record) -> Record:
    async with record.transaction(1) as tx:
        for number in range(3):
            identifier = {"system": EUI64, "value": f"0A-1B-2C-FF-FE-00-00-0{number}"}
            await tx.put({"resourceType": "Device", "identifier": [identifier]}, id_=f"d{number}")
    return record


def address(number: int) -> str:
    return f"0A1B2CFFFE00000{number}"


async def revoke(record: Record, device: str) -> bool:
    async with record.transaction(1) as tx:
        return await device_access.revoke_device(tx, device)


async def test_a_revoked_device_is_refused_until_it_is_enrolled_again(devices: Record) -> None:
    lost = await devices.enroll_device(1, "d0")
    assert await devices.check_device(lost.username, lost.password) is not None
    assert await revoke(devices, "d0")
    assert await devices.check_device(lost.username, lost.password) is None
    again = await devices.enroll_device(1, "d0")
    assert await devices.check_device(lost.username, lost.password) is None
    assert await devices.check_device(again.username, again.password) is not None


async def test_what_is_not_enrolled_cannot_be_revoked(devices: Record) -> None:
    assert not await revoke(devices, "d1")
    assert not await revoke(devices, "stranger")


async def test_a_gateway_speaks_no_more_for_a_revoked_device_behind_it(devices: Record) -> None:
    gateway = await devices.enroll_device(1, "d0", ["d1", "d2"])
    assert await revoke(devices, "d1")
    checked = await devices.check_device(gateway.username, gateway.password)
    assert checked == ("home", address(0), (address(2),))
    # Enrolling the gateway anew does not let the device in by the back door.
    gateway = await devices.enroll_device(1, "d0", ["d1", "d2"])
    checked = await devices.check_device(gateway.username, gateway.password)
    assert checked == ("home", address(0), (address(2),))


async def test_messages_of_a_revoked_device_count_no_more(devices: Record) -> None:
    await devices.enroll_device(1, "d0")
    async with devices.telemetry(1) as tx:
        assert address(0) in await tx.devices([address(0)])
    await revoke(devices, "d0")
    async with devices.telemetry(1) as tx:
        assert address(0) not in await tx.devices([address(0)])


async def test_connections_of_the_device_and_of_its_gateway_are_ended(devices: Record) -> None:
    await devices.enroll_device(1, "d0", ["d1"])
    await revoke(devices, "d1")
    asked: list[dict[str, datetime]] = []

    async def end(good_from: object) -> int:
        asked.append(dict(good_from))  # type: ignore[call-overload]
        return len(asked[-1])

    looking = Revocation(devices.tenants, devices.changed_devices, end, lambda: LONG_AGO)
    assert await looking.look(LONG_AGO) == 2
    assert asked[0].keys() == {f"home.{address(0)}", f"home.{address(1)}"}


async def test_the_list_says_who_is_let_in(devices: Record) -> None:
    await devices.enroll_device(1, "d0", ["d1"])
    await revoke(devices, "d1")
    async with devices.transaction(1) as tx:
        found = await device_access.listed_devices(tx)
    assert [(one.device, one.behind, one.revoked is None) for one in found] == [
        ("d0", 1, True),
        ("d1", 0, False),
    ]
    assert all(one.last_heard is None for one in found)
