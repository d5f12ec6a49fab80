"""The role policy table, cell by cell where it matters, and its rules as properties."""

from typing import get_args
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirserver.auth.policy import ALWAYS, INTERACTIONS, judged, may, may_ever, speaks_as
from fhirserver.auth.policy_table import TABLE, Interaction
from fhirserver.definitions import load
from fhirserver.definitions.patient_of import Kind as BelongsKind
from fhirserver.definitions.patient_of import belongs_to
from fhirserver.kernel.principal import Access, Principal, PrincipalKind

TYPES = sorted(load().resource_types)
ANN = frozenset({"ann"})
BOTH = frozenset({"ann", "joe"})
NONE: frozenset[str] = frozenset()

NURSE = Access(Principal(1, "practitioner", "Practitioner/nina"), everything=False, patients=ANN)
PARTNER = Access(
    Principal(1, "related-person", "RelatedPerson/bob"), everything=False, patients=ANN
)
PATIENT = Access(Principal(1, "patient", "Patient/ann"), everything=False, patients=ANN)
PEER = Access(Principal(1, "patient", "Patient/ann"), everything=False, patients=BOTH)
DEVICE = Access(Principal(1, "device", "Device/cuff"), everything=False)
ADMIN = Access(Principal(1, "admin", ""), everything=True)

CELLS: list[tuple[Access, Interaction, str, frozenset[str], bool]] = [
    (ADMIN, "delete", "Patient", ANN, True),
    (ADMIN, "create", "AuditEvent", NONE, True),
    (NURSE, "read", "Condition", ANN, True),
    (NURSE, "read", "Condition", BOTH, False),
    (NURSE, "read", "Condition", NONE, False),
    (NURSE, "create", "ServiceRequest", ANN, True),
    (NURSE, "create", "ServiceRequest", frozenset({"joe"}), False),
    (NURSE, "create", "Consent", ANN, True),
    (NURSE, "update", "CareTeam", ANN, True),
    (NURSE, "update", "CareTeam", frozenset({"joe"}), False),
    (NURSE, "update", "Patient", ANN, True),
    (NURSE, "create", "Patient", NONE, False),
    (NURSE, "create", "Patient", ANN, False),
    (NURSE, "update", "AuditEvent", ANN, False),
    (NURSE, "create", "Provenance", ANN, True),
    (NURSE, "update", "Provenance", ANN, False),
    (NURSE, "delete", "Observation", ANN, False),
    (NURSE, "delete", "Subscription", ANN, True),
    (NURSE, "create", "Subscription", NONE, False),
    (PARTNER, "read", "Observation", ANN, True),
    (PARTNER, "read", "Flag", ANN, True),
    (PARTNER, "read", "CareTeam", ANN, True),
    (PARTNER, "read", "Condition", ANN, False),
    (PARTNER, "read", "Procedure", ANN, True),
    (PARTNER, "update", "Procedure", ANN, False),
    (PARTNER, "read", "ServiceRequest", ANN, False),
    (PARTNER, "create", "QuestionnaireResponse", ANN, True),
    (PARTNER, "create", "Communication", ANN, True),
    (PARTNER, "create", "Observation", ANN, False),
    (PARTNER, "update", "CareTeam", ANN, False),
    (PARTNER, "update", "Task", ANN, True),
    (PARTNER, "create", "Task", ANN, False),
    (PARTNER, "create", "Subscription", ANN, True),
    (PARTNER, "create", "Subscription", NONE, False),
    (PARTNER, "delete", "Subscription", ANN, True),
    (PARTNER, "delete", "Task", ANN, False),
    (PARTNER, "update", "Flag", ANN, False),
    (PATIENT, "read", "Condition", ANN, True),
    (PATIENT, "read", "Condition", BOTH, False),
    (PATIENT, "create", "QuestionnaireResponse", ANN, True),
    (PATIENT, "create", "ServiceRequest", ANN, False),
    (PATIENT, "update", "CareTeam", ANN, False),
    (PATIENT, "update", "Task", ANN, True),
    (PATIENT, "create", "Subscription", ANN, True),
    (PATIENT, "create", "Subscription", BOTH, False),
    (PEER, "read", "Observation", frozenset({"joe"}), False),
    (PEER, "read", "Observation", BOTH, False),
    (PEER, "read", "Observation", ANN, True),
    (PEER, "read", "Flag", frozenset({"joe"}), True),
    (PEER, "create", "Communication", frozenset({"joe"}), False),
    (PEER, "update", "Task", frozenset({"joe"}), True),
    (PEER, "create", "Subscription", frozenset({"joe"}), True),
    (DEVICE, "read", "Device", NONE, False),
    (DEVICE, "create", "Observation", NONE, False),
]


@pytest.mark.parametrize(("access", "interaction", "resource_type", "patients", "allowed"), CELLS)
def test_a_cell_of_the_table(
    access: Access,
    interaction: Interaction,
    resource_type: str,
    patients: frozenset[str],
    allowed: bool,
) -> None:
    kind: BelongsKind = "patient"

    assert may(access, interaction, resource_type, patients, kind) is allowed


@pytest.mark.parametrize("access", [NURSE, PARTNER, PATIENT])
def test_shared_resources_are_read_by_everybody_and_written_by_administrators(
    access: Access,
) -> None:
    assert may(access, "read", "Organization", NONE, "shared")
    assert not may(access, "update", "Organization", NONE, "shared")
    assert may(ADMIN, "update", "Organization", NONE, "shared")


def test_devices_do_not_even_read_shared_resources() -> None:
    assert not may(DEVICE, "read", "Organization", NONE, "shared")


def test_staff_papers_are_the_clinics() -> None:
    assert may(NURSE, "read", "Schedule", NONE, "staff")
    assert may(NURSE, "update", "Schedule", NONE, "staff")
    assert not may(PARTNER, "read", "Schedule", NONE, "staff")
    assert not may(PATIENT, "read", "Schedule", NONE, "staff")


@pytest.mark.parametrize("access", [NURSE, PARTNER, PATIENT, PEER, DEVICE])
@pytest.mark.parametrize("interaction", INTERACTIONS)
def test_administrators_keep_their_own(access: Access, interaction: Interaction) -> None:
    assert not may(access, interaction, "Endpoint", NONE, "administrators")
    assert may(ADMIN, interaction, "Endpoint", NONE, "administrators")


def test_a_machine_is_open_to_the_clinic_and_to_those_it_stands_with() -> None:
    joe = frozenset({"joe"})
    assert may(NURSE, "update", "Device", NONE, "staff")
    assert may(NURSE, "update", "Device", ANN, "staff")
    assert not may(NURSE, "read", "Device", joe, "staff")
    for access in (PARTNER, PATIENT):
        assert may(access, "read", "Device", ANN, "staff")
        assert not may(access, "read", "Device", NONE, "staff")
        assert not may(access, "read", "Device", joe, "staff")
        assert not may(access, "update", "Device", ANN, "staff")


def test_a_list_of_patients_is_for_administrators() -> None:
    assert not may(NURSE, "read", "Group", NONE, "staff")
    assert may(ADMIN, "read", "Group", NONE, "staff")


def test_every_row_gives_its_reason_and_names_types_of_its_kind() -> None:
    for row in TABLE:
        assert row.reason
        assert row.interactions
        named = (row.types or frozenset()) | row.but
        assert named <= set(TYPES)
        assert {belongs_to(type_).kind for type_ in named} <= {row.kind}, row


def test_care_partners_and_patients_speak_only_as_themselves() -> None:
    assert speaks_as(PARTNER, "Communication") == ("sender", "RelatedPerson/bob")
    assert speaks_as(PATIENT, "QuestionnaireResponse") == ("author", "Patient/ann")
    assert speaks_as(PARTNER, "Task") == ("owner", "RelatedPerson/bob")
    assert speaks_as(NURSE, "Communication") is None
    assert speaks_as(ADMIN, "Communication") is None
    assert speaks_as(PARTNER, "Observation") is None


def test_a_care_partner_sees_treatments_and_no_other_procedure() -> None:
    assert judged(PARTNER, "read", "Procedure", ANN, "patient") == {"code=302497006"}


def test_what_is_told_to_others_is_nobodys_business() -> None:
    for one in (PARTNER, PATIENT):
        whose = quote(f"{one.principal.kind} {one.principal.reference}", safe="")
        assert judged(one, "delete", "Subscription", ANN, "patient") == {f"owner={whose}"}
    assert judged(PARTNER, "read", "Subscription", ANN, "patient") == {
        "owner=related-person%20RelatedPerson%2Fbob"
    }
    assert judged(PATIENT, "read", "Subscription", ANN, "patient") == ALWAYS


kinds = st.sampled_from(["practitioner", "related-person", "patient", "device"])
ids = st.sampled_from(["ann", "joe", "kim", "lee"])
sets = st.frozensets(ids)
belongings = st.sampled_from(["patient", "shared", "staff", "administrators"])


@given(
    kind=kinds,
    own=ids,
    reach=sets,
    named=sets,
    type_=st.sampled_from(TYPES),
    what=st.sampled_from(INTERACTIONS),
)
def test_no_access_to_a_resource_that_names_a_patient_out_of_reach(
    kind: PrincipalKind,
    own: str,
    reach: frozenset[str],
    named: frozenset[str],
    type_: str,
    what: Interaction,
) -> None:
    access = Access(Principal(1, kind, f"X/{own}"), everything=False, patients=reach)

    if not named <= reach:
        for of in get_args(BelongsKind):
            assert not may(access, what, type_, named, of)


@given(
    kind=kinds,
    reach=sets,
    named=sets,
    type_=st.sampled_from(TYPES),
    what=st.sampled_from(INTERACTIONS),
    of=belongings,
)
def test_what_a_role_never_may_no_resource_allows(
    kind: PrincipalKind,
    reach: frozenset[str],
    named: frozenset[str],
    type_: str,
    what: Interaction,
    of: BelongsKind,
) -> None:
    reference = {"patient": "Patient/ann"}.get(kind, "X/x")
    access = Access(Principal(1, kind, reference), everything=False, patients=reach)

    if may(access, what, type_, named, of):
        assert may_ever(access, what, type_, of)


@given(reach=sets, named=sets, type_=st.sampled_from(TYPES))
def test_a_wider_reach_never_takes_a_right_of_a_clinician_away(
    reach: frozenset[str], named: frozenset[str], type_: str
) -> None:
    narrow = Access(NURSE.principal, everything=False, patients=reach)
    wide = Access(NURSE.principal, everything=False, patients=reach | BOTH)

    if may(narrow, "read", type_, named, "patient"):
        assert may(wide, "read", type_, named, "patient")
