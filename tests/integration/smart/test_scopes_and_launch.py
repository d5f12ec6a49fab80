"""What a token is good for: scopes of both versions, narrowed by the person, and what an app is launched for.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from typing import Any

import pytest

from fhirserver.kernel.principal import Principal
from fhirserver.smart.people import Launch
from tests.integration.rest.conftest import observation, put
from tests.integration.smart.app import answer_of, as_role
from tests.integration.smart.conftest import House

pytestmark = pytest.mark.asyncio(loop_scope="module")

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


def of_category(id_: str, code: str) -> dict[str, Any]:
    return observation(id_, "ann", category=[{"coding": [{"system": CATEGORY, "code": code}]}])


async def test_the_person_leaves_scopes_out_and_it_is_honoured_per_resource_type(
    house: House,
) -> None:
    app = await house.app()
    asked = "launch/patient patient/Patient.rs patient/Observation.rs patient/CareTeam.rs"
    tokens = await app.tokens(scope=asked, scopes=["launch/patient", "patient/Patient.rs"])
    assert set(tokens["scope"].split()) == {"launch/patient", "patient/Patient.rs"}
    token = tokens["access_token"]
    assert (await app.read(token, "Patient/ann")).status_code == 200
    assert (await app.read(token, "CareTeam/team-ann")).status_code in (403, 404)
    assert (await app.read(token, "Observation?patient=ann")).status_code == 403


async def test_a_person_cannot_allow_more_than_was_asked_for(house: House) -> None:
    app = await house.app()
    tokens = await app.tokens(
        scope="launch/patient patient/Patient.rs",
        scopes=["launch/patient", "patient/*.cruds", "user/*.cruds", "offline_access"],
    )
    assert set(tokens["scope"].split()) == {"launch/patient", "patient/Patient.rs"}
    assert "refresh_token" not in tokens


async def test_a_client_gets_no_scope_it_is_not_registered_for(house: House) -> None:
    app = await house.app(scope="launch/patient patient/Patient.rs")
    tokens = await app.tokens(scope="launch/patient openid patient/*.cruds user/*.rs")
    assert set(tokens["scope"].split()) == {"launch/patient", "patient/Patient.rs"}


async def test_scopes_of_the_first_version_work_and_are_answered_as_asked(house: House) -> None:
    app = await house.app()
    tokens = await app.tokens(scope="launch/patient patient/Patient.read")
    assert "patient/Patient.read" in tokens["scope"].split()
    token = tokens["access_token"]
    assert (await app.read(token, "Patient/ann")).status_code == 200
    assert (await app.read(token, "Observation?patient=ann")).status_code == 403
    deleted = await house.http.delete(
        "/fhir/Patient/ann", headers={"authorization": f"Bearer {token}"}
    )
    assert deleted.status_code == 403


async def test_granular_scopes_hold_for_search_read_and_include(house: House) -> None:
    for made in (of_category("vital", "vital-signs"), of_category("lab", "laboratory")):
        assert (await put(house.admin, made)).status_code in (200, 201)
    app = await house.app()
    granular = f"patient/Observation.rs?category={CATEGORY}|laboratory"
    tokens = await app.tokens(scope=f"launch/patient patient/Patient.rs {granular}")
    token = tokens["access_token"]
    assert granular in tokens["scope"].split()
    assert (await app.read(token, "Observation/lab")).status_code == 200
    assert (await app.read(token, "Observation/vital")).status_code in (403, 404)
    found = (await app.read(token, "Observation?patient=ann&_total=accurate")).json()
    assert [one["resource"]["id"] for one in found["entry"]] == ["lab"]
    assert found["total"] == 1
    around = (await app.read(token, "Patient?_id=ann&_revinclude=Observation:subject")).json()
    included = [one["resource"]["id"] for one in around["entry"]]
    assert sorted(included) == ["ann", "lab"]


async def test_patient_scopes_are_about_the_launch_patient_alone(house: House) -> None:
    both = Principal(house.tenant, "admin", "")
    house.people.who = as_role(house.nina, both)
    app = await house.app()
    tokens = await app.tokens(scope="launch/patient patient/*.rs")
    assert (await app.read(tokens["access_token"], "Patient/ann")).status_code == 200
    assert (await app.read(tokens["access_token"], "Patient/joe")).status_code in (403, 404)


async def test_an_ehr_launch_gives_its_context_with_the_token(house: House) -> None:
    app = await house.app()
    house.people.launches["handle"] = Launch(
        "ann",
        "Encounter/e1",
        ({"reference": "ServiceRequest/s1"}, {"reference": "Practitioner/nina", "role": "x"}),
        "reconcile-medications",
        need_patient_banner=False,
    )
    scope = "launch openid fhirUser offline_access patient/*.rs"
    tokens = await app.tokens(scope=scope, launch="handle", patient=None)
    assert tokens["patient"] == "ann"
    assert tokens["encounter"] == "e1"
    assert tokens["intent"] == "reconcile-medications"
    assert tokens["need_patient_banner"] is False
    assert [one["reference"] for one in tokens["fhirContext"]] == [
        "ServiceRequest/s1",
        "Practitioner/nina",
    ]
    again = (await app.refresh(tokens["refresh_token"])).json()
    assert again["encounter"] == "e1"
    # The handle is good for one launch.
    assert answer_of(await app.authorize(scope=scope, launch="handle"))["error"] == (
        "invalid_request"
    )


async def test_a_standalone_launch_says_that_no_banner_is_shown(house: House) -> None:
    app = await house.app()
    assert (await app.tokens(scope="launch/patient patient/*.rs"))["need_patient_banner"] is True


async def test_without_patient_scopes_no_patient_is_asked_for(house: House) -> None:
    app = await house.app()
    tokens = await app.tokens(scope="openid user/*.rs", patient=None)
    assert house.people.asked is not None
    assert not house.people.asked.needs_patient
    assert "patient" not in tokens


VISIT = "launch/patient launch/encounter patient/Encounter.rs"


async def test_who_launches_by_themselves_is_asked_for_the_encounter(house: House) -> None:
    app = await house.app()
    page = await app.allow(scope=VISIT)
    assert page.text == "which visit?"
    asked = house.people.asked_encounter
    assert asked is not None
    assert (asked.patient, asked.action) == ("ann", "/auth/authorize/decide")
    assert set(asked.scopes) == set(VISIT.split())
    tokens = await app.tokens(scope=VISIT, encounter="v1")
    assert (tokens["patient"], tokens["encounter"]) == ("ann", "v1")
    assert "launch/encounter" in tokens["scope"].split()
    answer = await app.refresh(
        (await app.tokens(scope=f"{VISIT} offline_access", encounter="v1"))["refresh_token"]
    )
    assert answer.json()["encounter"] == "v1"


async def test_without_an_encounter_the_scope_that_promises_one_is_not_given(house: House) -> None:
    app = await house.app()
    tokens = await app.tokens(scope=VISIT, encounter="")
    assert "encounter" not in tokens
    assert set(tokens["scope"].split()) == {"launch/patient", "patient/Encounter.rs"}
    told = answer_of(await app.allow(scope="launch/encounter", encounter=""))
    assert told["error"] == "access_denied"


async def test_nobody_is_asked_for_an_encounter_that_is_not_wanted(house: House) -> None:
    app = await house.app()
    assert "code" in answer_of(await app.allow(scope="launch/patient patient/*.rs"))
    left_out = await app.allow(scope=VISIT, scopes=["launch/patient", "patient/Encounter.rs"])
    assert "code" in answer_of(left_out), "the person left that scope out"
    assert house.people.asked_encounter is None


async def test_an_encounter_is_one_of_somebody(house: House) -> None:
    """Whoever asks for an encounter alone is asked for the patient first."""
    app = await house.app()
    await app.authorize(scope="launch/encounter user/Encounter.rs")
    assert house.people.asked is not None
    assert house.people.asked.needs_patient
    told = answer_of(await app.allow(scope="launch/encounter user/Encounter.rs", patient=None))
    assert told["error"] == "access_denied"


async def test_an_encounter_that_the_launch_names_is_not_asked_for(house: House) -> None:
    app = await house.app()
    house.people.launches["visit"] = Launch("ann", "Encounter/v1")
    scope = "launch launch/encounter patient/*.rs"
    tokens = await app.tokens(scope=scope, launch="visit", patient=None, encounter="v2")
    assert tokens["encounter"] == "v1", "nor can another be chosen"
    house.people.launches["no visit"] = Launch("ann")
    page = await app.allow(scope=scope, launch="no visit", patient=None)
    assert page.text == "which visit?"
    assert "no visit" in house.people.launches, "it is good for the second page"
