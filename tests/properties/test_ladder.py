"""What holds for every ladder, whatever happens to it in whatever order."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from subscriptions.core.ladder_commands import Page
from subscriptions.core.ladder_state import timers
from tests.unit.subscriptions.response.playbook import (
    ALERT,
    OTHER_ALERT,
    Play,
    nurse,
    partner,
    patient,
    without_number,
)

ROSTER = (patient(), partner("bob", 1), partner("eve", 2), nurse("nina", 2))
MEMBERS = [contact.member for contact in ROSTER]

ACTIONS = st.one_of(
    st.tuples(st.just("wait"), st.integers(0, 200)),
    st.tuples(st.just("reply"), st.sampled_from(MEMBERS), st.sampled_from("aynh")),
    st.tuples(st.just("ring"), st.sampled_from(["PH", "PM"]), st.booleans(), st.booleans()),
    st.tuples(st.just("unreached"), st.sampled_from(MEMBERS)),
    st.tuples(st.just("stop"), st.sampled_from(MEMBERS)),
    st.tuples(st.just("condition"), st.booleans()),
    st.tuples(st.just("close")),
)


def perform(play: Play, action: tuple[Any, ...]) -> None:
    match action:
        case ("wait", seconds):
            play.until(play.seconds + seconds)
        case ("reply", member, answer):
            play.reply(member, answer)
        case ("ring", priority, again, other):
            play.ring(priority, alert=OTHER_ALERT if other else ALERT, again=again)
        case ("unreached", member):
            play.unreached(member)
        case ("stop", member):
            roster = [
                without_number(c, "stopped") if c.member == member else c for c in play.roster
            ]
            play.now_has(*roster)
        case ("condition", present):
            play.present = present
        case ("close",):
            play.end()


@given(st.lists(ACTIONS, max_size=25))
def test_ladders_never_stop_silently(actions: list[tuple[Any, ...]]) -> None:
    play = Play(roster=ROSTER)
    play.ring()
    for action in actions:
        # Whoever stopped messages before this gets none from it.
        silent = {c.member for c in play.roster if c.unreachable is not None}
        before = len(play.log)
        perform(play, action)
        for _, command in play.log[before:]:
            assert not (isinstance(command, Page) and command.member in silent)
        ladder = play.ladder
        assert ladder is not None
        # A ladder that is not over waits for something, was exhausted, or has rung its time out.
        if ladder.phase != "closed" and not timers(ladder):
            assert ladder.exhausted
        # Only another person's answer or a closing ends a danger.
        if ladder.phase == "at-patient" and ladder.priority == "PH":
            assert any(
                p.answer == "h" and not p.member.startswith("Patient/") for p in ladder.people
            )


@given(st.lists(ACTIONS, max_size=25))
def test_page_numbers_of_a_person_only_grow(actions: list[tuple[Any, ...]]) -> None:
    play = Play(roster=ROSTER)
    play.ring()
    for action in actions:
        perform(play, action)
    numbers: dict[str, int] = {}
    for _, command in play.log:
        if isinstance(command, Page):
            assert command.number == numbers.get(command.member, 0) + 1
            numbers[command.member] = command.number


@given(st.permutations(ROSTER))
def test_the_order_of_the_roster_does_not_matter(roster: Any) -> None:
    def pages(order: Any) -> list[Any]:
        play = Play(roster=tuple(replace(c) for c in order))
        play.ring()
        play.until(130)
        return sorted(play.pages())

    assert pages(roster) == pages(ROSTER)
