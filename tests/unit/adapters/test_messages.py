"""Decoding: a message means what its schema promises, or it is refused with its reason; nothing crashes."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mqtt.messages import Event, Rejected, Status, Telemetry, Topic, decode, parse_topic

TEL = Topic("home", "0A1B2CFFFE3D4E5F", "tel")
EVT = Topic("home", "0A1B2CFFFE3D4E5F", "evt")
GOOD: dict[str, Any] = {
    "schema": "hd.tel/1",
    "dev": "0a1b2cfffe3d4e5f",
    "boot": "b7c1",
    "seq": 18231,
    "dev_time": "2026-08-01T09:30:05.120Z",
    "mono_ms": 1805120,
    "mode": "TX",
    "s": [{"t": 0, "v": {"158776": 162}}, {"t": -1000, "v": {"158776": None}}],
    "q": {"158776": "ok"},
}


def test_topics_are_read_from_the_broker_s_subject() -> None:
    assert parse_topic("$MQTT.msgs.hd.v1.home.0a1b2cfffe3d4e5f.tel") == TEL
    for other in ("hd.v1.home.A.raw", "hd.v2.home.A.tel", "tel", "hd.v1.home.tel", ""):
        assert parse_topic(other) is None


def test_a_telemetry_message_keeps_its_digits_and_its_nulls() -> None:
    body = json.dumps(GOOD).replace("162", "162.50").encode()
    message = decode(TEL, body)
    assert isinstance(message, Telemetry)
    assert (message.boot, message.seq, message.mode, message.mono_ms) == (
        "b7c1",
        18231,
        "TX",
        1805120,
    )
    first, second = message.samples
    assert str(first.values["158776"]) == "162.50"
    assert (second.offset_ms, second.values) == (-1000, {"158776": None})


@pytest.mark.parametrize(
    ("session", "read"),
    [
        ("t-1", "t-1"),
        (None, None),
        ("", None),
        (7, None),
        ({"id": "t-1"}, None),
        ("x" * 128, "x" * 128),
        ("x" * 129, None),
    ],
)
def test_what_is_no_name_of_a_treatment_costs_no_reading(session: Any, read: str | None) -> None:
    message = decode(TEL, json.dumps({**GOOD, "session": session}).encode())
    assert isinstance(message, Telemetry)
    assert message.session == read
    assert len(message.samples) == 2


def test_an_unknown_mode_is_no_mode_and_a_time_without_zone_no_time() -> None:
    message = decode(
        TEL, json.dumps({**GOOD, "mode": "PARTY", "dev_time": "2026-08-01T09:30:05"}).encode()
    )
    assert isinstance(message, Telemetry)
    assert (message.mode, message.dev_time) == (None, None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schema": "hd.tel/2"}, "malformed"),
        ({"seq": 0}, "malformed"),
        ({"seq": "1"}, "malformed"),
        ({"boot": ""}, "malformed"),
        ({"s": [{"t": 0, "v": {"158776": "162"}}]}, "malformed"),
        ({"s": [{"t": 0, "v": {"158776": False}}]}, "malformed"),
        ({"s": [{"v": {"158776": 1}}]}, "malformed"),
        ({"dev": "FFFFFFFFFFFFFFFF"}, "wrong-device"),
    ],
)
def test_what_breaks_the_schema_is_refused(change: dict[str, Any], reason: str) -> None:
    message = decode(TEL, json.dumps({**GOOD, **change}).encode())
    assert isinstance(message, Rejected)
    assert message.reason == reason


def test_a_broken_message_is_named_as_far_as_it_can_be_read() -> None:
    whole = json.dumps(GOOD).encode()
    assert decode(TEL, whole[:-9]) == Rejected("malformed", "b7c1", 18231)
    assert decode(TEL, whole.replace(b"162", b"NaN")) == Rejected("not-a-number", "b7c1", 18231)
    assert decode(TEL, b"\xff\xfe") == Rejected("malformed")


def test_an_event_carries_its_facets() -> None:
    body = {
        "schema": "hd.evt/1", "dev": TEL.address, "boot": "b", "seq": 412, "alarm_id": "a-77", "event": "198260",
        "source": "158776", "phase": "start", "state": "active", "activity": "enabled", "priority": "PH", "value": 15,
        "unit": "mm[Hg]",
    }  # fmt: skip
    message = decode(EVT, json.dumps(body).encode())
    assert isinstance(message, Event)
    assert (message.event, message.phase, message.state, message.value) == (
        "198260",
        "start",
        "active",
        15,
    )
    assert isinstance(decode(EVT, json.dumps({**body, "phase": "begin"}).encode()), Rejected)


def test_a_will_says_offline() -> None:
    assert decode(Topic("home", "A", "status"), b'{"state":"offline"}') == Status("A", online=False)


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_decoder(payload: bytes) -> None:
    for kind in ("tel", "evt", "birth", "status"):
        decode(Topic("home", "A", kind), payload)


@given(
    st.dictionaries(
        st.sampled_from(["158776", "158740"]),
        st.decimals(allow_nan=False, allow_infinity=False, places=3),
    )
)
def test_numbers_come_out_as_they_went_in(values: dict[str, Decimal]) -> None:
    written = ",".join(f'"{code}":{value:f}' for code, value in values.items())
    body = json.dumps(GOOD).replace('{"158776": 162}', "{" + written + "}").encode()
    message = decode(TEL, body)
    assert isinstance(message, Telemetry)
    assert {
        code: Decimal(value)
        for code, value in message.samples[0].values.items()
        if value is not None
    } == values
