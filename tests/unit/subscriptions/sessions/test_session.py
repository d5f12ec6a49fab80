"""What a machine's mode of operation does to a treatment."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fhirserver.kernel.readings import Contact
from fhirserver.kernel.telemetry import treatment_id
from subscriptions.core import session
from subscriptions.core.session import Session, heard

NOW = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)
EARLIER = NOW - timedelta(seconds=1)
GOING_ON = Session(
    procedure="p",
    patient="ann",
    device="m1",
    therapy="t-1",
    started=NOW,
    planned_end=NOW + timedelta(hours=4),
)
PAUSED = session.paused(GOING_ON, NOW)


def said(
    mode: Any = "TX",
    *,
    patient: str | None = "ann",
    therapy: str | None = "t-1",
    at: datetime = NOW,
) -> Contact:
    return Contact(1, "m1", patient, mode, True, NOW, False, therapy, at)


@pytest.mark.parametrize(
    ("before", "contact", "step"),
    [
        (None, said(), "begins"),
        (None, said(therapy=None), "begins"),
        (None, said(patient=None), "nothing"),
        (None, said("PRETX"), "nothing"),
        (None, said(None), "nothing"),
        (GOING_ON, said(), "nothing"),
        (GOING_ON, said(therapy=None), "nothing"),
        (GOING_ON, said(None), "nothing"),
        (GOING_ON, said("POSTTX"), "pauses"),
        (GOING_ON, said("IDL"), "pauses"),
        (GOING_ON, said("PRETX"), "pauses"),
        (PAUSED, said("DIS"), "nothing"),
        (PAUSED, said(), "goes-on"),
        (GOING_ON, said(therapy="t-2"), "begins-another"),
        (PAUSED, said("PRETX", therapy="t-2"), "ends"),
        (GOING_ON, said(patient=None), "ends"),
        (GOING_ON, said(patient="joe"), "begins-another"),
        (GOING_ON, said("IDL", patient="joe"), "ends"),
        (replace(GOING_ON, live=False), said(), "comes-live"),
        (GOING_ON, said("POSTTX", therapy="t-0", at=EARLIER), "nothing"),
        (GOING_ON, said("IDL", at=EARLIER), "nothing"),
        (PAUSED, said(at=EARLIER), "nothing"),
    ],
)
def test_what_it_does(before: Session | None, contact: Contact, step: str) -> None:
    assert heard(before, contact) == step


def test_old_telemetry_is_not_of_now() -> None:
    old = replace(said(), at=NOW - timedelta(seconds=301))
    assert not session.is_live(old)
    assert session.is_live(replace(said(), at=NOW - timedelta(seconds=300)))
    assert session.is_live(replace(said(), at=None))
    assert heard(replace(GOING_ON, live=False), old) == "nothing"


def test_a_device_from_the_future_says_it_now() -> None:
    assert session.said_at(replace(said(), at=NOW + timedelta(hours=1))) == NOW


def test_a_pause_of_two_minutes_ends_it() -> None:
    assert session.over_at(GOING_ON) is None
    assert session.over_at(PAUSED) == NOW + timedelta(seconds=120)
    assert session.over_at(session.gone_on(PAUSED, said())) is None


def test_an_hour_over_the_plan_its_end_is_missing_once() -> None:
    assert session.end_missing_at(GOING_ON) == NOW + timedelta(hours=5)
    assert session.end_missing_at(replace(GOING_ON, end_told=True)) is None
    assert session.end_missing_at(replace(GOING_ON, live=False)) is None


def test_when_it_was_over() -> None:
    at = NOW + timedelta(hours=30)
    missing = replace(GOING_ON, end_told=True)
    assert session.ended_at(GOING_ON, at) == (at, True)
    assert session.ended_at(GOING_ON, EARLIER) == (NOW, True)
    assert session.ended_at(missing, at) == (NOW + timedelta(hours=5), False)
    assert session.ended_at(replace(missing, paused=at), at) == (at, True)


def test_what_is_due_first() -> None:
    assert session.due_at(GOING_ON, None) == NOW + timedelta(hours=5)
    assert session.due_at(GOING_ON, NOW) == NOW
    assert session.due_at(replace(GOING_ON, told=True), NOW) == NOW + timedelta(hours=5)
    assert session.due_at(replace(GOING_ON, live=False), NOW) is None
    assert session.due_at(PAUSED, None) == NOW + timedelta(seconds=120)


def test_the_procedure_of_a_treatment_has_one_id_for_everybody() -> None:
    one = treatment_id("m1", "ann", "t-1")
    assert one == treatment_id("m1", "ann", "t-1")
    others = {
        treatment_id("m2", "ann", "t-1"),
        treatment_id("m1", "joe", "t-1"),
        treatment_id("m1", "ann", "t-2"),
    }
    assert one not in others
    assert len(one) <= 64
