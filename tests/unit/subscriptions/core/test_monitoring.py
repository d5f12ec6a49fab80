"""One patient in virtual time: the pieces work together as at the server's edge."""

from datetime import timedelta

from fhirserver.kernel.readings import Contact, Mode
from subscriptions.core.monitoring import Decided, Monitored
from tests.unit.subscriptions.rules.world import (
    DEFAULTS,
    SYSTOLIC,
    at,
    event,
    reading,
    rule,
)

ACCESS, STOP = "198260", "198242"


def ann() -> Monitored:
    return Monitored("ann", DEFAULTS)


def heard(seconds: float, *, mode: Mode | None = "TX", online: bool = True) -> Contact:
    return Contact(1, "machine-ann", "ann", mode, online, at(seconds), simulated=False)


def wait(monitored: Monitored, until: float) -> list[Decided]:
    """Let the seconds pass as a server does."""
    decided: list[Decided] = []
    second = at(0)
    while second <= at(until):
        if monitored.due is not None and monitored.due <= second:
            decided += monitored.tick(second)
        second += timedelta(seconds=1)
    return decided


def said(decided: list[Decided]) -> list[str]:
    return [
        f"{(one.at - at(0)).total_seconds():g} {one.outcome.record} "
        f"{one.outcome.alert.priority} {one.outcome.alert.display}"
        for one in decided
    ]


def test_a_second_reading_that_does_not_come_rings_by_itself() -> None:
    patient = ann()
    first = patient.readings([reading(SYSTOLIC, 88, 0)], at(0))
    assert said(first) == ["0 raised PM systolic blood pressure low"]
    assert said(wait(patient, 300)) == ["120 priority-raised PH systolic blood pressure low"]


def test_a_machine_that_falls_silent_is_noticed_and_heard_again() -> None:
    patient = ann()
    patient.contact(heard(0), at(0))
    assert said(wait(patient, 100)) == [
        "20 raised PM device silent",
        "65 priority-raised PH monitoring lost",
    ]
    again = patient.contact(heard(101), at(101))
    assert said(again) == ["101 condition-ended PH monitoring lost"]
    assert patient.due == at(121)


def test_a_goodbye_in_treatment_rings_at_once_and_its_silence_goes_on() -> None:
    patient = ann()
    patient.contact(heard(0), at(0))
    assert said(patient.contact(heard(5, mode=None, online=False), at(5))) == [
        "5 raised PM device silent"
    ]
    assert said(wait(patient, 100)) == ["65 priority-raised PH monitoring lost"]


def test_a_machine_at_rest_may_be_silent() -> None:
    patient = ann()
    patient.contact(heard(0, mode="IDL"), at(0))
    assert patient.due is None
    assert wait(patient, 300) == []


def test_an_alarm_no_longer_repeated_is_stale_and_stays() -> None:
    patient = ann()
    decided = patient.events([event(ACCESS, 0), event(STOP, 1)], at(1))
    assert [one.rings for one in decided] == [True, False], "one incident calls people once"
    stale = wait(patient, 120)
    assert [one.outcome.alert.condition for one in stale] == ["stale", "stale"]
    assert all(one.is_open for one in patient.alerts)
    assert patient.due is None


def test_a_repeated_alarm_is_not_stale_and_its_end_stops_the_waiting() -> None:
    patient = ann()
    patient.events([event(ACCESS, 0)], at(0))
    patient.events([event(ACCESS, 30, phase="continue")], at(30))
    assert wait(patient, 70) == []
    patient.events([event(ACCESS, 71, phase="end")], at(71))
    assert patient.due is None


def test_an_order_holds_from_the_next_reading_on() -> None:
    patient = ann()
    assert patient.readings([reading(SYSTOLIC, 100, 0)], at(0)) == []
    patient.rules_changed((rule(low=110, priority="PM"),))
    decided = patient.readings([reading(SYSTOLIC, 100, 60)], at(60))
    assert said(decided) == ["60 raised PM systolic blood pressure low"]


def test_what_a_person_answers_ends_an_alert() -> None:
    patient = ann()
    (raised,) = patient.events([event(ACCESS, 0)], at(0))
    step = patient.answered(raised.outcome.alert.id, "close", "RelatedPerson/eve", at(30))
    assert step.applied
    assert not patient.alerts[0].is_open
    assert patient.due is None


def test_what_is_too_old_to_page_rings_nobody() -> None:
    patient = ann()
    (old,) = patient.readings([reading(SYSTOLIC, 70, 0, late=400)], at(400))
    assert old.outcome.record == "raised"
    assert not old.rings
