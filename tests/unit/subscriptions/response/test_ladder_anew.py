"""Transcripts of ladders that ring anew before anybody is there, and of timers that come due together."""

from dataclasses import replace

import pytest

from subscriptions.core.ladder_pace import pace
from tests.unit.subscriptions.response.playbook import OTHER_ALERT, Play, partner
from tests.unit.subscriptions.response.test_ladder_people import BOB, EVE, pm


@pytest.mark.parametrize("answer", ["a", "y"])
def test_answers_to_an_alarm_that_comes_and_goes_keep_nobody_from_being_called(
    answer: str,
) -> None:
    # The pump is started again and again, it stops again and again, and Bob answers every time.
    play = Play()
    play.ring()
    for second in range(5, 100, 20):
        play.until(second)
        play.reply("bob", answer)  # type: ignore[arg-type]
        play.until(second + 10)
        play.ring(again=True)
    assert play.told("eve")[0] <= 60
    assert play.told("nina")[0] <= 75
    prompted = [at for at, _, purpose, _ in play.pages() if purpose == "emergency"]
    assert set(prompted) == {90}


def test_a_second_prompt_comes_after_what_rings_after_the_first() -> None:
    play = Play()
    play.ring()
    play.until(100)
    play.reply("bob", "a")
    play.ring(again=True)
    play.until(195)
    prompted = {at for at, _, purpose, _ in play.pages() if purpose == "emergency"}
    assert prompted == {90, 190}


def test_who_was_at_the_patient_has_the_whole_time_again() -> None:
    play = Play()
    play.ring()
    play.until(20)
    play.reply("bob", "h")
    play.until(80)
    play.ring(again=True)
    play.until(109)
    assert play.told("eve") == []
    play.until(110)
    assert play.told("eve") == [110]


def test_a_higher_priority_has_the_whole_time() -> None:
    play = pm()
    play.until(295)
    play.ring("PH")
    play.until(324)
    assert play.told("eve") == []


def test_rungs_of_the_same_second_are_both_told() -> None:
    wishes = {"PH": {"rung-2": 30, "rung-3": 30}}
    play = Play(pace=pace([wishes]))  # type: ignore[list-item]
    play.ring()
    play.until(30)
    assert (play.told("eve"), play.told("nina")) == ([30], [30])


def test_a_new_alarm_of_an_incident_that_has_rung_for_long_rings_as_one() -> None:
    play = Play(roster=(BOB,))
    play.ring()
    play.until(3600)
    last = play.told("bob")[-1]
    play.until(last + 10)
    play.ring(alert=OTHER_ALERT)
    play.until(last + 200)
    assert len([at for at in play.told("bob") if at > last]) >= 6


def test_a_new_alarm_ends_a_pause_of_somebody_who_has_left() -> None:
    play = pm(roster=(BOB, EVE))
    play.reply("bob", "a")
    play.pause("bob", 300)
    play.now_has(EVE, partner("al"))
    play.until(20)
    play.ring("PM", needs_other=False, alert=OTHER_ALERT)
    assert play.told("al") == [20]


def test_a_shorter_tier_changes_nothing_about_what_is_counted() -> None:
    play = Play(roster=(BOB, replace(EVE, tier=3)))
    play.ring()
    play.until(40)
    play.reply("bob", "a")
    play.ring(again=True)
    play.until(45)
    assert play.told("eve") == [45]
