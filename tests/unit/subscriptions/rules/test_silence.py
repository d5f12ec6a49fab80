"""Silence: who is expected to speak, and how long a silence takes to be told."""

from dataclasses import replace

import pytest

from subscriptions.core.silence import (
    HEARD,
    LOST,
    SILENT,
    Watched,
    expected_to_speak,
    judge_silence,
    silence_finding,
)
from tests.unit.subscriptions.rules.world import at

TREATING = Watched("m1", "ann", "TX", at(0), at(0), online=True, stage=HEARD, simulated=False)


@pytest.mark.parametrize(
    ("seconds", "stage"), [(0, HEARD), (19, HEARD), (20, SILENT), (64, SILENT), (65, LOST)]
)
def test_defect_8_a_silent_machine_is_told_in_two_stages(seconds: int, stage: int) -> None:
    assert judge_silence(TREATING, at(seconds), at(-600)) == stage


def test_a_machine_that_means_to_send_seldom_is_given_three_of_its_intervals() -> None:
    slow = replace(TREATING, every=15.0)
    assert judge_silence(slow, at(44), at(-600)) == HEARD
    assert judge_silence(slow, at(45), at(-600)) == SILENT
    assert judge_silence(slow, at(89), at(-600)) == SILENT
    assert judge_silence(slow, at(90), at(-600)) == LOST
    assert judge_silence(replace(TREATING, every=1.0), at(20), at(-600)) == SILENT


def test_a_goodbye_in_treatment_is_told_at_once() -> None:
    assert judge_silence(replace(TREATING, online=False), at(1), at(-600)) == SILENT


def test_a_told_silence_does_not_become_less() -> None:
    assert judge_silence(replace(TREATING, stage=SILENT), at(5), at(-600)) == SILENT


@pytest.mark.parametrize("mode", ["PRETX", "POSTTX", "DIS", "IDL", "SVC"])
def test_outside_treatment_nobody_waits_for_it(mode: str) -> None:
    assert not expected_to_speak(replace(TREATING, mode=mode))  # type: ignore[arg-type]


def test_a_mode_too_old_to_trust_counts_as_treatment() -> None:
    idle = replace(TREATING, mode="IDL", last_contact=at(11))
    assert expected_to_speak(idle)


def test_a_device_that_never_told_a_mode_is_not_waited_for() -> None:
    assert not expected_to_speak(replace(TREATING, mode=None, mode_at=None))


def test_a_server_that_was_away_waits_anew() -> None:
    assert judge_silence(TREATING, at(300), at(290)) == HEARD


def test_the_finding_says_how_far_it_has_come() -> None:
    assert silence_finding(TREATING, SILENT, at(20)).priority == "PM"
    lost = silence_finding(TREATING, LOST, at(65))
    assert (lost.priority, lost.display, lost.family) == (
        "PH",
        "monitoring lost",
        "monitoring-lost",
    )
    assert silence_finding(TREATING, HEARD, at(70)).what == "ended"


@pytest.mark.parametrize(("seconds", "stage"), [(2, HEARD), (7, HEARD), (8, SILENT)])
def test_a_lost_gateway_is_told_after_a_moment(seconds: int, stage: int) -> None:
    assert judge_silence(replace(TREATING, unseen=at(3)), at(seconds), at(-600)) == stage


def test_a_server_that_was_away_gives_a_gateway_its_moment_anew() -> None:
    cut_off = replace(TREATING, unseen=at(3), last_contact=at(3))
    assert judge_silence(cut_off, at(14), at(10)) == HEARD
    assert judge_silence(cut_off, at(15), at(10)) == SILENT


def test_a_lost_gateway_says_nothing_of_a_machine_at_rest() -> None:
    resting = replace(TREATING, mode="IDL", unseen=at(3))
    assert judge_silence(resting, at(60), at(-600)) == HEARD
