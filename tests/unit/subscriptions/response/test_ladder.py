"""Transcripts of the ladder: at this second this happened, so these people were told."""

from itertools import pairwise

from subscriptions.core.ladder_commands import (
    Confirm,
    Mark,
    Move,
    Page,
    Schedule,
    Skip,
    TellOperator,
)
from subscriptions.core.ladder_events import Due
from subscriptions.core.timing import LADDERS
from tests.unit.subscriptions.response.playbook import (
    ALERT,
    OTHER_ALERT,
    TEAM,
    Play,
    nurse,
    partner,
    without_number,
)


def moves(play: Play) -> list[str]:
    return [command.transition for _, command in play.log if isinstance(command, Move)]


def outcome(commands: list) -> list[str]:
    return [c.outcome for c in commands if isinstance(c, Confirm)]


def test_a_high_priority_alert_nobody_answers() -> None:
    play = Play()
    play.ring()
    play.until(150)
    assert play.pages() == [
        (0, "bob", "alert", "sms+voice"),
        (30, "eve", "alert", "sms+voice"),
        (30, "bob", "repeat", "voice"),
        (45, "nina", "alert", "sms+voice"),
        (60, "bob", "repeat", "voice"),
        (60, "eve", "repeat", "voice"),
        (75, "nina", "repeat", "voice"),
        (90, "bob", "emergency", "sms+voice"),
        (90, "eve", "emergency", "sms+voice"),
        (90, "nina", "emergency", "sms+voice"),
        (120, "bob", "exhausted", "sms+voice"),
        (120, "eve", "exhausted", "sms+voice"),
        (120, "nina", "exhausted", "sms+voice"),
        (150, "bob", "repeat", "voice"),
        (150, "eve", "repeat", "voice"),
        (150, "nina", "repeat", "voice"),
    ]
    assert moves(play) == ["notify", "escalate", "escalate", "exhaust"]
    assert play.commands(TellOperator) == [TellOperator("exhausted")]


def test_a_medium_priority_alert_nobody_answers() -> None:
    play = Play()
    play.ring("PM", needs_other=False)
    play.until(899)
    assert [page for page in play.pages() if page[2] == "alert"] == [
        (0, "bob", "alert", "sms"),
        (300, "eve", "alert", "sms"),
        (600, "nina", "alert", "sms"),
    ]
    play.until(900)
    assert play.commands(TellOperator) == [TellOperator("exhausted")]
    assert play.ladder is not None
    assert play.ladder.emergency_at is None


def test_a_professional_of_tier_three_rings_with_the_nurses() -> None:
    play = Play(roster=(partner(), nurse("n2", 3), nurse("n1", 2)))
    play.ring()
    play.until(60)
    assert play.told("n1") == [45]
    assert play.told("n2") == [45]


def test_further_tiers_follow_the_last_rung() -> None:
    play = Play(roster=(partner(), partner("far", 5)))
    play.ring()
    play.until(80)
    assert play.told("far") == [75]


def test_whoever_cannot_be_reached_is_passed_over_at_once() -> None:
    bob, eve, nina = TEAM
    play = Play(roster=(without_number(bob, "stopped"), eve, nina))
    play.ring()
    assert play.commands(Skip) == [Skip("RelatedPerson/bob", "stopped")]
    assert play.pages() == [(0, "eve", "alert", "sms+voice")]
    play.until(46)
    assert play.told("nina") == [45]
    assert play.told("bob") == []


def test_nobody_reachable_is_an_alarm_for_the_operator_at_once() -> None:
    play = Play(roster=tuple(without_number(contact) for contact in TEAM))
    play.ring()
    assert play.commands(TellOperator) == [TellOperator("exhausted")]
    assert play.pages() == []
    assert moves(play) == ["notify", "exhaust"]


def test_an_empty_team_is_an_alarm_for_the_operator_at_once() -> None:
    play = Play(roster=())
    play.ring()
    assert play.commands(TellOperator) == [TellOperator("exhausted")]


def test_an_undelivered_message_rings_the_next_rung_once() -> None:
    play = Play()
    play.ring()
    play.until(3)
    play.unreached("bob")
    play.unreached("bob")
    assert play.pages() == [
        (0, "bob", "alert", "sms+voice"),
        (3, "eve", "alert", "sms+voice"),
    ]
    play.until(31)
    assert play.told("bob") == [0, 30]


def test_stop_in_the_middle_rings_the_next_rung_and_silences_that_telephone() -> None:
    bob, eve, nina = TEAM
    play = Play()
    play.ring()
    play.until(4)
    play.now_has(without_number(bob, "stopped"), eve, nina)
    assert play.pages()[-1] == (4, "eve", "alert", "sms+voice")
    play.until(500)
    assert play.told("bob") == [0]


def test_somebody_who_joins_a_rung_already_told_is_told_now() -> None:
    play = Play()
    play.ring()
    play.until(10)
    play.now_has(*TEAM, partner("new", 1))
    assert play.pages()[-1] == (10, "new", "alert", "sms+voice")


def test_a_member_who_is_removed_is_told_no_more_and_cannot_answer() -> None:
    play = Play()
    play.ring()
    play.until(31)
    play.now_has(*TEAM[1:])
    assert Mark("RelatedPerson/bob", "cancelled") in play.commands(Mark)
    assert outcome(play.reply("bob", "h")) == ["ended"]
    play.until(200)
    assert play.told("bob") == [0, 30]


def test_a_second_alert_joins_while_nobody_has_answered() -> None:
    play = Play()
    play.ring()
    play.until(10)
    commands = play.ring(alert=OTHER_ALERT)
    assert not any(isinstance(c, Page) for c in commands)
    assert play.ladder is not None
    assert play.ladder.alerts == (ALERT, OTHER_ALERT)


def test_a_higher_priority_rings_from_the_first_rung() -> None:
    play = Play()
    play.ring("PM", needs_other=False)
    play.until(100)
    play.reply("bob", "y")
    play.ring("PH")
    assert play.pages()[-1] == (100, "bob", "alert", "sms+voice")
    play.until(131)
    assert play.told("eve") == [130]


def test_a_lower_priority_of_the_same_alert_changes_nothing() -> None:
    play = Play()
    play.ring("PH")
    play.reply("bob", "a")
    assert play.ring("PM") == []


def test_a_timer_of_an_earlier_round_does_nothing() -> None:
    play = Play()
    play.ring()
    play.ring(again=True)
    play.seconds = 40
    assert {type(command) for command in play.do(Due(1, play.on_it))} == {Schedule}


def test_a_timer_that_fires_early_does_nothing() -> None:
    play = Play()
    play.ring()
    play.seconds = 29
    assert play.do(Due(1, play.on_it)) == []


def test_a_late_timer_makes_up_for_what_was_due_in_its_order() -> None:
    play = Play()
    play.ring()
    play.seconds = 100
    play.do(Due(1, play.on_it))
    told = {page[1] for page in play.pages()}
    assert {"bob", "eve"} <= told
    assert any(page[2] == "emergency" for page in play.pages())


def test_repeats_end_after_their_time_but_an_open_alert_never_falls_silent() -> None:
    play = Play(roster=(partner(),))
    play.ring()
    play.until(7200)
    repeats = [at for at, _, purpose, _ in play.pages() if purpose == "repeat"]
    assert repeats[-1] <= LADDERS["PH"].repeat_for.total_seconds()
    gaps = [later - sooner for sooner, later in pairwise(play.told("bob"))]
    assert max(gaps) <= LADDERS["PH"].nag.total_seconds()
    assert len(play.commands(TellOperator)) == 1


def test_nothing_happens_before_an_alert() -> None:
    play = Play()
    assert play.reply("bob", "h") == []
    assert play.end() == []
    assert play.ladder is None
