"""ORU^R01: what devices measured leaves as IHE PCD-01 has it, and comes back as it was."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import hl7
import pytest
from hl7apy.parser import parse_message

from adapters import containment
from adapters import observation as observations
from adapters.containment import Window
from adapters.hl7v2 import sites
from adapters.hl7v2.device.reported import DeviceReport, PatientId
from adapters.hl7v2.routing import interpret
from adapters.metrics import METRICS
from fhirserver.kernel.canonical import UCUM
from fhirserver.kernel.resource import Json
from fhirserver.wire.hl7v2.message import Message, read
from subscriptions.core.hl7v2.asked import Asked
from subscriptions.core.hl7v2.control_id import ControlId, read_control_id
from subscriptions.core.hl7v2.messages import messages
from tests.unit.subscriptions.core.hl7v2.notifications import (
    ANN,
    AT,
    CONTEXT,
    EUI,
    MACHINE,
    NOW,
    THERAPY,
    bundle,
    measured,
)

ASKED = Asked("ORU^R01", {5: "EHR", 6: "CLINIC^1.2.3^ISO"})
SITES = sites.load(unknown="accept")


def sent(*resources: Json, **options: Any) -> list[Message]:
    return [read(one.text) for one in messages(bundle(resources, **options), ASKED, "s1", NOW)]


def of_machine(message: Message) -> DeviceReport:
    """Return what our own reader of machines makes of a message that was sent."""
    sender = SITES.sender_of(message.header, sites.Peer("10.1.2.3"))
    assert sender is not None
    found = interpret(message, sender, SITES.plans)
    assert found.refusal is None
    assert found.report.unread == {}
    (report,) = found.devices
    return report


SNAPSHOT = [
    measured("158776", Decimal(162), "o1"),
    measured("158744", Decimal("-130.50"), "o2"),
    measured("158740", Decimal("398.500"), "o3"),
    measured("159036", None, "o4"),
    measured("16935956", Decimal("1E+2"), "o5"),
]


def test_a_snapshot_of_a_machine_is_one_message_that_reads_as_it_was_measured() -> None:
    (message,) = sent(*SNAPSHOT)
    report = of_machine(message)
    assert (report.address, report.model, report.serial) == (EUI, "SIM100", "00042")
    assert report.patients == (
        PatientId("MRN-7", None, "MR"),
        PatientId("a|b^c&d~e\\f", "CLINIC", None),
    )
    (told,) = report.telemetry
    assert (told.session, told.test) == (THERAPY, False)
    (sample,) = told.samples
    assert told.dev_time == NOW
    assert NOW + timedelta(milliseconds=sample.offset_ms) == datetime.fromisoformat(AT)
    assert {code: None if v is None else str(v) for code, v in sample.values.items()} == {
        "158776": "162",
        "158744": "-130.50",
        "158740": "398.500",
        "159036": None,
        "16935956": "100",
    }
    assert told.quality == {"159036": "error"}
    assert {code: one.unit for code, one in report.told.items()} == {
        code: METRICS[code].unit for code in report.told
    }
    assert {code: one.limits for code, one in report.told.items() if one.limits} == {
        "158776": Window(Decimal(122), Decimal(262)),
        "158744": Window(Decimal(-250), Decimal(-20)),
    }


def test_every_measure_we_know_comes_back() -> None:
    for code, metric in METRICS.items():
        if metric.channel is None:
            continue
        tree = list(containment.resources("m1", {"metrics": {code: {"unit": metric.unit}}}))
        (message,) = sent(measured(code, Decimal("1.25"), "o1"), context=[ANN, MACHINE, *tree])
        (telemetry,) = of_machine(message).telemetry
        assert telemetry.samples[0].values == {code: Decimal("1.25")}, code


def test_the_header_is_as_asked() -> None:
    (message,) = sent(SNAPSHOT[0])
    header = message.header
    assert [header.raw(n) for n in (3, 4, 5, 6)] == ["FHIRSERVER", "", "EHR", "CLINIC^1.2.3^ISO"]
    assert header.raw(7) == "20260801093006.250+0000"
    assert header.raw(9) == "ORU^R01^ORU_R01"
    assert (header.raw(11), header.raw(12), header.raw(15), header.raw(16)) == (
        "P",
        "2.6",
        "AL",
        "NE",
    )
    assert header.raw(18) == "UNICODE UTF-8"
    assert header.raw(21) == "IHE_PCD_001^IHEPCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO"


def test_a_machine_is_told_with_its_modules_and_channels() -> None:
    (message,) = sent(*SNAPSHOT)
    lines = [(one.text(3), one.text(4), one.text(11)) for one in message.all("OBX")]
    assert lines == [
        ("70929", "1.0.0.0", "X"),
        ("70934", "1.1.0.0", "X"),
        ("70947", "1.1.3.0", "X"),
        ("158776", "1.1.3.1", "F"),
        ("158744", "1.1.3.2", "F"),
        ("158740", "1.1.3.3", "F"),
        ("16935956", "1.1.3.4", "F"),
        ("70971", "1.1.9.0", "X"),
        ("159036", "1.1.9.1", "X"),
    ]
    first = next(message.all("OBX"))
    assert first.raw(18) == f"{EUI}^^{EUI}^EUI-64"
    assert [one.text(1) for one in message.all("OBX")] == [str(n) for n in range(1, 10)]
    methods = {one.text(3): one.raw(17) for one in message.all("OBX") if one.text(2) == "NM"}
    assert methods["158776"] == "AMEAS^auto-measurement^MDC"
    assert methods["16935956"] == ""  # somebody set it, nobody knows how


def test_the_control_id_is_that_of_the_events_whenever_it_is_sent() -> None:
    one, again = (
        messages(bundle(SNAPSHOT), ASKED, "s1", NOW + timedelta(seconds=n)) for n in (0, 9)
    )
    assert [m.control_id for m in one] == [m.control_id for m in again]
    assert one[0].text != again[0].text
    assert read_control_id(one[0].control_id) == ControlId("s1", 7, 11, NOW)


def test_other_moments_and_other_people_are_other_messages_in_order() -> None:
    later = "2026-08-01T09:30:07.125Z"
    told = [
        measured("158776", Decimal(1), "o1"),
        measured("158744", Decimal(2), "o2"),
        measured("158776", Decimal(3), "o3", at=later),
        measured("158776", Decimal(4), "o4", at=later, subject={"reference": "Patient/bob"}),
    ]
    found = [[obx.text(5) for obx in one.all("OBX") if obx.text(2) == "NM"] for one in sent(*told)]
    assert found == [["1", "2"], ["3"], ["4"]]


def test_a_cuff_says_each_pressure_by_its_code() -> None:
    cuff: Json = {
        "resourceType": "Device",
        "id": "cuff",
        "identifier": MACHINE["identifier"],
        "type": {"coding": [{"system": "urn:iso:std:iso:11073:10101", "code": "528391"}]},
    }
    panel = observations.blood_pressure(["150021", "150023"], "cuff", "ann", simulated=True)
    panel |= {"id": "bp", "effectiveDateTime": AT}
    for component, value in zip(panel["component"], (88, None, 61), strict=True):
        if value is not None:
            component["valueQuantity"]["value"] = Decimal(value)
    (message,) = sent(panel, context=[*CONTEXT, cuff])
    assert message.header.raw(11) == "T"
    (telemetry,) = of_machine(message).telemetry
    assert telemetry.test
    assert telemetry.samples[0].values == {"150021": 88, "150022": None, "150023": 61}
    assert telemetry.quality == {"150022": "unknown"}
    systolic = next(one for one in message.all("OBX") if one.text(3) == "150021")
    assert systolic.text(3, 4) == "8480-6"
    assert systolic.text(3, 6) == "LN"


@pytest.mark.parametrize(
    ("status", "code"),
    [("in-alarm", "ALACT"), ("questionable", "QUES"), ("calibration-ongoing", "CAL")],
)
def test_what_a_device_says_of_its_value_comes_back(status: str, code: str) -> None:
    flagged = measured("158776", Decimal(1), "o1", interpretation=observations.statuses([status]))
    (message,) = sent(flagged)
    assert [one.raw(8) for one in message.all("OBX")][-1] == code
    (telemetry,) = of_machine(message).telemetry
    assert telemetry.flags == {"158776": (status,)}


@pytest.mark.parametrize(
    ("status", "code"), [("preliminary", "P"), ("corrected", "C"), ("entered-in-error", "W")]
)
def test_the_status_of_a_result(status: str, code: str) -> None:
    (message,) = sent(measured("158776", Decimal(1), "o1", status=status))
    assert [one.raw(11) for one in message.all("OBX")][-1] == code


def laboratory(**value: Any) -> Json:
    return {
        "resourceType": "Observation",
        "id": "lab",
        "status": "final",
        "code": {
            "coding": [{"system": "http://loinc.org", "code": "2823-3", "display": "Potassium"}]
        },
        "subject": {"reference": "Patient/ann"},
        "effectiveDateTime": "2026-08-01T11:00:00+02:00",
        **value,
    }


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        (
            {"valueQuantity": {"value": Decimal("5.10"), "unit": "mmol/L", "system": UCUM, "code": "mmol/L"}},
            ("NM", "5.10", "mmol/L^mmol/L^UCUM"),
        ),
        ({"valueQuantity": {"value": Decimal(7), "comparator": ">", "unit": "x"}}, ("SN", ">^7", "^x")),
        ({"valueString": "clear|x\ny"}, ("ST", "clear\\F\\x\\.br\\y", "")),
        ({"valueInteger": 3}, ("NM", "3", "")),
        ({"valueBoolean": True}, ("ST", "true", "")),
        ({"valueDateTime": "2026-08"}, ("DTM", "202608", "")),
        ({"valueCodeableConcept": {"text": "seen"}}, ("CWE", "^seen", "")),
    ],
)  # fmt: skip
def test_other_results_are_plain_ones(value: Json, fields: tuple[str, str, str]) -> None:
    (message,) = sent(laboratory(**value))
    (obx,) = message.all("OBX")
    assert (obx.raw(2), obx.raw(5), obx.raw(6)) == fields
    assert obx.raw(3) == "2823-3^Potassium^LN"
    assert obx.raw(14) == "20260801110000+0200"
    assert (message.header.raw(15), message.header.raw(21)) == ("", "")


def test_nothing_is_sent_of_what_says_nothing() -> None:
    assert sent(laboratory(), {"resourceType": "Encounter", "id": "e"}) == []
    assert messages(bundle([]), ASKED, "s1", NOW) == ()


def test_other_readers_read_what_is_sent() -> None:
    (made,) = messages(bundle(SNAPSHOT), ASKED, "s1", NOW)
    theirs = hl7.parse(made.text)
    assert str(theirs.segment("MSH")[10]) == made.control_id
    assert [str(obx[3][0][0]) for obx in theirs.segments("OBX")][3] == "158776"
    strictly = parse_message(made.text, find_groups=True)
    strictly.validate()
    assert strictly.msh.msh_10.to_er7() == made.control_id
