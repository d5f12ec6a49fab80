"""ORM^O01 and OML^O21 as ServiceRequest."""

import pytest

from tests.unit.adapters.hl7v2.maps.mapped_by_site import AUTHORITY, PID, mapped, resources

ORC = "ORC|NW|P-1^EHR|||||||20260801083000+0000|||77^House^Greg^^^Dr"
OBR = "OBR|1|P-1^EHR||2823-3^Potassium^LN|||||||||||||||||||||||1^^^20260802080000+0000^^S||||N18.6^ESRD^I10"


@pytest.mark.parametrize("kind", ["ORM^O01", "OML^O21"])
def test_an_order(kind: str) -> None:
    made = resources(kind, PID, ORC, OBR, "NTE|1||Before dialysis")["order"]
    assert made["identifier"][0]["value"] == "P-1"
    assert made["identifier"][0]["system"] == AUTHORITY + "EHR"
    assert {
        key: made[key]
        for key in ("intent", "priority", "occurrenceDateTime", "authoredOn", "note", "subject")
    } == {
        "intent": "order",
        "priority": "stat",
        "occurrenceDateTime": "2026-08-02T08:00:00+00:00",
        "authoredOn": "2026-08-01T08:30:00+00:00",
        "note": [{"text": "Before dialysis"}],
        "subject": {"reference": "urn:hl7v2:subject"},
    }
    assert made["requester"]["display"] == "Dr Greg House"
    assert made["reasonCode"][0]["coding"][0]["code"] == "N18.6"
    assert made["code"]["coding"][0]["code"] == "2823-3"


@pytest.mark.parametrize(
    ("control", "state", "status"),
    [
        ("NW", "", None),
        ("CA", "", "revoked"),
        ("CA", "IP", "revoked"),
        ("DC", "", "revoked"),
        ("HD", "", "on-hold"),
        ("RL", "", "active"),
        ("SC", "CM", "completed"),
        ("XO", "", None),
    ],
)
def test_what_is_asked_for_decides_the_status(control: str, state: str, status: str | None) -> None:
    orc = f"ORC|{control}|P-1^EHR|||{state}"
    (made,) = [one for one in mapped("ORM^O01", PID, orc, OBR).resources if one.name == "order"]
    assert made.content.get("status") == status
    assert made.initially == {"status": "active"}


def test_each_order_of_a_message_has_the_control_of_its_own_orc() -> None:
    second = (ORC.replace("NW|P-1", "CA|P-2"), OBR.replace("P-1", "P-2"))
    made = resources("OML^O21", PID, ORC, OBR, *second)
    assert "status" not in made["order.1"]
    assert made["order.2"]["status"] == "revoked"
