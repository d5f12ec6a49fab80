"""When monitoring counts as armed, when it lapses, and when a treatment is told to be unarmed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from subscriptions.core import arming
from subscriptions.core.arming import UNARMED, Arming
from subscriptions.core.ladder_state import Contact

NOW = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)
BOB = Contact("RelatedPerson/bob", 1, False, False, None)
EVE = Contact("RelatedPerson/eve", 1, False, False, None)
SECOND = Contact("RelatedPerson/sam", 2, False, False, None)
ANN = Contact("Patient/ann", 1, False, True, None)
LOST = Contact("RelatedPerson/bob", 1, False, False, "stopped")


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def armed_by_bob() -> Arming:
    testing = arming.asked(UNARMED, [BOB], NOW)
    return arming.acknowledged(testing, BOB.member, [BOB], later(10), allowed=True)


def test_only_reachable_people_of_tier_one_with_a_telephone_of_their_own_count() -> None:
    assert arming.able([BOB, SECOND, ANN]) == (BOB.member,)
    assert arming.able([LOST]) == ()


def test_an_acknowledgement_arms() -> None:
    testing = arming.asked(UNARMED, [BOB, EVE], NOW)
    assert (testing.state, testing.reason) == ("testing", "not-acknowledged")
    armed = arming.acknowledged(testing, EVE.member, [BOB, EVE], later(20), allowed=True)
    assert armed == Arming("armed", NOW, later(20), (EVE.member,), None)


@pytest.mark.parametrize("member", [SECOND.member, ANN.member, "RelatedPerson/stranger"])
def test_nobody_else_s_acknowledgement_does(member: str) -> None:
    testing = arming.asked(UNARMED, [BOB, SECOND, ANN], NOW)
    roster = [BOB, SECOND, ANN]
    assert arming.acknowledged(testing, member, roster, NOW, allowed=True) == testing


def test_an_answer_to_a_test_page_that_has_grown_old_arms_nothing() -> None:
    assert arming.acknowledged(UNARMED, BOB.member, [BOB], NOW, allowed=True) == UNARMED


def test_without_anybody_reachable_a_test_page_says_so() -> None:
    asked = arming.asked(UNARMED, [LOST, SECOND], NOW)
    assert (asked.state, asked.reason) == ("unarmed", "nobody-reachable")
    asked = arming.asked(armed_by_bob(), [LOST], later(60))
    assert (asked.state, asked.reason) == ("lapsed", "nobody-reachable")


def test_asking_again_while_armed_takes_nothing_away() -> None:
    assert arming.asked(armed_by_bob(), [BOB], later(60)).state == "armed"


def test_it_lapses_with_the_last_who_acknowledged() -> None:
    both = arming.acknowledged(armed_by_bob(), EVE.member, [BOB, EVE], later(30), allowed=True)

    def look(known: Arming, *roster: Contact) -> Arming:
        return arming.looked_at(known, roster, later(60), allowed=True, in_session=True)

    assert look(both, EVE) == both
    assert look(both, LOST, SECOND).reason == "person-lost"
    # Somebody else of tier 1 has shown nothing yet.
    assert look(armed_by_bob(), EVE).state == "lapsed"
    assert look(look(armed_by_bob(), EVE), BOB, EVE).state == "lapsed"


def test_after_a_lapse_another_acknowledgement_arms_again() -> None:
    lapsed = arming.looked_at(armed_by_bob(), [EVE], later(60), allowed=True, in_session=True)
    again = arming.acknowledged(lapsed, EVE.member, [EVE], later(90), allowed=True)
    assert (again.state, again.by, again.armed) == ("armed", (EVE.member,), later(90))


def test_a_revoked_order_disarms_whoever_needs_one() -> None:
    revoked = arming.looked_at(armed_by_bob(), [BOB], later(60), allowed=False, in_session=True)
    assert (revoked.state, revoked.reason) == ("lapsed", "no-order")


def test_it_holds_for_two_hours_before_a_treatment_and_through_it() -> None:
    known = armed_by_bob()
    until = later(10 + 7200)
    assert arming.holds_until(known, in_session=False) == until
    assert arming.holds_until(known, in_session=True) is None

    def look(at: datetime, *, in_session: bool) -> str:
        return arming.looked_at(known, [BOB], at, allowed=True, in_session=in_session).state

    assert look(until - timedelta(seconds=1), in_session=False) == "armed"
    assert look(until, in_session=False) == "unarmed"
    assert look(until, in_session=True) == "armed"


def test_when_a_treatment_is_told() -> None:
    assert arming.tell_at(UNARMED, NOW) == NOW
    assert arming.tell_at(arming.asked(UNARMED, [BOB], NOW), NOW) == later(60)
    # Asking over and over does not put it off.
    assert arming.tell_at(arming.asked(UNARMED, [BOB], later(50)), NOW) == later(60)
    assert arming.tell_at(armed_by_bob(), NOW) is None


@pytest.mark.parametrize(
    ("birth_date", "adult"),
    [
        ("2008-08-01", True),
        ("2008-08-02", False),
        ("2008-07", True),
        ("2008-08", False),
        ("2007", True),
        ("2008", False),
        ("2008-02-29", True),
        (None, False),
        ("unknown", False),
        (2000, False),
    ],
)
def test_the_default_rules_are_for_adults(birth_date: Any, *, adult: bool) -> None:
    assert arming.may_be_armed(birth_date, NOW, has_own_order=False) is adult
    assert arming.may_be_armed(birth_date, NOW, has_own_order=True)


def test_who_is_born_on_a_leap_day_is_grown_on_the_first_of_march() -> None:
    def adult(day: int, month: int) -> bool:
        moment = datetime(2026, month, day, tzinfo=UTC)
        return arming.may_be_armed("2008-02-29", moment, has_own_order=False)

    assert (adult(28, 2), adult(1, 3)) == (False, True)


def test_the_alert_is_technical_and_rings_for_live_treatments_only() -> None:
    def finding(*, live: bool) -> Any:
        return arming.not_armed_finding(
            patient="ann",
            device="m1",
            what="breached",
            reason="not-tested",
            simulated=False,
            live=live,
            at=NOW,
        )

    found = finding(live=True)
    assert (found.priority, found.kind, found.key) == ("PM", "technical", "not-armed")
    assert not finding(live=False).bound
