"""What a network does to messages: each fault by itself, seeded, nothing else touched."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from simulator.devices.identity import machine
from simulator.devices.messages import Message, Speaker
from simulator.faults import NO_FAULTS, Faults, Held, Sent, disturbed

START = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)


def stream(count: int = 1000) -> Iterator[Sent]:
    speaker = Speaker(machine("m"), "b")
    yield Sent(
        "E", Message("status", None, {"schema": "hd.status/1", "state": "online"}), START, START, 0
    )
    for second in range(1, count + 1):
        at = START + timedelta(seconds=second)
        message = speaker.telemetry(at, second * 1000, {"158776": 150}, mode="TX", session=None)
        yield Sent("E", message, at, at, float(second))


def numbers(faults: Faults, seed: int = 1) -> list[int]:
    said = disturbed(stream(), faults, seed)
    return [sent.message.seq for sent in said if sent.message.seq is not None]


def test_without_faults_everything_passes_as_it_is() -> None:
    assert numbers(NO_FAULTS) == list(range(1, 1001))


def test_the_same_seed_does_the_same() -> None:
    faults = Faults(drop=0.1, repeat=0.1, reorder=0.2, corrupt=0.05)
    assert numbers(faults, 7) == numbers(faults, 7)
    assert numbers(faults, 7) != numbers(faults, 8)


def test_losing_loses_its_share_and_keeps_the_order() -> None:
    left = numbers(Faults(drop=0.2))
    assert 750 <= len(left) <= 850
    assert left == sorted(left)


def test_repeating_delivers_twice_within_its_time() -> None:
    said = list(disturbed(stream(), Faults(repeat=0.3, repeat_within_s=5.0), 1))
    times: dict[int, list[float]] = {}
    for sent in said:
        if sent.message.seq is not None:
            times.setdefault(sent.message.seq, []).append(sent.seconds)
    assert len(times) == 1000
    twice = [both for both in times.values() if len(both) == 2]
    assert 250 <= len(twice) <= 350
    assert all(0 <= second - first <= 5 for first, second in twice)


def test_reordering_lets_others_overtake_and_loses_nothing() -> None:
    said = list(disturbed(stream(), Faults(reorder=0.5, reorder_within_s=3.0), 1))
    left = [sent.message.seq for sent in said if sent.message.seq is not None]
    assert sorted(left) == list(range(1, 1001))
    assert left != sorted(left)
    assert [sent.received for sent in said] == sorted(sent.received for sent in said)
    assert all(sent.received - sent.sent <= timedelta(seconds=3) for sent in said)


def test_a_mangled_message_cannot_be_read_and_keeps_its_place() -> None:
    said = [
        sent for sent in disturbed(stream(), Faults(corrupt=0.1), 1) if sent.message.seq is not None
    ]
    unreadable = [sent for sent in said if sent.body is None]
    assert 70 <= len(unreadable) <= 130
    assert all(b"\x00" in sent.payload for sent in unreadable)
    assert [sent.message.seq for sent in said] == list(range(1, 1001))


def test_a_skewed_clock_changes_only_what_the_device_writes() -> None:
    said = list(disturbed(stream(10), Faults(skew_s=-90.0), 1))
    for sent in said:
        body = sent.body
        if body is not None and "dev_time" in body:
            assert datetime.fromisoformat(body["dev_time"]) == sent.sent - timedelta(seconds=90)
            assert body["mono_ms"] == sent.seconds * 1000


def test_what_is_held_comes_at_once_when_the_link_is_back() -> None:
    said = list(disturbed(stream(100), Faults(held=(Held(20.0, 30.0),)), 1))
    together = [sent.message.seq for sent in said if sent.seconds == pytest.approx(50.0)]
    assert together == list(range(20, 51))
    assert [sent.message.seq for sent in said if sent.message.seq] == list(range(1, 101))


def test_status_and_birth_are_never_touched() -> None:
    said = list(disturbed(stream(1), Faults(drop=1.0, corrupt=1.0, repeat=1.0), 1))
    assert [sent.channel for sent in said] == ["status"]
