"""Transcripts of the ladder: at this second this happened, so these people were told."""

from datetime import timedelta
from itertools import pairwise

from subscriptions.core.ladder_commands import (
    Confirm,
    Finish,
    Mark,
    Move,
    Page,
    Schedule,
    Skip,
    TellOperator,
)
from subscriptions.core.ladder_events import Due
from subscriptions.core.ladder_state import timers
from subscriptions.core.timing import LADDERS
from tests.unit.subscriptions.response.playbook import (
    ALERT,
    OTHER_ALERT,
    TEAM,
    Play,
    nurse,
    partner,
    patient,
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


def test_seen_stops_repeats_to_that_telephone_only() -> None:
    play = Play()
    play.ring()
    play.until(35)
    assert outcome(play.reply("bob", "a")) == ["seen"]
    play.until(89)
    assert play.told("bob") == [0, 30]
    assert play.told("eve") == [30, 60]
    assert play.told("nina") == [45, 75]
    assert Mark("RelatedPerson/bob", "received") in play.commands(Mark)


def test_the_emergency_prompt_goes_to_everyone_told_whatever_they_answered() -> None:
    play = Play()
    play.ring()
    play.until(50)
    play.reply("bob", "a")
    play.reply("eve", "n")
    play.until(90)
    prompted = [page[1] for page in play.pages() if page[2] == "emergency"]
    assert prompted == ["bob", "eve", "nina"]


def test_coming_holds_the_next_rung_once() -> None:
    play = Play()
    play.ring()
    play.until(10)
    play.reply("bob", "y")
    play.until(29)
    play.reply("bob", "y")
    play.until(200)
    assert play.told("eve")[0] == 70
    assert play.told("nina")[0] == 70
    assert [page[0] for page in play.pages() if page[2] == "emergency"] == [90] * 3


def test_a_hold_never_exceeds_a_minute_and_never_hurries() -> None:
    play = Play()
    play.ring("PM", needs_other=False)
    play.until(100)
    play.reply("bob", "y")
    assert play.ladder is not None
    assert play.ladder.next_rung_at == play.ladder.started + timedelta(seconds=300)


def test_cannot_rings_the_next_rung_now() -> None:
    play = Play()
    play.ring()
    play.until(5)
    play.reply("bob", "n")
    assert play.pages()[-1] == (5, "eve", "alert", "sms+voice")
    play.until(44)
    assert play.told("nina") == []
    play.until(46)
    assert play.told("nina") == [45]


def test_when_everybody_declines_everyone_and_the_operator_are_told_at_once() -> None:
    play = Play(roster=(partner("bob", 1),))
    play.ring()
    play.until(5)
    play.reply("bob", "n")
    assert play.pages()[-1] == (5, "bob", "exhausted", "sms+voice")
    assert play.commands(TellOperator) == [TellOperator("exhausted")]


def test_one_decline_among_two_on_the_last_rung_waits_for_the_other() -> None:
    play = Play(roster=(partner("bob", 1), partner("eve", 1)))
    play.ring()
    play.until(5)
    play.reply("bob", "n")
    assert play.commands(TellOperator) == []


def test_at_the_patient_stops_the_ladder_and_rings_again_after_two_minutes() -> None:
    play = Play()
    play.ring()
    play.until(35)
    assert outcome(play.reply("eve", "h")) == ["here"]
    assert dict(timers(play.ladder)) == {"recheck": play.now + timedelta(seconds=120)}
    assert Mark("RelatedPerson/bob", "cancelled") in play.commands(Mark)
    play.until(154)
    assert play.pages()[-1][0] == 30
    play.until(155)
    assert [page for page in play.pages() if page[0] == 155] == [
        (155, "eve", "recheck", "sms+voice"),
        (155, "bob", "recheck", "sms+voice"),
    ]
    assert moves(play)[-2:] == ["ring-again", "notify"]
    play.until(185)
    assert (185, "eve", "repeat", "voice") in play.pages()


def test_a_second_at_the_patient_closes_when_the_condition_is_over() -> None:
    play = Play()
    play.ring()
    play.reply("bob", "h")
    play.until(121)
    play.present = False
    assert outcome(play.reply("bob", "h")) == ["over"]
    assert moves(play)[-1] == "close"
    assert play.commands(Finish) == [Finish("RelatedPerson/bob")]
    assert dict(timers(play.ladder)) == {}


def test_a_second_at_the_patient_does_not_close_while_the_condition_lasts() -> None:
    play = Play()
    play.ring()
    play.reply("bob", "h")
    play.until(121)
    assert outcome(play.reply("bob", "h")) == ["here"]
    assert play.commands(Finish) == []


def test_the_first_at_the_patient_never_closes_though_the_condition_ended() -> None:
    play = Play(present=False)
    play.ring()
    assert outcome(play.reply("bob", "h")) == ["here"]
    assert play.commands(Finish) == []


def test_closing_before_the_recheck_ends_everything() -> None:
    play = Play()
    play.ring()
    play.reply("bob", "h")
    play.end()
    before = len(play.pages())
    play.until(1000)
    assert len(play.pages()) == before
    assert outcome(play.reply("bob", "h")) == ["ended"]


def test_the_patient_cannot_end_a_haemorrhage() -> None:
    play = Play(roster=(patient(), partner("bob", 1)))
    play.ring()
    assert outcome(play.reply("ann", "h")) == ["other-needed"]
    play.until(30)
    assert play.told("bob") == [0, 30]
    assert play.told("ann") == [0]


def test_a_number_shared_with_the_patient_cannot_end_any_high_priority_alert() -> None:
    play = Play(roster=(partner("bob", 1, shared=True),))
    play.ring(needs_other=False)
    assert outcome(play.reply("bob", "h")) == ["other-needed"]
    assert play.ladder is not None
    assert play.ladder.phase == "ringing"


def test_the_patient_may_end_a_medium_alert_of_no_danger() -> None:
    play = Play(roster=(patient(),))
    play.ring("PM", needs_other=False)
    assert outcome(play.reply("ann", "h")) == ["here"]


def test_the_patient_may_not_end_a_medium_alert_only_others_may_end() -> None:
    play = Play(roster=(patient(),))
    play.ring("PM", needs_other=True)
    assert outcome(play.reply("ann", "h")) == ["other-needed"]


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


def test_an_answer_does_not_cover_an_alert_that_came_after_it() -> None:
    play = Play()
    play.ring()
    play.until(10)
    play.reply("bob", "a")
    play.until(20)
    play.ring(alert=OTHER_ALERT)
    assert play.pages()[-1] == (20, "bob", "alert", "sms+voice")
    play.until(50)
    assert play.told("eve") == [30]


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


def test_a_new_crossing_after_arrival_rings_again() -> None:
    play = Play()
    play.ring()
    play.reply("bob", "h")
    play.until(20)
    play.ring(again=True)
    assert play.pages()[-1] == (20, "bob", "alert", "sms+voice")
    assert play.ladder is not None
    assert play.ladder.phase == "ringing"


def test_after_closing_a_new_crossing_starts_a_new_ladder() -> None:
    play = Play()
    play.ring()
    play.until(31)
    play.end()
    play.until(60)
    play.ring(alert=OTHER_ALERT)
    assert play.ladder is not None
    assert play.ladder.alerts == (OTHER_ALERT,)
    assert play.pages()[-1] == (60, "bob", "alert", "sms+voice")


def test_leaving_the_patient_again_rings_again() -> None:
    play = Play()
    play.ring()
    play.reply("bob", "h")
    play.until(20)
    play.reply("bob", "n")
    assert play.ladder is not None
    assert play.ladder.phase == "ringing"
    assert "ring-again" in moves(play)


def test_seen_never_weakens_coming() -> None:
    play = Play()
    play.ring()
    play.reply("bob", "y")
    play.reply("bob", "a")
    assert play.ladder is not None
    assert play.ladder.person("RelatedPerson/bob").answer == "y"


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
