"""Transfers, discharges taken back and merges go out as ADT, found beside the version before."""

from typing import Any

from fhirserver.kernel.canonical import TOPIC_ADMISSION, TOPIC_RESOURCE_CHANGE
from fhirserver.kernel.resource import Json
from tests.integration.response.test_hl7v2_channel import Interface, interface
from tests.integration.response.test_hl7v2_going_on import listening

__all__ = ["interface"]  # fixtures are found by their names here


def stay(status: str, *places: str) -> Json:
    """Return a stay at the last of `places`, those before it being over."""
    return {
        "resourceType": "Encounter",
        "id": "e1",
        "status": status,
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": "Patient/ann"},
        "location": [
            {
                "location": {"reference": f"Location/{one}"},
                "status": "active" if one == places[-1] else "completed",
            }
            for one in places
        ],
    }


def told(interface: Interface) -> list[str]:
    return [one.header.text(9, 2) or "" for one in interface.engine.got]


async def test_a_stay_with_a_transfer_and_a_discharge_taken_back(interface: Interface) -> None:
    place = listening(interface)
    for name in ("w1", "w2"):
        await place.put({"resourceType": "Location", "id": name, "name": f"Ward {name}"})
    await interface.subscribe(
        "message: ADT", topic=TOPIC_ADMISSION, filters=("patient=Patient/ann",)
    )
    for status, *where in (
        ("in-progress", "w1"),
        ("in-progress", "w1", "w2"),
        ("finished", "w1", "w2"),
        ("in-progress", "w1", "w2"),
        ("cancelled", "w1", "w2"),
    ):
        await place.put(stay(status, *where))
    assert told(interface) == ["A01", "A02", "A03", "A13", "A11"]
    moved = interface.engine.got[1].first("PV1")
    assert moved is not None
    assert (moved.text(3, 9), moved.text(6, 9)) == ("Ward w2", "Ward w1")


async def test_a_record_that_ends_in_another_is_told_once(interface: Interface) -> None:
    place = listening(interface)
    await interface.subscribe(
        "message: ADT", topic=TOPIC_RESOURCE_CHANGE, filters=("Patient?_id=ann",)
    )
    survivor: Json = {
        "resourceType": "Patient",
        "id": "zoe",
        "identifier": [{"system": "urn:oid:1.2.3.4", "value": "MRN-9"}],
    }
    await place.put(survivor)
    ann: dict[str, Any] = await place.get("Patient", "ann")
    link = [{"other": {"reference": "Patient/zoe"}, "type": "replaced-by"}]
    await place.put({**ann, "active": False, "link": link})
    await place.put({**ann, "active": False, "link": link, "gender": "unknown"})
    assert told(interface) == ["A40", "A31"]
    (merge, _) = interface.engine.got
    pid, mrg = merge.first("PID"), merge.first("MRG")
    assert pid is not None
    assert mrg is not None
    assert (pid.text(3), mrg.text(1)) == ("MRN-9", "MRN-7")
