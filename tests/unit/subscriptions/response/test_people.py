"""Numbers, care teams, languages: what resources say about how people are reached."""

from datetime import UTC, datetime

import pytest

from fhirserver.kernel.canonical import ESCALATION_TIER
from fhirserver.kernel.resource import Json
from fhirserver.relations.fhir_period import period
from subscriptions.core.care_team import (
    Participant,
    Reach,
    audience,
    is_professional,
    participants,
    patient_of,
    reach,
)
from subscriptions.core.managed_subscription import (
    is_managed,
    managed,
    member_of,
    phone_of,
    subscription_id,
)
from subscriptions.core.phone import e164, phones
from subscriptions.core.receipt import stage, verdict
from subscriptions.core.verification import STATUSES, after


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("+1 555 123 4567", "+15551234567"),
        ("+1 (555) 123-4567", "+15551234567"),
        ("0034 600 123 456", "+34600123456"),
        ("tel:+15551234567", "+15551234567"),
        ("5551234567", None),
        ("+0123456789", None),
        ("+1555", None),
        ("+1234567890123456", None),
        ("bob", None),
        ("+1555123456x", None),
        ("", None),
    ],
)
def test_numbers(value: str, number: str | None) -> None:
    assert e164(value) == number


def test_the_preferred_number_comes_first() -> None:
    telecom = [
        {"system": "email", "value": "x@example.org"},
        {"system": "phone", "value": "+15550000001"},
        {"system": "phone", "value": "+15550000002", "rank": 2},
        {"system": "sms", "value": "+15550000003"},
        {"system": "phone", "value": "+15550000004", "rank": 1},
        {"system": "sms", "value": "+15550000005", "use": "old"},
        {"system": "sms"},
        {"system": "sms", "value": "+15550000004"},
    ]
    assert [number[-1] for number in phones(telecom)] == ["4", "2", "3", "1"]


def member(reference: str, tier: int | None, **more: Json) -> Json:
    entry: Json = {"member": {"reference": reference}, **more}
    if tier is not None:
        entry["extension"] = [{"url": ESCALATION_TIER, "valuePositiveInt": tier}]
    return entry


def team(*entries: Json, **more: object) -> Json:
    subject = {"reference": "Patient/ann"}
    return {"status": "active", "subject": subject, "participant": list(entries), **more}


def test_only_members_with_a_tier_are_told() -> None:
    found = participants(
        team(
            member("RelatedPerson/bob", 1),
            member("RelatedPerson/uncle", None),
            member("Organization/clinic", 1),
            member("https://x.org/fhir/Practitioner/nina", 2),
            {"extension": [{"url": ESCALATION_TIER, "valuePositiveInt": 1}]},
        )
    )
    assert found == (
        Participant("RelatedPerson/bob", 1, None, None),
        Participant("Practitioner/nina", 2, None, None),
    )


def test_listed_twice_counts_once_with_the_lower_tier() -> None:
    (one,) = participants(team(member("Patient/ann", 2), member("Patient/ann", 1)))
    assert one.tier == 1


@pytest.mark.parametrize("status", ["inactive", "entered-in-error", "suspended", "proposed"])
def test_a_closed_team_tells_nobody(status: str) -> None:
    assert participants(team(member("Patient/ann", 1), status=status)) == ()


def test_the_shorter_period_counts() -> None:
    (one,) = participants(
        team(
            member("Patient/ann", 1, period={"start": "2026-02", "end": "2026-03-01"}),
            period={"start": "2026-01-01", "end": "2026"},
        )
    )
    assert one.starts == datetime(2026, 2, 1, tzinfo=UTC)
    assert one.ends == datetime(2026, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("2026", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2026-12", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2026-02", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-02-28", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-02-28T10:00:00Z", datetime(2026, 2, 28, 10, tzinfo=UTC)),
    ],
)
def test_an_end_covers_its_whole_unit(text: str, end: datetime) -> None:
    assert period({"end": text}) == (None, end)


def test_of_whom_a_team_is() -> None:
    assert patient_of({"subject": {"reference": "Patient/ann"}}) == "ann"
    assert patient_of({"subject": {"reference": "Group/g"}}) is None
    assert patient_of({}) is None


def spoken(*codes: str) -> list[Json]:
    return [{"language": {"coding": [{"code": code}]}} for code in codes]


def test_language_and_number() -> None:
    telecom = [{"system": "sms", "value": "+15550000001"}]
    assert reach({"telecom": telecom, "communication": spoken("es")}) == Reach("+15550000001", "es")
    second = [*spoken("en"), {**spoken("es")[0], "preferred": True}]
    assert reach({"communication": second}) == Reach(None, "es")
    practitioner = {"telecom": telecom, "communication": [{"coding": [{"code": "es"}]}]}
    assert reach({}, practitioner) == Reach("+15550000001", "es")


def test_who_is_who() -> None:
    assert audience("Patient/ann") == "patient"
    assert audience("RelatedPerson/bob") == "partner"
    assert audience("PractitionerRole/r") == "professional"
    assert is_professional("Practitioner/n")
    assert not is_professional("RelatedPerson/bob")


def test_the_managed_subscription() -> None:
    made = managed("RelatedPerson/bob", "+15550000001", "requested")
    assert is_managed(made)
    assert phone_of(made) == "+15550000001"
    assert member_of(made) == "RelatedPerson/bob"
    id_ = subscription_id("RelatedPerson/" + "x" * 64)
    assert len(id_) <= 64
    assert id_ != subscription_id("RelatedPerson/bob")


def test_only_the_owner_lifts_off() -> None:
    assert {event for (status, event) in STATUSES if status == "off"} == {
        "started",
        "number-changed",
    }
    assert after("off", "confirmed") == "off"
    assert after("active", "number-changed") == "requested"


def test_receipts_are_ordered() -> None:
    assert stage("queued") < stage("sent") < stage("delivered")
    assert stage("nonsense") == 0
    assert verdict("undelivered") == "not-arrived"
    assert verdict("delivered") == "arrived"
    assert verdict("no-answer") == "on-its-way"
