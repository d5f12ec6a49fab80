"""The decision asked four ways gives one answer: for a resource, for a type, as a store asks it, and explained."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from fhirserver.auth import allows, decide, may, may_ever, visible
from fhirserver.auth.explanation import explain
from fhirserver.auth.policy import INTERACTIONS, judged
from fhirserver.auth.reach import reach
from fhirserver.auth.role_limits import ROLES
from fhirserver.auth.scopes import meets_filter
from fhirserver.definitions.patient_of import belongs_to, patients_of
from fhirserver.kernel.principal import (
    Access,
    Basis,
    Grant,
    Membership,
    Principal,
    PrincipalKind,
    Provision,
    Relations,
)
from fhirserver.kernel.resource import Json
from fhirserver.wire import fhir_json

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
PATIENTS = ("ann", "joe")
WHO: dict[PrincipalKind, str] = {
    "admin": "",
    "practitioner": "Practitioner/x",
    "technician": "Practitioner/x",
    "clinic-admin": "PractitionerRole/x",
    "related-person": "RelatedPerson/x",
    "patient": "Patient/ann",
    "client": "app",
    "device": "Device/x",
}
BASES: tuple[Basis, ...] = ("care-team", "break-glass", "peer", "roster", "guardian")
TYPES = ("Observation", "Flag", "Condition", "Device", "Organization", "Endpoint", "Patient")
SCOPES = (
    "patient/*.rs", "patient/Observation.rs?category=vital-signs", "patient/Observation.cruds", "user/*.cruds",
    "user/Observation.r?status=final", "user/Observation.s", "user/Flag.rs?code=device-silent", "system/*.rs",
    "system/Observation.rs?category=vital-signs",
)  # fmt: skip

moments = st.sampled_from([None, NOW - timedelta(days=1), NOW + timedelta(days=1)])
memberships = st.builds(
    Membership,
    st.sampled_from(PATIENTS),
    st.sampled_from([*WHO.values(), "Practitioner/other"]),
    st.sampled_from([None, "nurse", *ROLES]),
    moments,
    moments,
    st.sampled_from(BASES),
)
provisions = st.builds(
    Provision,
    st.sampled_from(PATIENTS),
    st.sampled_from(["c1", "c2"]),
    st.booleans(),
    st.integers(0, 1),
    st.frozensets(st.sampled_from(sorted(WHO.values())), max_size=1),
    classes=st.frozensets(st.sampled_from(["Observation", "Flag"]), max_size=1),
    actions=st.frozensets(st.sampled_from(["access", "collect"]), max_size=1),
)
relations = st.builds(
    Relations,
    st.lists(memberships, max_size=4).map(tuple),
    st.lists(provisions, max_size=2).map(tuple),
)


@st.composite
def grants(draw: st.DrawFn) -> Grant:
    kind = draw(st.sampled_from(sorted(WHO)))
    scopes = draw(st.none() | st.lists(st.sampled_from(SCOPES), max_size=3, unique=True).map(tuple))
    return Grant(Principal(1, kind, WHO[kind]), scopes, draw(st.sampled_from([None, *PATIENTS])))


@st.composite
def resources(draw: st.DrawFn) -> Json:
    type_ = draw(st.sampled_from(TYPES))
    of = draw(st.sampled_from([None, *PATIENTS]))
    content: Json = {"resourceType": type_, "id": "x", "status": "final"}
    if type_ == "Patient":
        return {**content, "id": of or "else"}
    if of is not None:
        content["patient" if type_ == "Device" else "subject"] = {"reference": f"Patient/{of}"}
    codes = draw(st.sampled_from(["vital-signs", "laboratory"]))
    if type_ == "Observation":
        content["category"] = [{"coding": [{"code": codes}]}]
    if type_ == "Flag":
        content["code"] = {"coding": [{"code": draw(st.sampled_from(["device-silent", "low"]))}]}
    return content


def decided(grant: Grant, known: Relations) -> Access:
    return decide(grant.principal, known, NOW, grant)


interactions = st.sampled_from(INTERACTIONS)


@settings(max_examples=250)
@given(grants(), relations, resources(), interactions)
def test_content_type_and_store_agree(
    grant: Grant, known: Relations, resource: Json, interaction: str
) -> None:
    access = decided(grant, known)
    type_ = resource["resourceType"]
    kind, patients = belongs_to(type_).kind, patients_of(resource)
    assert interaction in INTERACTIONS
    allowed = allows(access, interaction, resource)

    assert visible(access, type_, fhir_json.write(resource), interaction) == allowed
    if allowed:
        assert may(access, interaction, type_, patients, kind)
        assert may_ever(access, interaction, type_, kind)
        assert access.everything or access.tenant_wide or patients <= access.patients
    if access.everything:
        return
    found = reach(access, interaction, type_)
    groups = [one for one in found.groups if one.patients is None or patients <= one.patients]
    stored = [found.unnamed] if not patients else [one.filters for one in groups]
    assert allowed == any(meets_filter(resource, one) for each in stored for one in each)


@settings(max_examples=250)
@given(grants(), relations, resources(), interactions)
def test_an_explanation_gives_the_verdict_and_a_reason(
    grant: Grant, known: Relations, resource: Json, interaction: str
) -> None:
    assert interaction in INTERACTIONS
    found = explain(grant, known, interaction, resource, NOW)

    assert found.allowed == allows(decided(grant, known), interaction, resource)
    if found.allowed:
        assert any(one.speaks_for for one in found.facts)
    else:
        assert any(one.speaks_for is False for one in found.facts)


@settings(max_examples=150)
@given(grants(), relations, resources(), interactions)
def test_scopes_only_ever_narrow(
    grant: Grant, known: Relations, resource: Json, interaction: str
) -> None:
    assert interaction in INTERACTIONS
    whole = Grant(grant.principal)
    if grant.scopes is not None and grant.principal.kind != "client":
        narrowed = allows(decided(grant, known), interaction, resource)
        assert not narrowed or allows(decided(whole, known), interaction, resource)


@settings(max_examples=150)
@given(grants(), relations, resources())
def test_to_search_is_to_read_and_more(grant: Grant, known: Relations, resource: Json) -> None:
    access = decided(grant, known)

    assert not allows(access, "search", resource) or allows(access, "read", resource)


@given(grants(), relations)
def test_a_decision_can_be_remembered(grant: Grant, known: Relations) -> None:
    one, other = decided(grant, known), decided(grant, known)

    assert one == other
    assert hash(one) == hash(other)
    kind = belongs_to("Observation").kind
    patients = frozenset({"ann"})
    assert judged(one, "read", "Observation", patients, kind) == judged(
        other, "read", "Observation", patients, kind
    )
