"""Consents: what is read of them, and what they deny."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fhirserver.auth import decide, may
from fhirserver.auth.consent import concerning, denial, provisions_of, silences
from fhirserver.kernel.principal import Basis, Membership, Principal, PrincipalKind, Relations
from fhirserver.kernel.resource import Json

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
BOB = "RelatedPerson/bob"
TYPES = "http://hl7.org/fhir/resource-types"


def consent(provision: Json | None, **more: Any) -> Json:
    content: Json = {
        "resourceType": "Consent",
        "id": "c1",
        "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "patient": {"reference": "Patient/ann"},
        **more,
    }
    return content if provision is None else {**content, "provision": provision}


def actor(reference: str = BOB) -> Json:
    return {"role": {"coding": [{"code": "IRCP"}]}, "reference": {"reference": reference}}


def classes(*types: str) -> list[Json]:
    return [{"system": TYPES, "code": one} for one in types]


def actions(*codes: str) -> list[Json]:
    return [{"coding": [{"code": one}]} for one in codes]


def denied(
    resource: Json, type_: str = "Observation", who: str = BOB, action: Any = "read"
) -> bool:
    found = concerning(provisions_of(resource), frozenset({who}), frozenset(), NOW)
    return denial(found, "ann", type_, action) is not None


def test_without_a_consent_nothing_is_denied() -> None:
    assert not denied(consent(None))


@pytest.mark.parametrize(
    "resource",
    [
        consent({"type": "deny"}, status="inactive"),
        consent({"type": "deny"}, status="draft"),
        consent({"type": "deny"}, scope={"coding": [{"code": "research"}]}),
        consent({"type": "deny"}, patient={"reference": "Group/all"}),
        consent({"type": "deny", "purpose": [{"code": "HRESCH"}]}),
    ],
)
def test_what_does_not_count(resource: Json) -> None:
    assert provisions_of(resource) == ()


def test_a_denial_of_everything() -> None:
    assert denied(consent({"type": "deny"}))
    assert denied(consent({"type": "deny"}), action="create")


def test_a_denial_is_about_its_actor_class_and_action() -> None:
    resource = consent(
        {
            "type": "permit",
            "provision": [
                {
                    "type": "deny",
                    "actor": [actor()],
                    "class": classes("Observation"),
                    "action": actions("access"),
                }
            ],
        }
    )

    assert denied(resource)
    assert denied(resource, action="search")
    assert not denied(resource, "Flag")
    assert not denied(resource, who="RelatedPerson/else")
    assert not denied(resource, action="create")


def test_an_inner_provision_gives_back() -> None:
    resource = consent(
        {"type": "deny", "provision": [{"type": "permit", "class": classes("Flag", "Task")}]}
    )

    assert not denied(resource, "Flag")
    assert denied(resource, "Observation")


def test_an_inner_provision_stays_within_the_outer_one() -> None:
    resource = consent(
        {
            "type": "deny",
            "class": classes("Observation"),
            "provision": [{"type": "permit", "class": classes("Flag")}],
        }
    )

    assert denied(resource, "Observation")
    assert not denied(resource, "Flag")


def test_a_denial_weighs_more_than_a_permission_beside_it() -> None:
    both = [
        {"type": "permit", "class": classes("Observation")},
        {"type": "deny", "class": classes("Observation"), "actor": [actor()]},
    ]

    assert denied(consent({"type": "deny", "provision": both}))
    assert denied(consent({"type": "deny", "provision": both[::-1]}))


def test_one_denying_consent_is_enough() -> None:
    permits = provisions_of(consent({"type": "permit", "actor": [actor()]}, id="c2"))
    denies = provisions_of(consent({"type": "deny", "actor": [actor()]}))

    assert denial((*permits, *denies), "ann", "Observation", "read") is not None


def test_periods_bound_a_denial() -> None:
    resource = consent({"type": "deny", "period": {"end": "2026-03-03"}})

    assert not denied(resource)
    assert denied(consent({"type": "deny", "period": {"start": "2026-03-04"}}))


def test_what_cannot_be_told_hides_too_much_rather_than_too_little() -> None:
    unknown = [{"system": "urn:else", "code": "letters"}]

    assert denied(consent({"type": "deny", "class": unknown}), "Flag")
    assert denied(consent({"type": "deny", "provision": [{"type": "permit", "class": unknown}]}))
    assert denied(
        consent({"type": "deny", "provision": [{"type": "permit", "code": [{"text": "some"}]}]})
    )


@pytest.mark.parametrize(
    "unknown",
    [
        {"class": [{"system": "urn:else", "code": "letters"}]},
        {"securityLabel": [{"code": "R"}]},
        {"dataPeriod": {"start": "2020"}},
        {"actor": [{"reference": {"display": "everybody at the clinic"}}]},
    ],
)
def test_an_exception_stands_though_the_permission_around_it_cannot_be_told(unknown: Json) -> None:
    inner = {"type": "deny", "actor": [actor()]}
    resource = consent({"type": "permit", **unknown, "provision": [inner]})

    assert denied(resource)
    assert not denied(resource, who="RelatedPerson/else")


def test_a_team_may_but_for_one_of_its_members() -> None:
    inner = {"type": "deny", "actor": [actor()], "class": classes("Observation")}
    outer = {"type": "permit", "actor": [actor("CareTeam/night")], "provision": [inner]}

    def allowed(who: str, resource_type: str) -> bool:
        membership = Membership("ann", who, None, None, None, source="CareTeam/night")
        relations = Relations((membership,), provisions_of(consent(outer)))
        access = decide(Principal(1, "related-person", who), relations, NOW)
        return may(access, "read", resource_type, frozenset({"ann"}), "patient")

    assert not allowed(BOB, "Observation")
    assert allowed(BOB, "Flag")
    assert allowed("RelatedPerson/eva", "Observation")


def test_a_role_may_but_for_those_who_have_another_one_too() -> None:
    inner = {"type": "deny", "actor": [{"role": {"coding": [{"code": "neighbour"}]}}]}
    outer = {
        "type": "permit",
        "actor": [{"role": {"coding": [{"code": "related-person"}]}}],
        "provision": [inner],
    }
    membership = Membership("ann", BOB, "neighbour", None, None)
    relations = Relations((membership,), provisions_of(consent(outer)))
    access = decide(Principal(1, "related-person", BOB), relations, NOW)

    assert not may(access, "read", "Flag", frozenset({"ann"}), "patient")


@pytest.mark.parametrize(
    "named",
    [BOB, f"{BOB}/_history/3", f"https://fhir.example.org/fhir/{BOB}"],
)
def test_an_actor_is_known_however_the_reference_is_written(named: str) -> None:
    assert denied(consent({"type": "deny", "actor": [actor(named)]}))


def test_who_acts_in_one_of_several_roles_is_still_who_the_consent_names() -> None:
    def allowed(named: str) -> bool:
        resource = consent({"type": "deny", "actor": [actor(named)]})
        relations = Relations(
            (Membership("ann", "PractitionerRole/icu", None, None, None),),
            provisions_of(resource),
            names=frozenset({"Practitioner/nina", "Organization/north"}),
        )
        access = decide(Principal(1, "practitioner", "PractitionerRole/icu"), relations, NOW)
        return may(access, "read", "Flag", frozenset({"ann"}), "patient")

    assert not allowed("PractitionerRole/icu")
    assert not allowed("Practitioner/nina")
    assert not allowed("Organization/north")
    assert allowed("Practitioner/olga")


def test_who_is_silenced() -> None:
    def silenced(provision: Json, member: str = BOB) -> bool:
        return silences(provisions_of(consent(provision)), member, None, NOW)

    assert silenced({"type": "deny"})
    assert silenced({"type": "deny", "actor": [actor()], "class": classes("Flag")})
    assert not silenced({"type": "deny", "actor": [actor()], "class": classes("Observation")})
    assert not silenced({"type": "deny", "actor": [actor("RelatedPerson/else")]})
    assert not silenced({"type": "permit"})


@pytest.mark.parametrize(
    ("kind", "reference", "basis", "allowed"),
    [
        ("practitioner", "Practitioner/nina", "care-team", False),
        ("practitioner", "Practitioner/nina", "break-glass", True),
        ("related-person", BOB, "care-team", False),
        ("related-person", BOB, "guardian", False),
    ],
)
def test_a_denial_binds_everybody_but_help_in_an_emergency(
    kind: PrincipalKind, reference: str, basis: Basis, allowed: bool
) -> None:
    relations = Relations(
        (Membership("ann", reference, None, None, None, basis),),
        provisions_of(consent({"type": "deny"})),
    )
    access = decide(Principal(1, kind, reference), relations, NOW)

    assert may(access, "read", "Observation", frozenset({"ann"}), "patient") is allowed


def test_patients_keep_their_own_record() -> None:
    relations = Relations((), provisions_of(consent({"type": "deny"})))
    access = decide(Principal(1, "patient", "Patient/ann"), relations, NOW)

    assert may(access, "read", "Observation", frozenset({"ann"}), "patient")


def test_a_consent_can_name_a_team_or_a_role() -> None:
    def allowed(provision: Json, role: str | None) -> bool:
        membership = Membership("ann", BOB, role, None, None, source="CareTeam/night")
        relations = Relations((membership,), provisions_of(consent(provision)))
        access = decide(Principal(1, "related-person", BOB), relations, NOW)
        return may(access, "read", "Flag", frozenset({"ann"}), "patient")

    team = {"type": "deny", "actor": [actor("CareTeam/night")]}
    role = {"type": "deny", "actor": [{"role": {"coding": [{"code": "neighbour"}]}}]}
    assert not allowed(team, None)
    assert not allowed(role, "neighbour")
    assert allowed(role, "sister")


def test_a_consent_ends_with_its_time() -> None:
    period = {"end": (NOW + timedelta(days=1)).date().isoformat()}
    relations = Relations(
        (Membership("ann", BOB, None, None, None),),
        provisions_of(consent({"type": "deny", "period": period})),
    )

    def allowed(at: datetime) -> bool:
        access = decide(Principal(1, "related-person", BOB), relations, at)
        return may(access, "read", "Flag", frozenset({"ann"}), "patient")

    assert not allowed(NOW)
    assert allowed(NOW + timedelta(days=3))
