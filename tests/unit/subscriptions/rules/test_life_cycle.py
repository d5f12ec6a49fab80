"""The life cycle: every state, every transition, and the rules on top of the table."""

from dataclasses import replace
from typing import get_args

import pytest

from fhirserver.kernel.errors import Forbidden
from subscriptions.core.alert import Alert, ResponseState, more_urgent
from subscriptions.core.life_cycle import (
    RESPONSES,
    Transition,
    latches,
    observe,
    respond,
    ring_again,
)
from tests.unit.subscriptions.rules.world import SYSTOLIC, VENOUS, World, at, reading

ANSWERS = ("acknowledge", "accept", "arrive")


def ph() -> Alert:
    world = World()
    world.measure(reading(SYSTOLIC, 70, 0))
    return world.alerts[0]


def pm() -> Alert:
    world = World()
    world.measure(*(reading(VENOUS, 15, second) for second in range(11)))
    return world.alerts[0]


def test_every_open_state_can_ring_again_and_be_closed() -> None:
    for state in get_args(ResponseState):
        for transition in ("ring-again", "close"):
            assert ((state, transition) in RESPONSES) == (state != "closed")


def test_nothing_leaves_closed() -> None:
    closed = respond(ph(), "close", "Practitioner/n", at(5)).alert
    for transition in get_args(Transition):
        step = respond(closed, transition, "Practitioner/n", at(6))
        assert not step.applied
        assert step.alert == closed
    assert observe(closed, "end", at(7), at(7)).alert == closed


def test_a_weaker_answer_does_not_undo_a_stronger_one() -> None:
    here = respond(ph(), "arrive", "RelatedPerson/bob", at(5)).alert
    for transition in ("deliver", "acknowledge", "accept", "escalate", "exhaust"):
        assert not respond(here, transition, "RelatedPerson/eve", at(6)).applied


@pytest.mark.parametrize("transition", ["arrive", "close"])
def test_the_patient_alone_ends_no_latching_alert(transition: Transition) -> None:
    with pytest.raises(Forbidden):
        respond(ph(), transition, "Patient/ann", at(5))
    assert respond(ph(), "acknowledge", "Patient/ann", at(5)).applied


def test_ringing_again_is_a_new_generation_from_the_beginning() -> None:
    here = respond(ph(), "arrive", "RelatedPerson/bob", at(5)).alert
    again = ring_again(here, at(125))
    assert (again.response, again.generation, again.signal) == ("notifying", 2, "on")
    assert again.rang == at(125)


def test_an_ended_condition_latches_a_high_priority_alert() -> None:
    alert = observe(ph(), "end", at(60), at(61)).alert
    assert (alert.condition, alert.signal, alert.is_open) == ("absent", "latched", True)
    assert alert.ended == at(60)
    answered = respond(alert, "acknowledge", "RelatedPerson/bob", at(70)).alert
    assert answered.is_open


def test_an_answered_medium_alert_closes_with_its_condition_in_either_order() -> None:
    first = observe(respond(pm(), "acknowledge", "x/y", at(20)).alert, "end", at(30), at(30)).alert
    second = respond(observe(pm(), "end", at(30), at(30)).alert, "acknowledge", "x/y", at(40)).alert
    assert first.closed == at(30)
    assert second.closed == at(40)
    assert observe(pm(), "end", at(30), at(30)).alert.is_open


def test_a_breach_brings_a_latched_alert_back() -> None:
    over = observe(ph(), "end", at(60), at(61)).alert
    back = observe(over, "breach", at(90), at(91)).alert
    assert (back.condition, back.ended, back.signal) == ("present", None, "on")


def test_a_condition_never_ends_before_it_began() -> None:
    alert = ph()
    assert observe(alert, "end", at(-10), at(5)).alert.ended == alert.onset


def test_pausing_and_resuming_touch_the_signal_only() -> None:
    seen = respond(pm(), "acknowledge", "RelatedPerson/bob", at(15)).alert
    paused = respond(seen, "pause", "RelatedPerson/bob", at(16)).alert
    assert (paused.signal, paused.response) == ("paused", "acknowledged")
    assert respond(paused, "resume", "Device/fhirserver", at(17)).alert.signal == "on"
    assert not respond(seen, "resume", "Device/fhirserver", at(17)).applied


def test_only_what_was_answered_and_does_not_latch_may_be_paused() -> None:
    assert not respond(pm(), "pause", "RelatedPerson/bob", at(15)).applied
    seen = respond(ph(), "acknowledge", "RelatedPerson/bob", at(15)).alert
    assert not respond(seen, "pause", "RelatedPerson/bob", at(16)).applied
    for family in ("blood-loss", "air", "hypotension", "monitoring-lost"):
        latching = replace(respond(pm(), "acknowledge", "x/y", at(15)).alert, family=family)
        assert not respond(latching, "pause", "RelatedPerson/bob", at(16)).applied


def test_haemorrhage_air_hypotension_and_lost_monitoring_latch_at_any_priority() -> None:
    for family in ("blood-loss", "air", "hypotension", "monitoring-lost"):
        assert latches(replace(pm(), family=family))
    assert not latches(pm())


def test_urgency_is_ordered() -> None:
    assert more_urgent("PH", "PM")
    assert more_urgent("PM", "PL")
    assert not more_urgent("PM", "PM")
