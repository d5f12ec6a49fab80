"""The rehearsal: JSON lines in, decisions out."""

import io
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from subscriptions import rehearsal

START = 1_785_574_800_000


def at(seconds: float) -> int:
    return START + int(seconds * 1000)


def rehearse(*lines: Mapping[str, Any]) -> list[dict[str, Any]]:
    told = [json.dumps({"patient": "ann", **line}).encode() for line in lines]
    return [json.loads(line) for line in rehearsal.rehearse(told)]


def readings(seconds: float, values: Mapping[str, float], **more: Any) -> dict[str, Any]:
    return {
        "kind": "readings",
        "at": at(seconds),
        "taken": at(seconds),
        "device": "machine",
        "mode": "TX",
        "values": values,
        **more,
    }


def test_a_breach_is_told_with_its_reason_and_metric() -> None:
    (one,) = rehearse(readings(0, {"150021": 75}))
    assert (one["kind"], one["patient"], one["at"]) == ("decided", "ann", at(0))
    assert (one["record"], one["rings"], one["source"]) == ("raised", True, "150021")
    assert one["alert"]["priority"] == "PH"
    assert one["detail"]["value"] == "75"


def test_numbers_keep_their_digits() -> None:
    (one,) = rehearse(readings(0, {"150021": 75.50}))
    assert one["detail"]["value"] == "75.5"


def test_time_passes_between_two_lines() -> None:
    found = rehearse(readings(0.4, {}), {"kind": "time", "at": at(90)})
    assert [(one["at"], one["alert"]["priority"]) for one in found] == [
        (at(21), "PM"),
        (at(66), "PH"),
    ]


def test_an_event_of_a_machine_nobody_is_bound_to_is_told_in_its_home() -> None:
    line = {"kind": "event", "at": at(1), "taken": at(1), "device": "machine", "event": "198264"}
    (one,) = rehearse(line | {"priority": "PH", "bound": False})
    assert (one["patient"], one["bound"], one["alert"]["priority"]) == ("ann", False, "PH")


def test_an_answer_concerns_every_open_alert() -> None:
    fallen = readings(0, {"150021": 75}, contact=False)
    closed = {"kind": "answer", "at": at(30), "transition": "close", "by": "Practitioner/n"}
    well = readings(40, {"150021": 120}, contact=False)
    again = readings(60, {"150021": 75}, contact=False)
    found = rehearse(fallen, closed, well, again)
    assert [one["record"] for one in found] == ["raised", "raised"]


def test_an_order_is_obeyed() -> None:
    rule = {
        "url": "https://w3id.org/fhirserver/StructureDefinition/monitoring-rule",
        "extension": [
            {"url": "id", "valueId": "own"},
            {
                "url": "parameter",
                "valueCodeableConcept": {
                    "coding": [{"system": "urn:iso:std:iso:11073:10101", "code": "150021"}]
                },
            },
            {
                "url": "limit",
                "valueRange": {
                    "low": {
                        "value": 110,
                        "unit": "mmHg",
                        "system": "http://unitsofmeasure.org",
                        "code": "mm[Hg]",
                    }
                },
            },
            {"url": "priority", "valueCode": "PM"},
        ],
    }
    order = {
        "resourceType": "ServiceRequest",
        "id": "o",
        "status": "active",
        "intent": "order",
        "requester": {"reference": "Practitioner/n"},
        "extension": [rule],
    }
    given = {"kind": "order", "at": at(0), "version": 1, "order": order}
    (one,) = rehearse(given, readings(1, {"150021": 100}))
    assert one["alert"]["rule"] == "ServiceRequest/o/_history/1"
    revoked = {"kind": "order", "at": at(0), "version": 2, "order": order | {"status": "revoked"}}
    assert rehearse(given, revoked, readings(1, {"150021": 100})) == []


def test_two_patients_do_not_meet_and_an_ended_one_is_forgotten() -> None:
    eve = readings(1, {"150021": 75}) | {"patient": "eve"}
    found = rehearse(
        readings(0, {"150021": 75}), eve, {"kind": "end", "at": at(2)}, readings(3, {"150021": 75})
    )
    assert [(one["kind"], one["patient"]) for one in found] == [
        ("decided", "ann"),
        ("decided", "eve"),
        ("ended", "ann"),
        ("decided", "ann"),
    ]


def test_a_line_that_says_nothing_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        list(rehearsal.rehearse([b'{"kind":"rumour","at":0,"patient":"ann"}']))


class _Pipe:
    def __init__(self, content: bytes = b"") -> None:
        self.buffer = io.BytesIO(content)


def test_the_command_reads_and_writes_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    line = json.dumps({"patient": "ann", **readings(0, {"150021": 75})}).encode()
    out = _Pipe()
    monkeypatch.setattr(sys, "stdin", _Pipe(line + b"\n"))
    monkeypatch.setattr(sys, "stdout", out)
    assert rehearsal.main([]) == 0
    assert json.loads(out.buffer.getvalue())["record"] == "raised"


def test_other_default_rules_can_be_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = json.dumps({"patient": "ann", **readings(0, {"150021": 75})}).encode()
    out = _Pipe()
    plan = tmp_path / "plan.json"
    plan.write_text('{"resourceType":"PlanDefinition","url":"u","version":"0","action":[]}')
    monkeypatch.setattr(sys, "stdin", _Pipe(line + b"\n"))
    monkeypatch.setattr(sys, "stdout", out)
    assert rehearsal.main(["--defaults", str(plan)]) == 0
    assert out.buffer.getvalue() == b""


def test_the_command_ends_with_two_for_nonsense(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", _Pipe(b"hello\n"))
    assert rehearsal.main([]) == 2
    assert "cannot read a line" in capsys.readouterr().err


def test_what_a_machine_limits_itself_counts_until_it_says_otherwise() -> None:
    def limits(seconds: float, low: int | None) -> dict[str, Any]:
        window = {} if low is None else {"158776": {"low": low}}
        return {"kind": "limits", "at": at(seconds), "device": "machine", "limits": window}

    low = [readings(second, {"158776": 100}) for second in range(10, 60, 10)]
    (one,) = rehearse(limits(0, 112), *low)
    assert (one["alert"]["priority"], one["alert"]["rule"]) == (
        "PM",
        "DeviceMetric/machine.158776/_history/1",
    )
    assert rehearse(limits(0, 112), limits(5, None), *low) == []
