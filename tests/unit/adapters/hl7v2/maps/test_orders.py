"""ORM^O01 and OML^O21 as ServiceRequest, pharmacy orders as MedicationRequest."""

from decimal import Decimal

import pytest

from fhirserver.wire.hl7v2.acknowledgement import Place
from tests.unit.adapters.hl7v2.maps.mapped_by_site import (
    AUTHORITY,
    PID,
    interpreted,
    mapped,
    resources,
)

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


RXO = (
    "RXO|4534^Epoetin alfa^99DRUG|4000||[iU]^international unit|||Give after dialysis||G||12|VIAL|3"
)
RXR = "RXR|IV^Intravenous^HL70162|RA^Right arm^HL70163"


V2 = "http://terminology.hl7.org/CodeSystem/v2-"


def test_a_pharmacy_order_is_a_medication_request() -> None:
    made = resources("ORM^O01", PID, ORC, RXO, RXR, "NTE|1||Check hemoglobin")
    assert "order" not in made
    found = made["prescription"]
    others = ("resourceType", "identifier", "subject", "requester")
    assert {key: found[key] for key in found if key not in others} == {
        "intent": "order",
        "authoredOn": "2026-08-01T08:30:00+00:00",
        "medicationCodeableConcept": {
            "coding": [{"system": "99DRUG", "code": "4534", "display": "Epoetin alfa"}],
            "text": "Epoetin alfa",
        },
        "note": [{"text": "Check hemoglobin"}],
        "dosageInstruction": [{
            "text": "Give after dialysis",
            "route": {"coding": [{"system": V2 + "0162", "code": "IV", "display": "Intravenous"}], "text": "Intravenous"},
            "site": {"coding": [{"system": V2 + "0163", "code": "RA", "display": "Right arm"}], "text": "Right arm"},
            "doseAndRate": [{"doseQuantity": {"value": Decimal(4000), "unit": "international unit"}}],
        }],
        "dispenseRequest": {"quantity": {"value": Decimal(12), "unit": "VIAL"}, "numberOfRepeatsAllowed": 3},
        "substitution": {"allowedBoolean": True},
    }  # fmt: skip
    assert found["identifier"][0]["value"] == "P-1"
    assert found["requester"]["display"] == "Dr Greg House"


def test_a_dose_may_be_a_range() -> None:
    (dosage,) = resources("ORM^O01", PID, ORC, "RXO|1^Heparin^L|1000|2000|[iU]")["prescription"][
        "dosageInstruction"
    ]
    assert dosage["doseAndRate"] == [
        {"doseRange": {"low": {"value": Decimal(1000), "unit": "[iU]"}, "high": {"value": Decimal(2000), "unit": "[iU]"}}}
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("control", "state", "status"),
    [("NW", "", None), ("CA", "", "cancelled"), ("DC", "", "stopped"), ("HD", "", "on-hold"), ("SC", "CM", "completed")],
)  # fmt: skip
def test_what_is_asked_for_decides_the_status_of_a_prescription(
    control: str, state: str, status: str | None
) -> None:
    orc = f"ORC|{control}|P-1^EHR|||{state}"
    assert resources("ORM^O01", PID, orc, RXO)["prescription"].get("status") == status


def test_orders_of_both_kinds_may_stand_in_one_message() -> None:
    made = resources("ORM^O01", PID, ORC, OBR, ORC.replace("NW|P-1", "CA|P-2"), RXO)
    assert made["order"]["identifier"][0]["value"] == "P-1"
    assert "status" not in made["order"]
    prescription = made["prescription"]
    assert (prescription["identifier"][0]["value"], prescription["status"]) == ("P-2", "cancelled")


def test_an_order_of_nothing_is_refused() -> None:
    found = interpreted("ORM^O01", PID, ORC)
    assert found.refusal is not None
    (fault,) = found.refusal.faults
    assert (fault.code, fault.place) == ("101", Place("OBR", 1, 4))
