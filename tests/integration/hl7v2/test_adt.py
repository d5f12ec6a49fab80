"""ADT: patients and visits, also when messages come late or in another order."""

from typing import Any

import pytest

from fhirserver.kernel.errors import Conflict, FhirError
from tests.integration.hl7v2.conftest import Engine

PID = "PID|1||MRN-7^^^CLINIC^MR||Doe^Ann^M||19610402|F|||Weg 1^^Ulm^^89073^DE||5551^PRN^PH"
CLINIC = "https://w3id.org/fhirserver/NamingSystem/hl7v2/CLINIC"


def pv1(place: str = "3W^12^A", start: str = "", end: str = "") -> str:
    fields = ["PV1", "1", "I", place, *[""] * 15, "V-1^^^CLINIC^VN", *[""] * 24, start, end]
    return "|".join(fields)


def status_of(visit: Any) -> Any:
    return visit["status"], visit.get("period")


async def test_an_admission_makes_a_patient_and_a_visit(engine: Engine) -> None:
    applied = await engine.send(
        "20260801093000+0000|ADT^A01|1", "EVN||20260801092900+0000", PID,
        pv1(start="20260801090000+0000"),
    )  # fmt: skip
    patient, visit = await engine.one("Patient"), await engine.one("Encounter")
    assert patient["name"][0]["family"] == "Doe"
    assert status_of(visit) == ("in-progress", {"start": "2026-08-01T09:00:00+00:00"})
    assert visit["subject"] == {"reference": f"Patient/{patient['id']}"}
    assert {one.reference for one in applied.stored} == {
        f"Patient/{patient['id']}",
        f"Encounter/{visit['id']}",
    }
    told = await engine.one("Provenance", patient=patient["id"])
    assert told["entity"][0]["what"]["identifier"]["value"] == f"urn:uuid:{engine.last}"
    assert told["occurredDateTime"] == "2026-08-01T09:29:00+00:00"
    assert {one["reference"] for one in told["target"]} == {one.reference for one in applied.stored}


async def test_a_stay_from_admission_to_discharge_and_back(engine: Engine) -> None:
    await engine.send("20260801090000+0000|ADT^A01|1", PID, pv1(start="20260801090000+0000"))
    await engine.send("20260801100000+0000|ADT^A02|2", PID, pv1("4E^2^B"))
    visit = await engine.one("Encounter")
    assert [
        (one["location"]["display"], one["status"], one["period"]) for one in visit["location"]
    ] == [
        (
            "3W 12 A",
            "completed",
            {"end": "2026-08-01T10:00:00+00:00"},
        ),
        ("4E 2 B", "active", {"start": "2026-08-01T10:00:00+00:00"}),
    ]
    await engine.send(
        "20260801110000+0000|ADT^A03|3", PID, pv1("4E^2^B", end="20260801110000+0000")
    )
    both = {"start": "2026-08-01T09:00:00+00:00", "end": "2026-08-01T11:00:00+00:00"}
    assert status_of(await engine.one("Encounter")) == ("finished", both)
    await engine.send("20260801113000+0000|ADT^A08|4", PID, pv1("4E^2^B"))
    assert status_of(await engine.one("Encounter")) == ("finished", both)
    await engine.send("20260801120000+0000|ADT^A13|5", PID, pv1("4E^2^B"))
    assert status_of(await engine.one("Encounter")) == (
        "in-progress",
        {"start": "2026-08-01T09:00:00+00:00"},
    )
    await engine.send("20260801130000+0000|ADT^A11|6", PID, pv1("4E^2^B"))
    assert (await engine.one("Encounter"))["status"] == "cancelled"


async def test_a_discharge_before_its_admission_stays_a_discharge(engine: Engine) -> None:
    await engine.send("20260801110000+0000|ADT^A03|2", PID, pv1(end="20260801110000+0000"))
    applied = await engine.send(
        "20260801090000+0000|ADT^A01|1", PID, pv1("1N", start="20260801090000+0000")
    )
    visit = await engine.one("Encounter")
    assert status_of(visit) == (
        "finished",
        {"start": "2026-08-01T09:00:00+00:00", "end": "2026-08-01T11:00:00+00:00"},
    )
    assert [one["location"]["display"] for one in visit["location"]] == ["3W 12 A"]
    assert any("something newer is known" in one for one in applied.told)


@pytest.mark.parametrize("by", ["EVN-2", "MSH-7"])
async def test_older_news_of_a_patient_destroy_nothing(engine: Engine, by: str) -> None:
    def event(at: str) -> list[str]:
        sent = "20260801200000+0000" if by == "EVN-2" else at
        return [f"{sent}|ADT^A08|{at}", *([f"EVN||{at}"] if by == "EVN-2" else [])]

    await engine.send(*event("20260801100000+0000"), PID.replace("Doe", "Roe"))
    await engine.send(
        *event("20260801090000+0000"), PID.replace("CLINIC^MR", "CLINIC^MR~99^^^LAB^PI")
    )
    patient = await engine.one("Patient")
    assert patient["name"][0]["family"] == "Roe"
    assert {one["value"] for one in patient["identifier"]} == {"MRN-7", "99"}


async def test_null_deletes_absent_keeps_and_others_identifiers_stay(engine: Engine) -> None:
    await engine.send("20260801100000+0000|ADT^A28|1", PID)
    known = await engine.one("Patient")
    await engine.put(
        {**known, "identifier": [*known["identifier"], {"system": "urn:x", "value": "app"}]}
    )
    await engine.send(
        "20260801110000+0000|ADT^A31|2", 'PID|1||MRN-7^^^CLINIC^MR||Doe^Ann||""||||||""'
    )
    patient = await engine.one("Patient")
    assert not {"birthDate", "telecom"} & patient.keys()
    assert (patient["gender"], patient["address"][0]["city"]) == ("female", "Ulm")
    assert {one["value"] for one in patient["identifier"]} == {"MRN-7", "app"}


async def test_the_same_message_again_writes_nothing(engine: Engine) -> None:
    message = ("20260801100000+0000|ADT^A01|1", PID, pv1(), "NK1|1|Doe^Bob|SPO")
    await engine.send(*message)
    assert (await engine.send(*message)).stored == ()
    assert len(await engine.all("Provenance")) == 1


async def test_patients_are_told_apart_by_identifier_and_never_by_name(engine: Engine) -> None:
    await engine.send("20260801100000+0000|ADT^A28|1", PID)
    await engine.send("20260801100000+0000|ADT^A28|2", PID.replace("CLINIC^MR", "OTHER^MR"))
    assert len(await engine.all("Patient", family="Doe")) == 2
    both = PID.replace("MRN-7^^^CLINIC^MR", "MRN-7^^^CLINIC^MR~MRN-7^^^OTHER^MR")
    with pytest.raises(Conflict):
        await engine.send("20260801110000+0000|ADT^A08|3", both)


async def test_a_visit_number_of_another_patient_is_refused_whole(engine: Engine) -> None:
    await engine.send("20260801100000+0000|ADT^A01|1", PID, pv1())
    with pytest.raises(Conflict):
        await engine.send("20260801110000+0000|ADT^A01|2", PID.replace("MRN-7", "MRN-8"), pv1())
    assert len(await engine.all("Patient")) == 1


async def test_what_is_not_valid_is_refused_whole(engine: Engine) -> None:
    # An appointment that is neither proposed nor cancelled has a start and an end (app-3).
    with pytest.raises(FhirError):
        await engine.send("20260801100000+0000|SIU^S12|1", "SCH|A-1|B-1", PID)
    assert await engine.all("Patient") == []


async def test_next_of_kin_are_related_persons_and_a_team_is_only_proposed(engine: Engine) -> None:
    kin = ("NK1|1|Doe^Bob|SPO^Spouse|||5552^PRN^PH", "NK1|2|Roe^Eve|FND^Friend|||5553^PRN^PH")
    await engine.send("20260801100000+0000|ADT^A01|1", PID, *kin)
    people = {one["name"][0]["family"]: one["id"] for one in await engine.all("RelatedPerson")}
    team = await engine.one("CareTeam")
    assert team["status"] == "proposed"
    assert [one["member"]["reference"] for one in team["participant"]] == [
        f"RelatedPerson/{people['Doe']}",
        f"RelatedPerson/{people['Roe']}",
    ]
    await engine.put({**team, "status": "active", "name": "Home team"})
    # Another order, and another number: the same people.
    await engine.send(
        "20260801110000+0000|ADT^A08|2", PID, kin[1].replace("|2|", "|1|"),
        kin[0].replace("5552", "5559"),
    )  # fmt: skip
    bob = await engine.one("RelatedPerson", name="Doe")
    assert (bob["id"], bob["telecom"][0]["value"]) == (people["Doe"], "5559")
    assert (await engine.one("CareTeam"))["name"] == "Home team"
