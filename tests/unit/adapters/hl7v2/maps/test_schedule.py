"""SIU^S12 to S15 as Appointment."""

import pytest

from tests.unit.adapters.hl7v2.maps.mapped_by_site import PID, resources

SCH = "SCH|A-1^EHR|B-1^SCHED||||WEATHER^Storm|CHECK^Check-up|ROUTINE^Routine|30|min|^^30^20260810090000+0200^20260810093000+0200"


def test_a_booking() -> None:
    made = resources("SIU^S12", SCH, PID, "AIL|1||ROOM^3^^CLINIC", "AIP|1||77^House^Greg")[
        "appointment"
    ]
    assert [one["value"] for one in made["identifier"]] == ["A-1", "B-1"]
    assert {key: made[key] for key in ("status", "start", "end", "minutesDuration")} == {
        "status": "booked",
        "start": "2026-08-10T09:00:00+02:00",
        "end": "2026-08-10T09:30:00+02:00",
        "minutesDuration": 30,
    }
    assert [one["actor"].get("reference", one["actor"].get("display")) for one in made["participant"]] == [
        "urn:hl7v2:subject",
        "Greg House",
        "ROOM 3",
    ]  # fmt: skip
    assert "cancelationReason" not in made


@pytest.mark.parametrize(
    ("event", "filler", "status"),
    [("S13", "", "booked"), ("S14", "Noshow", "noshow"), ("S15", "Booked", "cancelled")],
)
def test_the_event_and_the_filler_say_the_status(event: str, filler: str, status: str) -> None:
    sch = SCH + "|" * 14 + filler
    made = resources(f"SIU^{event}", sch, PID)["appointment"]
    assert made["status"] == status
    assert ("cancelationReason" in made) is (status == "cancelled")


def test_an_end_is_counted_from_the_duration() -> None:
    sch = SCH.replace("^20260810093000+0200", "")
    assert resources("SIU^S12", sch, PID)["appointment"]["end"] == "2026-08-10T09:30:00+02:00"
