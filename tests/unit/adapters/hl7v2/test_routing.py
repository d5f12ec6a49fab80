"""What a message is: of a device, for a mapping, or for nobody; the refusal says which."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2 import sites
from adapters.hl7v2.routing import Interpreted, interpret
from adapters.hl7v2.second_reader import differences
from fhirserver.wire.hl7v2.delimiters import NotHl7
from fhirserver.wire.hl7v2.message import read
from tests.unit.adapters.hl7v2.machine_messages import (
    ALARM,
    MACHINE,
    PATIENT,
    facets,
    header,
    message,
    mode,
    venous,
)

MAPPING = b"""
maps:
  visits: {messages: [ADT^A01, "QQQ^*"], needs: [PID-3], resources: {admitted: {type: Patient, each: PID, set: {active: true}}}}
"""
KNOWN = sites.load([("s", MAPPING)], unknown="accept")


def meaning(text: str, **options: bool) -> Interpreted:
    return interpret(read(text), KNOWN.senders[-1], KNOWN.plans, **options)


def test_a_machine_and_a_laboratory_send_the_same_kind_of_message() -> None:
    assert meaning(message(header(), PATIENT, MACHINE, mode())).devices
    found = meaning(
        message(header(application="LAB"), PATIENT, "OBR|1||x|NA", "OBX|1|NM|2951-2^^LN||140")
    )
    assert found.mapped is not None
    (result,) = [one for one in found.mapped.resources if one.type == "Observation"]
    assert result.content["code"]["coding"][0]["code"] == "2951-2"


@pytest.mark.parametrize(
    "profile",
    [
        "IHE_PCD_001^IHEPCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO",
        "1.3.6.1.4.1.19376.1.6.1.1.1",
        "X~IHE_PCD_001",
    ],
)
def test_a_machine_may_say_that_it_is_one(profile: str) -> None:
    head = header() + "|" * 5 + profile
    assert meaning(message(head, PATIENT, "OBR|1||t|X", "OBX|1|NM|158776||1")).devices


def test_alarms_go_the_way_of_devices() -> None:
    found = meaning(message(header("ORU^R40"), PATIENT, ALARM, *facets()))
    assert found.devices[0].events
    assert found.header.kind == "ORU^R40"


def test_the_header_names_the_sender_and_the_message() -> None:
    head = meaning(message(header(), MACHINE, mode())).header
    assert (head.control_id, head.version, head.kind) == ("m-181", "2.6", "ORU^R01")
    assert head.key == "default|SIM_HD^0A1B2CFFFE3D4E5F^EUI-64|"


@pytest.mark.parametrize(
    ("text", "verdict", "code"),
    [
        (header("ADT^A99"), "rejected", "201"),
        (header("ZZZ^Z01"), "rejected", "200"),
        (header("ORU^R99"), "rejected", "201"),
        (header("ADT"), "rejected", "200"),
        (header(""), "rejected", "101"),
        (header(control_id=""), "rejected", "101"),
        (header("ADT^A01", processing="X"), "rejected", "202"),
        (header("ADT^A01").replace("|2.6|", "|3.0|"), "rejected", "203"),
        (header("ADT^A01"), "error", "101"),
    ],
)
def test_what_nobody_takes_is_refused_with_its_reason(text: str, verdict: str, code: str) -> None:
    found = meaning(message(text))
    assert found.refusal is not None
    assert (found.refusal.verdict, found.refusal.faults[0].code) == (verdict, code)
    assert (found.devices, found.mapped) == ((), None)


def test_a_mapping_may_be_about_all_events_of_a_kind() -> None:
    assert meaning(message(header("QQQ^Q77"), PATIENT)).mapped is not None


def test_a_guessed_character_set_is_told() -> None:
    found = meaning(message(header("ADT^A01"), PATIENT), guessed=True)
    assert [(one.severity, one.place and one.place.field) for one in found.report.warnings] == [
        ("W", 18)
    ]


PIECES = st.sampled_from(
    [header(), header("ORU^R40"), header("ADT^A01"), PATIENT, MACHINE, ALARM, mode(), venous(), *facets(),
     "OBX", "OBX|", "OBX|1|NM", "OBR|", "PID|||~~^^&&", "MRG|", "ZZZ|\\", "OBX|1|SN|158776||^^^", "OBX|1|NM|158776||1||-"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=8), st.text('|^~&\\"019.-', max_size=12))
def test_any_heap_of_segments_means_something_or_is_refused(pieces: list[str], tail: str) -> None:
    text = (
        message(header(), *[one for one in pieces if not one.startswith("MSH")])
        + f"OBX|1|NM|158776|{tail}"
    )
    for kind in ("ORU^R01^ORU_R01", "ORU^R40^ORU_R40", "ADT^A01"):
        try:
            found = meaning(text.replace("ORU^R01^ORU_R01", kind, 1))
        except NotHl7:
            continue
        assert found.refusal is not None or found.devices or found.mapped is not None


def test_another_reader_agrees_or_the_place_is_told() -> None:
    text = message(header(), PATIENT, MACHINE, venous())
    assert differences(text, read(text)) == []
    odd = text + "NTE|1||a\x0bb\rNTE|2|| \r"
    assert differences(odd, read(odd)) == []
    other = read(text.replace("|158776", "|158777"))
    assert differences(text, other) == ["OBX-3 (segment 1 of its kind)"]
    assert differences(text + "NTE|1\r", read(text)) == ["4 segments here, 5 there"]
    assert differences("MSH", read("MSH|^~\\&|")) == ["the other reader refuses it: IndexError"]
