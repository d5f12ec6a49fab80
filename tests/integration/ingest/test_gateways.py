"""What a gateway's own status says of the devices behind it."""

from fhirserver.kernel.readings import Contact
from tests.integration.ingest.test_ingest import Home, clock, home, witness
from tests.integration.store.conftest import Witness

__all__ = ["clock", "home", "witness"]

GATEWAY = "0A1B2CFFFE000001"


async def enrolled(home: Home, *behind: str) -> None:
    identifier = {
        "system": "urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680",
        "value": "0A-1B-2C-FF-FE-00-00-01",
    }
    async with home.record.transaction(1) as tx:
        await tx.put({"resourceType": "Device", "identifier": [identifier]}, id_="gateway")
    await home.record.enroll_device(1, "gateway", behind)


def told(witness: Witness) -> list[tuple[str, str | None, bool]]:
    return [(one.device, one.patient, one.online) for one in witness.alive if one.by_gateway]


async def test_its_will_is_about_every_device_behind_it(home: Home, witness: Witness) -> None:
    await enrolled(home, "machine")
    await home.say(("status", {"state": "offline"}), address=GATEWAY)
    assert told(witness) == [("machine", "ann", False)]
    own: list[Contact] = [one for one in witness.alive if not one.by_gateway]
    assert [one.device for one in own] == ["gateway"]
    await home.say(("status", {"state": "online"}), address=GATEWAY)
    assert told(witness)[1:] == [("machine", "ann", True)]


async def test_what_is_behind_it_no_more_is_none_of_its_business(
    home: Home, witness: Witness
) -> None:
    await enrolled(home, "machine")
    await enrolled(home)
    await home.say(("status", {"state": "offline"}), address=GATEWAY)
    assert told(witness) == []
