"""Transcripts of the ladder when people answer: what each word stops, holds or hurries, and for how long."""

from datetime import timedelta

from subscriptions.core.ladder_commands import (
    Confirm,
    Finish,
    Mark,
    Move,
    TellOperator,
)
from subscriptions.core.ladder_state import timers
from tests.unit.subscriptions.response.playbook import (
    OTHER_ALERT,
    Play,
    partner,
    patient,
)


def moves(play: Play) -> list[str]:
    return [command.transition for _, command in play.log if isinstance(command, Move)]


def outcome(commands: list) -> list[str]:
    return [c.outcome for c in commands if isinstance(c, Confirm)]


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
