"""What simulated devices say in HL7 v2 is what they say over MQTT, and valid where hl7apy knows the structure."""

import json
from decimal import Decimal

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from simulator import codes
from simulator.devices.identity import gateway, machine
from simulator.devices.messages import Message, Speaker
from simulator.hl7v2.messages import Spoken, Tongue
from simulator.virtual import run
from tests.unit.simulator.test_home import NOW

HARDWARE = machine("hl7")


def segments(spoken: Spoken) -> list[list[str]]:
    return [one.split("|") for one in spoken.content.decode().split("\r")[:-1]]


def said(scenario: str, minutes: float = 2.0) -> list[tuple[Message, Spoken | None]]:
    session = run(scenario, 3, minutes=minutes, at_min=minutes / 2)
    tongues = {one.eui64: Tongue(one) for one in session.devices}
    return [(one.message, tongues[one.eui64].say(one.message)) for one in session]


def test_a_sample_is_one_message_with_the_same_digits() -> None:
    found = [(one, spoken) for one, spoken in said("clean") if one.channel == "tel"]
    assert len(found) > 200
    for message, spoken in found:
        assert spoken is not None
        body = json.loads(message.payload, parse_float=Decimal)
        lines = [one for one in segments(spoken) if one[0] == "OBX" and one[2] == "NM"]
        assert {one[3].split("^")[0]: Decimal(one[5]) for one in lines} == body["s"][0]["v"]
        modes = [one[5] for one in segments(spoken) if one[0] == "OBX" and one[2] == "ST"]
        assert modes == ([body["mode"]] if "mode" in body else [])
        assert [int(one[1]) for one in segments(spoken) if one[0] == "OBX"] == list(
            range(1, len(lines) + len(modes) + 1)
        )


def test_limits_and_units_of_the_last_birth_stand_beside_each_value() -> None:
    tongue, speaker = Tongue(HARDWARE), Speaker(HARDWARE, "b1")
    units = {codes.VENOUS_PRESSURE: "mm[Hg]", codes.ARTERIAL_PRESSURE: "mm[Hg]", "158740": "mL/min"}
    limits = {
        codes.VENOUS_PRESSURE: {"low": 122, "high": 262},
        codes.ARTERIAL_PRESSURE: {"low": -250},
    }
    assert tongue.say(speaker.birth(NOW, 1, units, limits)) is None
    values = {codes.VENOUS_PRESSURE: 162, codes.ARTERIAL_PRESSURE: -120.5, "158740": 1e-6}
    spoken = tongue.say(speaker.telemetry(NOW, 2, values, mode="TX", session="therapy"))
    assert spoken is not None
    lines = {one[3].split("^")[0]: one for one in segments(spoken) if one[0] == "OBX"}
    assert lines[codes.VENOUS_PRESSURE][5:8] == ["162", "mm[Hg]^mm[Hg]^UCUM", "122-262"]
    assert lines[codes.ARTERIAL_PRESSURE][5:8] == ["-120.5", "mm[Hg]^mm[Hg]^UCUM", ">-250"]
    assert lines["158740"][5:8] == ["0.000001", "mL/min^mL/min^UCUM", ""]
    assert segments(spoken)[3][3] == f"therapy^SIM-HD 1^{HARDWARE.eui64}^EUI-64"


@pytest.mark.parametrize(
    "scenario",
    ["air-in-line", "bad-data", "clock-1970", "device-silent-will", "power-loss", "wetness"],
)
def test_every_message_of_a_scenario_can_be_said(scenario: str) -> None:
    found = said(scenario)
    for message, spoken in found:
        structured = not isinstance(message.content, bytes)
        assert (spoken is not None) == (message.seq is not None and structured)
    ids = [spoken.control_id for _, spoken in found if spoken is not None]
    assert all(len(one) <= 20 for one in ids)


def test_an_alarm_has_its_five_facets() -> None:
    (first,) = [
        spoken
        for message, spoken in said("needle-slip-graft", minutes=10.0)
        if message.channel == "evt" and spoken is not None and spoken.control_id == "b1-e1"
    ]
    lines = [one for one in segments(first) if one[0] == "OBX"]
    assert [one[3].split("^")[0] for one in lines] == [
        "196670",
        "158776",
        "68481",
        "68482",
        "68483",
    ]
    assert lines[0][5] == "158776^MDC_HDIALY_BLD_PUMP_PRESS_VEN^MDC"
    assert lines[0][8] == "PH~ST~L"
    assert [one[5] for one in lines[2:]] == ["start", "active", "enabled"]


def test_a_report_of_readings_is_a_valid_oru_r01_to_hl7apy() -> None:
    spoken = next(one for _, one in said("clean") if one is not None)
    message = parse_message(spoken.content.decode(), VALIDATION_LEVEL.TOLERANT, find_groups=True)
    assert message.validate() is True


def test_who_measures_nothing_has_no_tongue() -> None:
    with pytest.raises(KeyError):
        Tongue(gateway("hl7"))
