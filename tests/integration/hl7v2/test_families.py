"""One message of every family besides ADT, carried out."""

import pytest

from fhirserver.kernel.errors import Conflict
from tests.integration.hl7v2.conftest import Engine

PID = "PID|1||MRN-7^^^CLINIC^MR||Doe^Ann||19610402|F"
OBR = "OBR|1|P-1^EHR|F-9^LAB|24323-8^CMP^LN|||20260801080000+0200|||||||||||||||20260801092000+0200||CH|P"
POTASSIUM = "OBX|1|NM|2823-3^Potassium^LN||6.10|mmol/L^mmol/L^UCUM|3.5-5.1|HH|||P"
SODIUM = "OBX|2|NM|2951-2^Sodium^LN||140|mmol/L^mmol/L^UCUM||||||P"


async def test_a_corrected_result_takes_the_place_of_the_first_one(engine: Engine) -> None:
    await engine.send("20260801093000+0000|ORU^R01|1", PID, OBR, POTASSIUM, SODIUM)
    report = await engine.one("DiagnosticReport")
    first = {one["code"]["coding"][0]["code"]: one for one in await engine.all("Observation")}
    assert {one["reference"] for one in report["result"]} == {
        f"Observation/{one['id']}" for one in first.values()
    }
    final = OBR.removesuffix("P") + "C"
    corrected = POTASSIUM.replace("6.10", "4.10").replace("|HH|", "|N|").removesuffix("P") + "C"
    # The results come in another order and under other numbers.
    await engine.send(
        "20260801103000+0000|ORU^R01|2", PID, final,
        SODIUM.replace("OBX|2", "OBX|1"), corrected.replace("OBX|1", "OBX|2"),
    )  # fmt: skip
    again = {one["code"]["coding"][0]["code"]: one for one in await engine.all("Observation")}
    assert {code: one["id"] for code, one in again.items()} == {
        code: one["id"] for code, one in first.items()
    }
    assert str(again["2823-3"]["valueQuantity"]["value"]) == "4.10"
    assert again["2823-3"]["status"] == "corrected"
    assert (await engine.one("DiagnosticReport"))["status"] == "corrected"


async def test_a_preliminary_result_that_comes_late_changes_nothing(engine: Engine) -> None:
    await engine.send(
        "20260801103000+0000|ORU^R01|2", PID, OBR.removesuffix("P") + "F",
        POTASSIUM.replace("6.10", "4.10").removesuffix("P") + "F",
    )  # fmt: skip
    late = await engine.send("20260801093000+0000|ORU^R01|1", PID, OBR, POTASSIUM)
    result = await engine.one("Observation")
    assert (str(result["valueQuantity"]["value"]), result["status"]) == ("4.10", "final")
    assert len(late.told) == 2


async def test_what_a_laboratory_says_of_a_patient_is_no_news_about_them(engine: Engine) -> None:
    await engine.send("20260801090000+0000|ADT^A28|1", PID)
    await engine.send("20260801093000+0000|ORU^R01|2", PID.replace("Doe", "DOE"), OBR, POTASSIUM)
    assert (await engine.one("Patient"))["name"][0]["family"] == "Doe"


async def test_results_of_a_merged_patient_go_to_the_survivor(engine: Engine) -> None:
    other = PID.replace("MRN-7", "MRN-8")
    await engine.send("20260801090000+0000|ORU^R01|1", PID, OBR, POTASSIUM)
    await engine.send("20260801090000+0000|ADT^A28|2", other)
    retired = (await engine.one("Observation"))["subject"]
    await engine.send("20260801093000+0000|ADT^A40|3", other, "MRG|MRN-7^^^CLINIC^MR")
    corrected = POTASSIUM.replace("6.10", "4.10")
    await engine.send("20260801100000+0000|ORU^R01|4", PID, OBR, corrected)
    result = await engine.one("Observation")
    # What referred to the retired record goes on doing so; what is new is the survivor's.
    assert (result["subject"], str(result["valueQuantity"]["value"])) == (retired, "4.10")
    await engine.send("20260801110000+0000|ORU^R01|5", PID, OBR.replace("F-9", "F-10"), SODIUM)
    new = await engine.one("Observation", code="2951-2")
    assert new["subject"] != retired


async def test_an_order_is_placed_and_cancelled(engine: Engine) -> None:
    obr = "OBR|1|P-1^EHR||2823-3^Potassium^LN"
    await engine.send("20260801090000+0000|ORM^O01|1", PID, "ORC|NW|P-1^EHR", obr)
    order = await engine.one("ServiceRequest")
    assert (order["status"], order["intent"]) == ("active", "order")
    await engine.send("20260801093000+0000|OML^O21|2", PID, "ORC|XO|P-1^EHR|F-9^LAB", obr)
    assert (await engine.one("ServiceRequest"))["status"] == "active"
    await engine.send("20260801100000+0000|ORM^O01|3", PID, "ORC|CA|P-1^EHR", obr)
    cancelled = await engine.one("ServiceRequest")
    assert (cancelled["id"], cancelled["status"]) == (order["id"], "revoked")
    assert {one["value"] for one in cancelled["identifier"]} == {"P-1", "F-9"}


async def test_an_order_number_of_another_patient_is_refused(engine: Engine) -> None:
    message = ("ORC|NW|P-1^EHR", "OBR|1|P-1^EHR||2823-3^Potassium^LN")
    await engine.send("20260801090000+0000|ORM^O01|1", PID, *message)
    with pytest.raises(Conflict):
        await engine.send("20260801100000+0000|ORM^O01|2", PID.replace("MRN-7", "MRN-8"), *message)


async def test_an_appointment_is_booked_moved_and_cancelled(engine: Engine) -> None:
    def sch(day: str) -> str:
        return f"SCH|A-1^EHR|B-1^SCHED|||||CHECK^Check-up||30|min|^^30^202608{day}090000+0200^202608{day}093000+0200"

    await engine.send("20260801090000+0000|SIU^S12|1", sch("10"), PID)
    await engine.send("20260801100000+0000|SIU^S13|2", sch("11"), PID)
    moved = await engine.one("Appointment")
    assert (moved["status"], moved["start"]) == ("booked", "2026-08-11T09:00:00+02:00")
    await engine.send("20260801110000+0000|SIU^S15|3", "SCH|A-1^EHR|B-1^SCHED", PID)
    cancelled = await engine.one("Appointment")
    assert (cancelled["id"], cancelled["status"]) == (moved["id"], "cancelled")


async def test_a_document_arrives_with_its_content(engine: Engine) -> None:
    txa = "TXA|1|DS^Discharge summary|TX||20260801090000+0000|||||||D-1^EHR|||||LA"
    await engine.send(
        "20260801090000+0000|MDM^T02|1", PID, txa, "OBX|1|TX|18842-5^Summary^LN||Well||||||F"
    )
    document = await engine.one("DocumentReference")
    assert document["content"][0]["attachment"]["data"] == "V2VsbA=="
    assert document["subject"]["reference"] == f"Patient/{(await engine.one('Patient'))['id']}"
