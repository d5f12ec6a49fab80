"""Three of the ten defects of the product that inspired this one: timers, dismissal, and seven minutes.

3. One malformed message killed a device's process and with it every pending emergency timer.
4. Dismissing an alert did not stop the emergency timer; a viewer, or the patient whose pressure had
   fallen, could stop it.
5. The first person was called after seven minutes, in which half the blood can be lost.
"""

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from fhirserver.kernel.errors import Forbidden, Unprocessable
from fhirserver.kernel.principal import Principal
from fhirserver.kernel.readings import Mode
from fhirserver.kernel.resource import Json
from subscriptions.core.incident_task import Incident, PageInput, page_task, parent_task
from subscriptions.core.ladder_commands import Command, Finish, Page
from subscriptions.core.ladder_events import Event
from subscriptions.core.ladder_state import Ladder, timers
from subscriptions.core.life_cycle import latches, respond
from subscriptions.core.task_check import task_to_store
from subscriptions.core.timing import HOLD, LADDERS
from tests.unit.subscriptions.response.playbook import (
    ALERT,
    START,
    Play,
    nurse,
    partner,
    patient,
)
from tests.unit.subscriptions.rules.world import SYSTOLIC, World, at, event, reading

TEAM = (patient(), partner("bob", 1), partner("eve", 2), nurse("nina", 2))


class Forgetful(Play):
    """A ladder whose process dies after every step: only what was written down goes on."""

    def do(self, event: Event) -> list[Command]:
        commands = super().do(event)
        if self.ladder is not None:
            written = msgspec.json.encode(self.ladder)
            self.ladder = msgspec.json.decode(written, type=Ladder)
        return commands


def answered(play: Play) -> Play:
    play.ring()
    play.until(31)
    play.reply("bob", "a")
    play.until(50)
    play.reply("eve", "y")
    play.until(600)
    return play


# 3. Timers live in rows, not in a process


def test_defect_3_a_process_that_dies_takes_no_timer_with_it() -> None:
    spared, killed = answered(Play(roster=TEAM)), answered(Forgetful(roster=TEAM))
    assert killed.pages() == spared.pages()
    assert timers(killed.ladder) == timers(spared.ladder)


def test_defect_3_a_value_nobody_can_make_sense_of_leaves_the_alarm_alone() -> None:
    world = World()
    world.hear(event("198260", 0))
    before = world.open
    nonsense: list[tuple[str, Mode | None]] = [("NaN", "TX"), ("Infinity", None), ("-1E+40", "TX")]
    for second, (value, mode) in enumerate(nonsense, start=1):
        world.measure(reading(SYSTOLIC, value, second, mode=mode))
    assert [alert for alert in world.open if alert.code == "198260"] == before


# 4. Who may end an alarm, and that ending it ends everything


def test_defect_4_ending_an_alert_ends_every_timer() -> None:
    play = Play(roster=TEAM)
    play.ring()
    play.until(40)
    play.end()
    assert dict(timers(play.ladder)) == {}
    told = len(play.pages())
    play.until(3600)
    assert len(play.pages()) == told
    assert play.commands(Finish) == [Finish("Practitioner/nina")]


@pytest.mark.parametrize("answer", ["a", "y", "n", "h"])
def test_defect_4_the_patient_stops_nothing(answer: str) -> None:
    play, alone = Play(roster=TEAM), Play(roster=TEAM)
    play.ring()
    alone.ring()
    play.until(1)
    play.reply("ann", answer)  # type: ignore[arg-type]
    play.until(125)
    alone.until(125)

    def others(one: Play) -> set[tuple[str, str]]:
        return {(who, purpose) for _, who, purpose, _ in one.pages() if who != "ann"}

    assert others(play) >= others(alone)
    assert timers(play.ladder) != {}


@pytest.mark.parametrize("transition", ["arrive", "close"])
def test_defect_4_the_patient_cannot_close_by_an_app_either(transition: str) -> None:
    world = World()
    world.measure(reading(SYSTOLIC, 70, 0))
    (alert,) = world.open
    assert latches(alert)
    with pytest.raises(Forbidden):
        respond(alert, transition, "Patient/ann", at(5))  # type: ignore[arg-type]


def page() -> Json:
    incident = Incident(ALERT, "ann", "f", "team", "PH", simulated=False)
    wanted = PageInput(1, "alert", (("sms", "c"),))
    return page_task(incident, "p", "RelatedPerson/bob", wanted, None, START)


def parent() -> Json:
    return parent_task(Incident(ALERT, "ann", "f", "team", "PH", simulated=False), START)


@pytest.mark.parametrize(
    "viewer",
    [
        Principal(1, "related-person", "RelatedPerson/viewer"),
        Principal(1, "patient", "Patient/ann"),
        Principal(1, "device", "Device/m"),
    ],
)
def test_defect_4_a_viewer_answers_for_nobody_and_closes_nothing(viewer: Principal) -> None:
    ended = {"status": "completed", "statusReason": {"text": "I am sure it is nothing"}}
    for task in (page(), parent()):
        with pytest.raises(Forbidden):
            task_to_store(viewer, {**task, **ended}, task, START)


def test_defect_4_a_nurse_far_away_is_not_at_the_patients_side() -> None:
    nina = Principal(1, "practitioner", "Practitioner/nina")
    with pytest.raises(Forbidden):
        task_to_store(nina, {**page(), "status": "completed"}, page(), START)
    colleagues = {**page(), "owner": {"reference": "PractitionerRole/duty"}}
    assert task_to_store(nina, {**colleagues, "status": "accepted"}, colleagues, START)


@pytest.mark.parametrize("ours", [page(), parent()])
def test_defect_4_no_task_becomes_one_of_an_incident(ours: Json) -> None:
    """What nobody may create is not made in two steps either."""
    nina = Principal(1, "practitioner", "Practitioner/nina")
    plain = {**ours, "code": {"text": "call the supplier"}}
    assert task_to_store(nina, plain, None, START) == plain
    with pytest.raises(Unprocessable):
        task_to_store(nina, {**ours, "status": "received"}, plain, START)


# 5. Nobody waits for seven minutes


def test_defect_5_the_times_of_a_high_alert_are_seconds() -> None:
    high = LADDERS["PH"]
    assert high.rungs[1] == timedelta(0)
    assert max(high.rungs.values()) <= timedelta(seconds=60)
    assert high.emergency == timedelta(seconds=90)
    assert timedelta(seconds=60) >= HOLD


def test_defect_5_everybody_was_asked_and_the_prompt_is_out_before_two_minutes() -> None:
    # At 400 mL/min 30 % of the blood is lost after 3:40; whatever is answered from afar.
    for answer in (None, "a", "y", "n"):
        play = Play(roster=TEAM)
        play.ring()
        if answer is not None:
            for name in ("bob", "eve"):
                play.until(play.seconds + 20)
                play.reply(name, answer)
        play.until(120)
        prompted = {who for _, who, purpose, _ in play.pages() if purpose == "emergency"}
        assert prompted >= {"bob", "eve", "nina"}
        first = [c for at, c in play.log if isinstance(c, Page) and at == 0]
        assert {"sms", "voice"} == set(first[0].media)


def test_defect_5_one_who_cannot_be_reached_costs_no_time() -> None:
    lost = tuple(replace(contact, unreachable="no-number") for contact in TEAM[:3])
    play = Play(roster=(*lost, TEAM[3]))
    play.ring()
    assert play.told("nina") == [0]
