"""What a token, a basis and a role leave of a relationship."""

from datetime import UTC, datetime

import pytest

from fhirserver.auth import allows, decide, may
from fhirserver.auth.kept_scopes import grant_of, grant_with, narrowing, text_of, with_scopes
from fhirserver.auth.policy_table import TABLE
from fhirserver.auth.technical_alarms import TECHNICAL_ALARMS
from fhirserver.kernel.principal import (
    Access,
    Basis,
    Grant,
    Membership,
    Principal,
    PrincipalKind,
    Relations,
)
from fhirserver.kernel.resource import Json
from subscriptions.core import event_codes
from subscriptions.core.event_codes import EventCode

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ANN, JOE = frozenset({"ann"}), frozenset({"joe"})
NINA = Principal(1, "practitioner", "Practitioner/nina")


def access(
    principal: Principal = NINA,
    *,
    scopes: str | None = None,
    launch: str | None = None,
    basis: Basis = "care-team",
    role: str | None = None,
    patients: tuple[str, ...] = ("ann", "joe"),
) -> Access:
    known = Relations(
        tuple(Membership(one, principal.reference, role, None, None, basis) for one in patients)
    )
    texts = None if scopes is None else tuple(scopes.split())
    return decide(principal, known, NOW, Grant(principal, texts, launch))


def reads(found: Access, type_: str = "Observation", patients: frozenset[str] = ANN) -> bool:
    return may(found, "read", type_, patients, "patient")


def test_a_token_without_scopes_is_narrowed_by_nothing() -> None:
    assert reads(access())
    assert not reads(access(scopes=""))


def test_a_token_of_one_patient_tells_the_database_of_one() -> None:
    found = access(scopes="patient/*.rs", launch="ann")

    assert found.patients == ANN
    assert reads(found)
    assert not reads(found, patients=JOE)


def test_a_launch_patient_is_no_relationship() -> None:
    found = access(scopes="patient/*.rs", launch="ann", patients=("joe",))

    assert found.patients == frozenset()
    assert not reads(found)


def test_user_scopes_keep_every_patient() -> None:
    found = access(scopes="user/Observation.rs patient/*.rs", launch="ann")

    assert found.patients == ANN | JOE
    assert reads(found, patients=JOE)
    assert reads(found, "Flag")
    assert not reads(found, "Flag", JOE)


def test_an_administrators_app_reaches_what_its_scopes_say() -> None:
    admin = Principal(1, "admin", "")
    wide = access(admin, scopes="user/Observation.rs")
    narrow = access(admin, scopes="patient/*.rs", launch="ann")

    assert (wide.everything, wide.tenant_wide) == (False, True)
    assert reads(wide, patients=JOE)
    assert not reads(wide, "Flag")
    assert (narrow.everything, narrow.tenant_wide, narrow.patients) == (False, False, ANN)
    assert reads(narrow)
    assert not reads(narrow, patients=JOE)


def test_system_scopes_are_for_programs_and_for_nobody_else() -> None:
    app = Principal(1, "client", "ehr")

    assert reads(access(app, scopes="system/*.rs"))
    assert not reads(access(app, scopes="user/*.rs"))
    assert not reads(access(app))
    assert not reads(access(scopes="system/*.rs"))


@pytest.mark.parametrize(
    ("kind", "basis", "type_", "allowed"),
    [
        ("practitioner", "care-team", "Condition", True),
        ("practitioner", "break-glass", "Condition", True),
        ("practitioner", "peer", "Condition", False),
        ("practitioner", "guardian", "Condition", False),
        ("practitioner", "roster", "Condition", False),
        ("technician", "care-team", "DeviceUseStatement", True),
        ("technician", "care-team", "Condition", False),
        ("technician", "break-glass", "DeviceUseStatement", False),
        ("clinic-admin", "roster", "CareTeam", True),
        ("clinic-admin", "roster", "Observation", False),
        ("clinic-admin", "care-team", "CareTeam", False),
        ("related-person", "care-team", "Condition", False),
        ("related-person", "guardian", "Condition", True),
        ("related-person", "break-glass", "Flag", False),
        ("patient", "peer", "Flag", True),
        ("patient", "peer", "Condition", False),
        ("device", "care-team", "Flag", False),
    ],
)
def test_a_basis_counts_for_those_who_can_have_it(
    kind: PrincipalKind, basis: Basis, type_: str, allowed: bool
) -> None:
    who = Principal(1, kind, "Patient/pat" if kind == "patient" else "Anybody/x")

    assert reads(access(who, basis=basis), type_) is allowed


@pytest.mark.parametrize(
    ("role", "interaction", "type_", "allowed"),
    [
        (None, "update", "Condition", True),
        ("nurse", "update", "Condition", True),
        ("viewer", "read", "Condition", True),
        ("viewer", "update", "Condition", False),
        ("technician", "read", "Condition", False),
        ("technician", "read", "DeviceUseStatement", True),
        ("alarm-contact", "read", "Condition", False),
        ("alarm-contact", "read", "Flag", True),
    ],
)
def test_a_role_in_the_team_narrows(
    role: str | None, interaction: str, type_: str, allowed: bool
) -> None:
    found = access(role=role)

    assert may(found, interaction, type_, ANN, "patient") is allowed  # type: ignore[arg-type]


def test_two_roles_in_one_team_allow_what_either_does() -> None:
    teams = (
        Membership("ann", NINA.reference, "viewer", None, None),
        Membership("ann", NINA.reference, "nurse", None, None),
    )

    assert may(decide(NINA, teams, NOW), "update", "Condition", ANN, "patient")
    assert not may(decide(NINA, teams[:1], NOW), "update", "Condition", ANN, "patient")


def flag(code: str) -> Json:
    return {
        "resourceType": "Flag",
        "subject": {"reference": "Patient/ann"},
        "code": {"coding": [{"code": code}]},
    }


def test_a_technician_sees_alarms_of_machines_and_none_of_bodies() -> None:
    found = access(Principal(1, "technician", "Practitioner/theo"))

    assert allows(found, "read", flag("device-silent"))
    assert not allows(found, "read", flag("suspected-needle-dislodgement"))


def test_technical_alarms_are_those_that_the_alarm_engine_calls_so() -> None:
    named = [one for one in vars(event_codes).values() if isinstance(one, EventCode)]
    tables = [one for one in vars(event_codes).values() if isinstance(one, dict)]
    listed = [one for table in tables for one in table.values() if isinstance(one, EventCode)]
    technical = {one.code for one in (*named, *listed) if one.kind == "technical"}

    assert set(TECHNICAL_ALARMS) == technical


def test_every_row_of_the_table_has_a_reason() -> None:
    assert all(row.reason for row in TABLE)


def test_a_subscription_keeps_the_scopes_it_was_written_under() -> None:
    forged: Json = {
        "resourceType": "Subscription",
        "extension": [
            {
                "url": "https://w3id.org/fhirserver/StructureDefinition/subscription-scopes",
                "valueString": "- user/*.cruds",
            }
        ],
    }
    found = access(
        scopes="patient/Observation.rs?category=vital-signs patient/Flag.read", launch="ann"
    )

    written = with_scopes(forged, found)
    assert grant_of(written, NINA) == Grant(
        NINA, ("patient/Observation.rs?category=vital-signs", "patient/Flag.read"), "ann"
    )
    assert grant_of(with_scopes(forged, access()), NINA) == Grant(NINA)
    assert with_scopes({"resourceType": "Flag"}, found) == {"resourceType": "Flag"}
    assert text_of(grant_with(access())) == ""
    assert grant_of(with_scopes(forged, access(scopes="")), NINA).scopes == ()


def test_a_subscription_keeps_which_app_wrote_it_with_whose_login() -> None:
    held = Grant(NINA, ("user/Flag.rs",), None, "night app: 2%", "account-7")
    written = with_scopes({"resourceType": "Subscription"}, decide(NINA, Relations(), NOW, held))

    assert grant_of(written, NINA) == held
    assert narrowing(held) == "- user/Flag.rs"
