"""What a parcel says of itself, and what an answer means for it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from subscriptions.channels.channel import Failure, Parcel
from subscriptions.channels.egress import Answer
from subscriptions.channels.http_answer import failure_of

NOW = datetime(2026, 8, 1, tzinfo=UTC)
PARCEL = Parcel(
    subscription="s1",
    attempt=UUID(int=1),
    kind="event-notification",
    topic="https://topic.example",
    title="Alert",
    content="empty",
    endpoint="https://ehr.example.org/",
    headers=(),
    mime="application/fhir+json",
    body=b"{}",
    first=3,
    last=5,
    happened=NOW,
    at=NOW,
    timeout_seconds=1.0,
    secret="hunter2",
)


def test_a_repetition_has_the_same_id() -> None:
    again = replace(PARCEL, attempt=UUID(int=2), at=NOW + timedelta(seconds=9), body=b"{ }")
    assert again.message_id == PARCEL.message_id


@pytest.mark.parametrize(
    "other",
    [
        replace(PARCEL, first=4),
        replace(PARCEL, last=6),
        replace(PARCEL, subscription="s2"),
        replace(PARCEL, happened=NOW + timedelta(seconds=1)),
        replace(PARCEL, endpoint="https://other.example.org/"),
    ],
)
def test_other_events_have_another_id(other: Parcel) -> None:
    assert other.message_id != PARCEL.message_id


def test_a_heartbeat_is_its_own() -> None:
    beat = replace(PARCEL, kind="heartbeat", first=None, last=None, happened=None)
    assert beat.message_id == beat.attempt


def test_the_secret_is_not_shown() -> None:
    assert "hunter2" not in repr(PARCEL)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_taken(status: int) -> None:
    assert failure_of(Answer(status)) is None


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (Answer(199), Failure("answered 199")),
        (Answer(301), Failure("answered 301")),
        (Answer(400), Failure("answered 400")),
        (Answer(401), Failure("answered 401")),
        (Answer(404), Failure("answered 404")),
        (Answer(410), Failure("answered 410", "never-here")),
        (Answer(413), Failure("answered 413", "never-this")),
        (Answer(422), Failure("answered 422", "never-this")),
        (Answer(429, 7.0), Failure("answered 429", wait_seconds=7.0)),
        (Answer(500), Failure("answered 500")),
        (Answer(503, 60.0), Failure("answered 503", wait_seconds=60.0)),
    ],
)
def test_not_taken(answer: Answer, failure: Failure) -> None:
    assert failure_of(answer) == failure
