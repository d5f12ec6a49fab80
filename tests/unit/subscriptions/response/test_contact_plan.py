"""How people are called: quiet hours, channels, order, times of their own, and the roster of it."""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest

from fhirserver.kernel import canonical
from fhirserver.kernel.resource import Json
from subscriptions.core.care_team import Participant, check, organizations_of, participants
from subscriptions.core.contact_plan import Plan, plan_of
from subscriptions.core.fridge_card import FridgeCard, card, is_fridge_card, patient_of
from subscriptions.core.ladder_pace import BOUNDS, pace, wishes_of
from subscriptions.core.ladder_state import Contact
from subscriptions.core.quiet_hours import QuietHours, is_quiet, next_change
from subscriptions.core.roster import Listed, roster_at
from subscriptions.core.timing import LADDERS

NIGHT = QuietHours(time(22), time(7), "Europe/Berlin")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# Quiet hours


def test_a_night_is_quiet_by_the_clock_on_the_wall() -> None:
    assert not is_quiet([NIGHT], utc("2026-08-01T19:59:59"))
    assert is_quiet([NIGHT], utc("2026-08-01T20:00:00"))
    assert is_quiet([NIGHT], utc("2026-08-02T04:59:59"))
    assert not is_quiet([NIGHT], utc("2026-08-02T05:00:00"))
    assert next_change([NIGHT], utc("2026-08-01T20:00:00")) == utc("2026-08-02T05:00:00")
    assert next_change([NIGHT], utc("2026-08-02T05:00:00")) == utc("2026-08-02T20:00:00")


@pytest.mark.parametrize(
    ("begins", "ends", "hours"),
    [
        ("2026-03-28T21:00:00", "2026-03-29T05:00:00", 8),
        ("2026-10-24T20:00:00", "2026-10-25T06:00:00", 10),
    ],
)
def test_quiet_hours_end_at_seven_in_the_nights_clocks_change(
    begins: str, ends: str, hours: int
) -> None:
    assert utc(ends) - utc(begins) == timedelta(hours=hours)
    assert next_change([NIGHT], utc(begins) - timedelta(hours=1)) == utc(begins)
    assert next_change([NIGHT], utc(begins)) == utc(ends)
    assert is_quiet([NIGHT], utc(ends) - timedelta(seconds=1))
    assert not is_quiet([NIGHT], utc(ends))


def test_the_same_time_twice_is_the_whole_day_and_several_add_up() -> None:
    always = QuietHours(time(8), time(8), "UTC")
    assert all(
        is_quiet([always], utc("2026-08-01T00:00:00") + timedelta(hours=h)) for h in range(48)
    )
    noon = QuietHours(time(12), time(13), "UTC")
    assert is_quiet([NIGHT, noon], utc("2026-08-01T12:30:00"))
    assert next_change([], utc("2026-08-01T12:30:00")) is None


def test_a_zone_nobody_knows_keeps_nobody_from_being_called() -> None:
    lost = QuietHours(time(0), time(0), "Mars/Olympus")
    assert not is_quiet([lost], utc("2026-08-01T12:30:00"))
    assert next_change([lost, NIGHT], utc("2026-08-01T12:30:00")) == utc("2026-08-01T20:00:00")


# Plans


def parts(url: str, *values: tuple[str, str, Any]) -> Json:
    return {"url": url, "extension": [{"url": name, value: it} for name, value, it in values]}


def quiet(start: Any = "22:00:00", end: Any = "07:00:00", zone: Any = "Europe/Berlin") -> Json:
    return parts(
        canonical.QUIET_HOURS,
        ("start", "valueTime", start),
        ("end", "valueTime", end),
        ("zone", "valueCode", zone),
    )


def channel(code: str) -> Json:
    return {"url": canonical.CONTACT_CHANNEL, "valueCode": code}


def timing(priority: Any, **times: Any) -> Json:
    values = [
        (name.replace("_", "-"), "valueDuration", value)
        if isinstance(value, Mapping)
        else (name.replace("_", "-"), "valueDuration", {"value": value, "code": "s"})
        for name, value in times.items()
    ]
    return parts(canonical.LADDER_TIMING, ("priority", "valueCode", priority), *values)


def test_what_a_participant_says_is_read() -> None:
    order = {"url": canonical.ESCALATION_ORDER, "valuePositiveInt": 2}
    entry = {"extension": [order, channel("voice"), quiet()]}
    assert plan_of({}, entry) == Plan(2, ("voice",), (NIGHT,), {})
    assert plan_of({}, {}) == Plan()
    assert plan_of({}, {"extension": [channel("none")]}).media == ()
    both = {"extension": [channel("voice"), channel("sms")]}
    assert plan_of({}, both).media == ("sms", "voice")


@pytest.mark.parametrize(
    "wrong",
    [
        channel("pigeon"),
        quiet(start=None),
        quiet(end="7 in the morning"),
        quiet(zone="Berlin"),
        quiet(zone=None),
    ],
)
def test_a_participant_nobody_could_call_is_refused(wrong: Json) -> None:
    (problem,) = check({"participant": [{}, {"extension": [wrong]}]})
    assert problem.expression == "CareTeam.participant[1].extension"


def test_none_and_a_channel_is_refused() -> None:
    assert check({"participant": [{"extension": [channel("none"), channel("sms")]}]}) != []


def test_times_of_ones_own_within_their_bounds() -> None:
    minutes = {"value": Decimal("1.5"), "code": "min"}
    team = {
        "extension": [timing("PH", rung_2=20, emergency_prompt=minutes), timing("PM", everyone=600)]
    }
    assert check(team) == []
    high, medium = pace([wishes_of(team)])["PH"], pace([wishes_of(team)])["PM"]
    assert high.rungs == {**LADDERS["PH"].rungs, 2: timedelta(seconds=20)}
    assert high.emergency == timedelta(seconds=90)
    assert medium.exhausted == timedelta(minutes=10)
    assert medium.rungs == LADDERS["PM"].rungs
    assert medium.emergency is None
    assert pace([]) == LADDERS


def test_of_several_teams_the_shortest_time_counts() -> None:
    wanted = pace([{"PH": {"rung-2": 20}}, {"PH": {"rung-2": 10, "rung-3": 60}}])
    assert wanted["PH"].rungs[2] == timedelta(seconds=10)
    assert wanted["PH"].rungs[3] == timedelta(seconds=60)


def test_the_usual_times_lie_within_the_bounds() -> None:
    for priority, times in BOUNDS.items():
        usual = LADDERS[priority]
        told = {
            "rung-2": usual.rungs[2],
            "rung-3": usual.rungs[3],
            "emergency-prompt": usual.emergency,
            "everyone": usual.exhausted,
            "repeat": usual.repeat_every,
        }
        for part, (least, most) in times.items():
            found = told[part]
            assert found is not None
            assert least <= found.total_seconds() <= most


@pytest.mark.parametrize(
    "wrong",
    [
        timing("PL", rung_2=30),
        timing(None, rung_2=30),
        timing("PH", rung_2=46),
        timing("PH", emergency_prompt=121),
        timing("PM", emergency_prompt=90),
        timing("PH", rung_3=20),
        timing("PH", rung_2={"value": 1, "code": "h"}),
        timing("PH", rung_2={"value": Decimal("1.5"), "code": "s"}),
        timing("PH", rung_2={}),
        timing("PH", rung_2={"value": Decimal("1E+999999999"), "code": "s"}),
        timing("PH", tomorrow=30),
    ],
)
def test_times_that_are_not_safe_are_refused(wrong: Json) -> None:
    (problem,) = check({"extension": [wrong]})
    assert problem.expression == "CareTeam.extension"


def test_times_given_twice_are_refused() -> None:
    assert check({"extension": [timing("PH", rung_2=20), timing("PH", rung_2=30)]}) != []
    twice = timing("PH", rung_2=20)
    twice["extension"].append(twice["extension"][-1])
    assert check({"extension": [twice]}) != []


def test_a_schedule_nobody_can_read_is_refused() -> None:
    assert check({"extension": [{"url": canonical.ON_CALL_SCHEDULE, "extension": []}]}) != []


def test_a_team_stored_before_it_was_checked_is_called_in_the_usual_way() -> None:
    tier = {"url": canonical.ESCALATION_TIER, "valuePositiveInt": 1}
    stored = {
        "subject": {"reference": "Patient/ann"},
        "participant": [
            {"member": {"reference": "RelatedPerson/bob"}, "extension": [tier, channel("pigeon")]}
        ],
    }
    assert participants(stored) == (Participant("RelatedPerson/bob", 1, None, None),)


def test_members_of_a_team_on_call_need_no_tier() -> None:
    coding = [{"system": canonical.CARE_TEAM_CATEGORIES, "code": "on-call"}]
    duty = {
        "category": [{"coding": coding}],
        "managingOrganization": [{"reference": "Organization/clinic"}, {"display": "another"}],
        "participant": [{"member": {"reference": "Practitioner/nina"}}],
    }
    assert [one.tier for one in participants(duty)] == [1]
    assert organizations_of(duty) == ("clinic",)
    assert participants({**duty, "subject": {"reference": "Patient/ann"}}) == ()
    broken = {"url": canonical.ON_CALL_SCHEDULE, "extension": []}
    assert [one.member for one in participants({**duty, "extension": [broken]})] == [
        "Practitioner/nina"
    ]


# The roster


def listed(member: str, tier: int, **more: Any) -> Listed:
    usual: dict[str, Any] = {
        "plan": Plan(),
        "starts": None,
        "ends": None,
        "shares_with_patient": False,
        "unreachable": None,
    }
    return Listed(member=member, tier=tier, **{**usual, **more})


NOW = utc("2026-08-01T21:00:00")


def test_the_first_place_on_the_ladder_counts() -> None:
    roster = roster_at(
        [listed("P/b", 2), listed("P/b", 1), listed("P/a", 1, plan=Plan(order=2))], NOW
    )
    assert [(one.member, one.tier, one.order) for one in roster] == [("P/b", 1, 1), ("P/a", 1, 2)]
    assert roster.until is None


def test_who_is_there_now_and_until_when() -> None:
    hour = timedelta(hours=1)
    roster = roster_at(
        [
            listed("P/left", 1, ends=NOW),
            listed("P/here", 1, ends=NOW + 3 * hour),
            listed("P/soon", 1, starts=NOW + 2 * hour),
        ],
        NOW,
        [None, NOW - hour],
    )
    assert [one.member for one in roster] == ["P/here"]
    assert roster.until == NOW + 2 * hour
    asleep = listed("P/asleep", 1, plan=Plan(quiet=(NIGHT,)))
    assert roster_at([asleep], NOW).until == utc("2026-08-02T05:00:00")
    assert roster_at([asleep], NOW).contacts[0].quiet
    assert roster_at([], NOW, [NOW + hour]).until == NOW + hour


def test_a_member_without_a_channel_cannot_be_reached() -> None:
    (one,) = roster_at([listed("P/a", 1, plan=Plan(media=()))], NOW)
    assert one == Contact("P/a", 1, False, False, "no-channel", 1, (), False)
    (stopped,) = roster_at([listed("P/a", 1, plan=Plan(media=()), unreachable="stopped")], NOW)
    assert stopped.unreachable == "stopped"


# The fridge card


def test_a_fridge_card_is_a_document_in_force() -> None:
    coding = [{"system": canonical.DOCUMENT_TYPES, "code": "fridge-card"}]
    document = {
        "status": "current",
        "type": {"coding": coding},
        "subject": {"reference": "Patient/ann"},
    }
    assert is_fridge_card(document)
    assert not is_fridge_card({**document, "status": "superseded"})
    assert not is_fridge_card({"status": "current"})
    assert patient_of(document) == "ann"
    assert patient_of({"subject": {"reference": "Group/g"}}) is None


def test_what_a_card_says() -> None:
    def attached(data: str, **more: str) -> Json:
        return {"attachment": {"contentType": "text/plain", "data": data, **more}}

    document = {
        "content": [
            attached("S2V5IHVuZGVy", title="Access"),
            attached("dGhlIG1hdA==", title="access"),
            attached("RGVhZg=="),
            attached("%%%"),
            {"attachment": {"contentType": "image/png", "data": "RGVhZg=="}},
            {"attachment": {"contentType": "text/plain"}},
        ]
    }
    lived = [
        {"use": "old", "text": "Far away"},
        {"use": "temp", "text": "Hotel"},
        {"use": "home", "line": ["Elm Road 4", "2nd floor"], "postalCode": "123", "city": "X"},
    ]
    assert card({"address": lived}, document) == FridgeCard(
        "Elm Road 4, 2nd floor, 123, X", "Key under the mat", "Deaf"
    )
    assert card({"address": lived[:2]}, None) == FridgeCard("Hotel", "", "")
    assert card({"address": lived[:1]}, {"content": []}) is None
    assert card(None, None) is None
