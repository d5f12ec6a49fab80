"""Transcripts of ladders: orders, channels, quiet hours, shifts, times of one's own, everyone at
once, and what is still open ringing again.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from subscriptions.core.ladder_commands import Confirm, Mark, Move, Page, Skip, TellOperator
from subscriptions.core.ladder_pace import pace
from subscriptions.core.ladder_state import Contact, is_unanswered, timers
from subscriptions.core.timing import LADDERS
from tests.unit.subscriptions.response.playbook import (
    OTHER_ALERT,
    START,
    TEAM,
    Play,
    nurse,
    partner,
    without_number,
)

BOB, EVE, NINA = TEAM
IN_ORDER = (partner("bob", 1), replace(partner("eve", 1), order=2), nurse("nina", 2))


def pm(**more: Any) -> Play:
    play = Play(**more)
    play.ring("PM", needs_other=False)
    return play


def moves(play: Play) -> list[str]:
    return [command.transition for _, command in play.log if isinstance(command, Move)]


# Order and channels


def test_a_medium_alert_asks_the_people_of_a_tier_one_after_the_other() -> None:
    play = pm(roster=IN_ORDER).until(899)
    told = [(at, who) for at, who, purpose, _ in play.pages() if purpose == "alert"]
    assert told == [(0, "bob"), (60, "eve"), (600, "nina")]


def test_a_high_alert_asks_the_whole_tier_at_once() -> None:
    play = Play(roster=IN_ORDER)
    play.ring()
    assert [who for _, who, _, _ in play.pages()] == ["bob", "eve"]


def test_cannot_asks_the_next_of_the_tier_at_once() -> None:
    play = pm(roster=IN_ORDER)
    play.reply("bob", "n")
    assert play.pages()[-1] == (0, "eve", "alert", "sms")
    assert play.told("nina") == []


def test_a_long_tier_never_delays_the_next_one() -> None:
    many = tuple(replace(partner(f"p{n}", 1), order=n) for n in range(1, 9))
    play = pm(roster=(*many, partner("far", 2))).until(400)
    first = {who: at for at, who, purpose, _ in reversed(play.pages()) if purpose == "alert"}
    assert first["far"] == 300
    assert first["p8"] == 300


def test_people_are_told_in_their_own_ways() -> None:
    by_voice = replace(BOB, media=("voice",))
    by_text = replace(EVE, media=("sms",))
    play = Play(roster=(by_voice, by_text, NINA))
    play.ring()
    play.until(61)
    assert play.pages()[0] == (0, "bob", "alert", "voice")
    assert (30, "eve", "alert", "sms") in play.pages()
    assert (60, "eve", "repeat", "sms") in play.pages()
    assert pm(roster=(by_voice,)).pages() == [(0, "bob", "alert", "voice")]


# Quiet hours


def test_quiet_hours_pass_somebody_over_for_a_medium_alert_only() -> None:
    asleep = replace(BOB, quiet=True)
    play = pm(roster=(asleep, EVE, NINA))
    assert play.commands(Skip) == [Skip("RelatedPerson/bob", "quiet-hours")]
    assert play.pages() == [(0, "eve", "alert", "sms")]
    woken = Play(roster=(asleep, EVE, NINA))
    woken.ring()
    assert woken.pages() == [(0, "bob", "alert", "sms+voice")]


def test_somebody_asleep_hurries_nobody_while_another_is_being_asked() -> None:
    play = pm(roster=(BOB, replace(EVE, quiet=True), NINA)).until(899)
    assert [at for at, who, _, _ in play.pages() if who == "nina"] == [600]
    assert play.told("eve") == []


def test_when_everybody_sleeps_they_are_woken_only_after_all_others_had_their_time() -> None:
    play = pm(roster=tuple(replace(contact, quiet=True) for contact in TEAM)).until(899)
    assert play.pages() == []
    play.until(900)
    assert {who for _, who, _, _ in play.pages()} == {"bob", "eve", "nina"}
    assert play.commands(TellOperator) == [TellOperator("exhausted")]


def test_the_end_of_quiet_hours_tells_who_was_passed_over() -> None:
    play = Play(roster=(replace(BOB, quiet=True), EVE, NINA))
    play.until_ = START + timedelta(seconds=120)
    play.ring("PM", needs_other=False)
    assert timers(play.ladder)["roster"] == START + timedelta(seconds=120)
    play.seconds, play.roster, play.until_ = 120, TEAM, None
    play.until(120)
    assert play.pages()[-1] == (120, "bob", "alert", "sms")
    assert "roster" not in timers(play.ladder)


def test_falling_asleep_in_mid_incident_ends_repeats() -> None:
    play = pm()
    play.roster = (replace(BOB, quiet=True), EVE, NINA)
    play.until(301)
    assert play.told("bob") == [0]


# Shifts and times of one's own


def test_a_handover_tells_the_next_nurse_and_takes_the_task_from_the_last() -> None:
    play = Play()
    play.until_ = START + timedelta(seconds=60)
    play.ring()
    play.until(59)
    play.roster, play.until_ = (BOB, EVE, nurse("olga", 2)), None
    play.until(60)
    assert (60, "olga", "alert", "sms+voice") in play.pages()
    assert Mark("Practitioner/nina", "cancelled") in play.commands(Mark)
    before = play.told("nina")
    play.until(400)
    assert play.told("nina") == before


def test_somebody_awaited_who_leaves_passes_it_on_at_once() -> None:
    play = Play()
    play.ring()
    play.until(5)
    play.now_has(EVE, NINA)
    assert play.pages()[-1] == (5, "eve", "alert", "sms+voice")


def test_somebody_who_leaves_and_comes_back_is_told_again() -> None:
    play = Play()
    play.ring()
    play.until(5)
    play.now_has(EVE, NINA)
    play.now_has(*TEAM)
    pages = [c for c in play.commands(Page) if isinstance(c, Page) and c.member.endswith("bob")]
    assert [(page.number, page.purpose) for page in pages] == [(1, "alert"), (2, "alert")]
    assert len(play.commands(Mark)) == 1


def test_somebody_who_joins_after_everyone_was_asked_is_told_at_once() -> None:
    play = Play(roster=())
    play.ring()
    play.until(5)
    play.now_has(BOB, EVE)
    assert [page[:3] for page in play.pages()] == [(5, "bob", "alert"), (5, "eve", "alert")]


def test_a_ladder_has_the_times_of_its_patient() -> None:
    own = pace([{"PH": {"rung-2": 10, "rung-3": 20, "emergency-prompt": 60}}])
    play = Play(pace=own)
    play.ring()
    play.until(60)
    assert (play.told("eve")[0], play.told("nina")[0]) == (10, 20)
    assert {who for at, who, purpose, _ in play.pages() if purpose == "emergency"} == {
        "bob",
        "eve",
        "nina",
    }


def test_times_made_shorter_in_mid_incident_count_at_once() -> None:
    play = Play()
    play.ring()
    play.until(12)
    play.pace = pace([{"PH": {"rung-2": 10}}])
    play.now_has(*TEAM)
    play.until(12)
    assert play.told("eve") == [12]


def test_the_prompt_reaches_the_nurse_even_where_she_was_not_asked_yet() -> None:
    play = Play(roster=(BOB, EVE, nurse("nina", 9)))
    play.ring()
    play.until(25)
    play.reply("bob", "y")
    play.until(90)
    assert (90, "nina", "emergency", "sms+voice") in play.pages()
    assert play.ladder is not None
    assert play.ladder.prompted


# Everyone at once


def test_a_deaf_alarm_calls_everyone_and_the_operator_at_once() -> None:
    asleep = replace(EVE, quiet=True)
    play = Play(roster=(BOB, asleep, NINA, without_number(partner("lost", 1))))
    play.ring("PM", needs_other=False, everyone=True)
    assert [who for _, who, _, _ in play.pages()] == ["bob", "eve", "nina"]
    assert play.commands(TellOperator) == [TellOperator("monitoring-lost")]
    play.until(900)
    assert play.commands(TellOperator)[1:] == [TellOperator("exhausted")]


def test_a_deaf_alarm_joining_an_incident_calls_those_who_were_not_asked_yet() -> None:
    play = pm()
    play.until(10)
    play.ring("PM", alert=OTHER_ALERT, needs_other=False, everyone=True)
    assert {who for at, who, _, _ in play.pages() if at == 10} == {"bob", "eve", "nina"}
    again = len(play.pages())
    play.ring("PM", alert=OTHER_ALERT, needs_other=False, everyone=True)
    assert len(play.pages()) == again


def test_a_deaf_alarm_nobody_can_hear_is_the_operators() -> None:
    play = Play(roster=())
    play.ring("PM", needs_other=False, everyone=True)
    assert play.commands(TellOperator) == [
        TellOperator("exhausted"),
        TellOperator("monitoring-lost"),
    ]


# The patient's own telephone


def test_coming_from_the_patients_own_telephone_delays_nobody() -> None:
    play = Play(roster=(partner("bob", 1, shared=True), EVE, NINA))
    play.ring()
    assert Confirm("RelatedPerson/bob", "other-needed") in play.reply("bob", "y")
    play.until(30)
    assert play.told("eve") == [30]
    medium = pm(roster=(partner("bob", 1, shared=True), EVE, NINA)).until(290)
    assert Confirm("RelatedPerson/bob", "coming") in medium.reply("bob", "y")


# Still open


def test_a_haemorrhage_everybody_has_seen_rings_again() -> None:
    play = Play()
    play.ring()
    play.until(50)
    for name in ("bob", "eve", "nina"):
        play.reply(name, "a")
    play.until(299)
    assert {at for at, _, _, _ in play.pages() if at > 50} == {90, 120}
    play.until(300)
    anew = [page for page in play.pages() if page[0] == 300]
    assert anew == [
        (300, "bob", "alert", "sms+voice"),
        (300, "eve", "alert", "sms+voice"),
        (300, "nina", "alert", "sms+voice"),
    ]
    assert moves(play)[-2:] == ["ring-again", "notify"]


def test_it_rings_again_though_the_machine_says_it_is_over() -> None:
    play = Play(present=False)
    play.ring()
    play.until(300)
    assert [page for page in play.pages() if page[0] == 300] != []


def test_a_medium_alert_rings_again_only_while_its_condition_lasts() -> None:
    play = pm()
    play.until(920)
    play.present = False
    before = len(play.pages())
    play.until(4 * 3600)
    assert all(page[2] == "repeat" for page in play.pages()[before:])
    play.present = True
    play.until(6 * 3600)
    assert any(page[2] == "alert" for page in play.pages()[before:])


def test_a_danger_stays_unanswered_from_exhaustion_until_somebody_is_there() -> None:
    play = Play()
    play.ring()
    for second, expected in ((119, False), (120, True), (299, True), (310, True)):
        play.until(second)
        assert play.ladder is not None
        assert is_unanswered(play.ladder) is expected
    for answer, expected in (("a", True), ("h", False)):
        play.reply("eve", answer)  # type: ignore[arg-type]
        assert play.ladder is not None
        assert is_unanswered(play.ladder) is expected
    medium = pm().until(1000)
    assert medium.ladder is not None
    assert not is_unanswered(medium.ladder)


def test_the_operator_is_told_once_of_what_goes_on() -> None:
    play = Play()
    play.ring()
    play.until(3600)
    assert play.commands(TellOperator) == [TellOperator("exhausted")]


def test_every_priority_rings_again_later_than_it_is_exhausted() -> None:
    for ladder in LADDERS.values():
        assert ladder.realarm <= ladder.nag
        assert ladder.realarm > timedelta(0)


def test_a_contact_stands_on_the_nurses_rung_from_the_second_tier_on() -> None:
    assert Contact("Practitioner/n", 1, True, False, None).rung == 1
    assert Contact("Practitioner/n", 2, True, False, None).rung == 3
