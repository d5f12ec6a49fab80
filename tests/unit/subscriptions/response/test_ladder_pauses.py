"""Transcripts of ladders that are silent for a while because somebody asked for it."""

from dataclasses import replace
from datetime import timedelta

from subscriptions.core.ladder_commands import Page
from subscriptions.core.ladder_state import timers
from subscriptions.core.ladder_turn import why_not_pause
from tests.unit.subscriptions.response.playbook import (
    OTHER_ALERT,
    START,
    Play,
    partner,
)
from tests.unit.subscriptions.response.test_ladder_people import BOB, EVE, moves, pm


def seen_pm() -> Play:
    play = pm()
    play.until(10)
    play.reply("bob", "a")
    return play


def test_a_pause_silences_and_then_rings_again_while_the_condition_lasts() -> None:
    play = seen_pm()
    play.pause("bob", 300)
    assert dict(timers(play.ladder)) == {"resume": START + timedelta(seconds=310)}
    play.until(309)
    assert len(play.pages()) == 1
    play.until(310)
    assert play.pages()[-1] == (310, "bob", "alert", "sms")
    assert moves(play)[-4:] == ["pause", "ring-again", "resume", "notify"]


def test_a_pause_that_ends_after_the_condition_did_goes_on_where_it_was() -> None:
    play = seen_pm()
    play.pause("bob", 100)
    play.present = False
    play.until(110)
    assert moves(play)[-1] == "resume"
    assert len(play.pages()) == 1
    assert timers(play.ladder)["rung"] == START + timedelta(seconds=300)


def test_anything_new_ends_a_pause() -> None:
    for event in ("again", "another", "higher"):
        play = seen_pm()
        play.pause("bob", 300)
        play.until(20)
        if event == "again":
            play.ring("PM", needs_other=False, again=True)
        elif event == "another":
            play.ring("PM", needs_other=False, alert=OTHER_ALERT)
        else:
            play.ring("PH")
        assert play.pages()[-1][:2] == (20, "bob")
        assert "resume" in moves(play)
        assert play.ladder is not None
        assert play.ladder.paused_until is None


def test_cannot_and_arrival_end_a_pause() -> None:
    play = seen_pm()
    play.pause("bob", 300)
    play.reply("bob", "n")
    assert play.pages()[-1] == (10, "eve", "alert", "sms")
    other = seen_pm()
    other.pause("bob", 300)
    other.reply("bob", "h")
    assert dict(timers(other.ladder)) == {"recheck": START + timedelta(seconds=130)}
    assert "resume" in moves(other)


def test_a_pause_keeps_to_its_limits() -> None:
    play = seen_pm()
    assert play.ladder is not None
    until = play.now + timedelta(seconds=300)
    bob = "RelatedPerson/bob"
    assert why_not_pause(play.ladder, bob, until, play.now) is None
    too_long = why_not_pause(play.ladder, bob, until + timedelta(seconds=1), play.now)
    assert too_long == "it is silenced for at most 300 seconds"
    assert why_not_pause(play.ladder, bob, play.now, play.now) == too_long
    assert why_not_pause(play.ladder, "RelatedPerson/eve", until, play.now) is not None
    for held in (replace(play.ladder, priority="PH"), replace(play.ladder, needs_other=True)):
        assert why_not_pause(held, bob, until, play.now) is not None
    assert why_not_pause(replace(play.ladder, phase="closed"), bob, until, play.now) is not None
    assert play.pause("eve", 60) == []


def test_leavers_and_failures_during_a_pause_wait_for_its_end() -> None:
    play = pm(roster=(BOB, partner("al", 1), EVE))
    play.until(10)
    play.reply("bob", "a")
    play.pause("bob", 200)
    assert play.unreached("RelatedPerson/al") == []
    commands = play.now_has(BOB, EVE)
    assert not any(isinstance(command, Page) for command in commands)
