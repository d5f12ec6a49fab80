"""What testers of other people try besides: posted requests, tokens in the wrong place, races, every kind of person.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/, https://www.rfc-editor.org/rfc/rfc9700
"""

import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from fhirserver.kernel.principal import Principal, PrincipalKind
from fhirserver.store import clients, grants
from tests.integration.smart.app import FHIR_BASE, App, answer_of, as_role
from tests.integration.smart.conftest import House
from tests.integration.smart.test_backend_services import ask as ask_as_program
from tests.integration.smart.test_backend_services import assertion, program

pytestmark = pytest.mark.asyncio(loop_scope="module")

OFFLINE = "openid fhirUser launch/patient offline_access patient/*.rs"


async def posted(app: App, **other: str | None) -> httpx.Response:
    return await app.http.post("/auth/authorize", data=app.request(**other))


@pytest.mark.parametrize(
    ("other", "error"),
    [
        ({"aud": "https://other.example.org/fhir"}, "invalid_request"),
        ({"aud": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"state": None}, "invalid_request"),
        ({"scope": "patient/Patient.dcur"}, "invalid_scope"),
        ({"launch": "nobody-made-this"}, "invalid_request"),
    ],
)
async def test_a_wrong_request_gives_no_code_when_posted_either(
    house: House, other: dict[str, str | None], error: str
) -> None:
    told = answer_of(await posted(await house.app(), **other))
    assert told["error"] == error
    assert "code" not in told


async def test_a_posted_request_of_nobody_or_to_elsewhere_is_redirected_nowhere(
    house: House,
) -> None:
    app = await house.app()
    for other in ({"client_id": "nobody"}, {"redirect_uri": "https://evil.example.org/back"}):
        answer = await posted(app, **other)
        assert answer.status_code == 400
        assert "location" not in answer.headers
    twice = urlencode([*app.request().items(), ("redirect_uri", "https://evil.example.org/")])
    form = {"content-type": "application/x-www-form-urlencoded"}
    answer = await house.http.post("/auth/authorize", content=twice, headers=form)
    assert (answer.status_code, answer.headers.get("location")) == (400, None)


async def test_refusals_of_tokens_are_kept_by_nobody_and_tell_nothing(house: House) -> None:
    app = await house.app()
    code = await app.code()
    refused = [
        await app.exchange("not-a-code"),
        await app.exchange(code, code_verifier=None),
        await app.exchange(code, redirect_uri=None),
        await app.exchange(code, grant_type="password"),
        await app.exchange(code, client_id="somebody-else"),
        await app.refresh("not-a-token"),
    ]
    for answer in refused:
        assert answer.status_code in (400, 401), answer.text
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["pragma"] == "no-cache"
        assert set(answer.json()) <= {"error", "error_description", "error_uri"}
        assert code not in answer.text
    # None of that used the code up.
    assert (await app.exchange(code)).status_code == 200


async def test_tokens_are_asked_for_with_post_alone(house: House) -> None:
    app = await house.app()
    form = {"grant_type": "authorization_code", "code": await app.code()}
    answer = await house.http.get("/auth/token", params=form, headers=app.proof())
    assert answer.status_code == 405


async def test_only_an_access_token_in_the_header_opens_the_record(house: House) -> None:
    app = await house.app()
    unused = await app.code()
    tokens = await app.tokens(scope=OFFLINE)
    for kind in ("refresh_token", "id_token"):
        assert (await app.read(tokens[kind], "Patient/ann")).status_code == 401, kind
    assert (await app.read(unused, "Patient/ann")).status_code == 401
    token = tokens["access_token"]
    in_the_address = await house.http.get("/fhir/Patient/ann", params={"access_token": token})
    assert in_the_address.status_code == 401
    basic = {"authorization": f"Basic {token}"}
    assert (await house.http.get("/fhir/Patient/ann", headers=basic)).status_code == 401
    answer = await app.refresh(token)
    assert answer.json()["error"] == "invalid_grant"
    assert (await app.exchange(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await app.read(token, "Patient/ann")).status_code == 200


async def test_a_code_shown_many_times_at_once_leaves_nothing_that_works(house: House) -> None:
    app = await house.app()
    code = await app.code(scope=OFFLINE)
    answers = await asyncio.gather(*(app.exchange(code) for _ in range(4)))
    given = [one.json() for one in answers if one.status_code == 200]
    assert len(given) == 1
    assert {one.json()["error"] for one in answers if one.status_code != 200} == {"invalid_grant"}
    assert (await app.read(given[0]["access_token"], "Patient/ann")).status_code == 401
    assert (await app.refresh(given[0]["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_refresh_token_shown_twice_at_once_ends_the_family(house: House) -> None:
    app = await house.app()
    first = await app.tokens(scope=OFFLINE)
    answers = await asyncio.gather(*(app.refresh(first["refresh_token"]) for _ in range(4)))
    given = [one.json() for one in answers if one.status_code == 200]
    assert len(given) == 1
    assert (await app.read(given[0]["access_token"], "Patient/ann")).status_code == 401
    assert (await app.refresh(given[0]["refresh_token"])).json()["error"] == "invalid_grant"


async def test_an_assertion_shown_many_times_at_once_is_good_once(house: House) -> None:
    app = await program(house)
    proof = assertion(app, house)
    answers = await asyncio.gather(*(ask_as_program(app, proof) for _ in range(4)))
    assert sorted(one.status_code for one in answers) == [200, 401, 401, 401]


async def test_introspection_of_what_is_over_says_inactive_and_nothing_else(house: House) -> None:
    app, server = await house.app(), await house.app(introspects=True)

    async def told(token: str, **other: Any) -> httpx.Response:
        return await house.http.post(
            "/auth/introspect", data={"token": token, **other}, headers=server.proof()
        )

    tokens = await app.tokens(scope=OFFLINE)
    assert (await told(tokens["access_token"], token_type_hint="nonsense")).json()["active"] is True
    assert (await told("")).status_code == 400
    house.clock.ahead += timedelta(hours=1, seconds=1)
    assert (await told(tokens["access_token"])).json() == {"active": False}
    house.clock.ahead -= timedelta(hours=1, seconds=1)
    async with house.record.transaction(house.tenant) as tx:
        # What an administrator's command does.
        assert await clients.set_disabled(tx, app.client.id, disabled=True)
        await grants.end_grants(tx, client=app.client.id)
    for kind in ("access_token", "refresh_token"):
        assert (await told(tokens[kind])).json() == {"active": False}, kind
    assert (await app.read(tokens["access_token"], "Patient/ann")).status_code == 401


@pytest.mark.parametrize(
    ("kind", "reference"),
    [
        ("patient", "Patient/ann"),
        ("practitioner", "Practitioner/nina"),
        ("related-person", "RelatedPerson/bob"),
    ],
)
async def test_the_resource_of_whoever_logged_in_can_be_read(
    house: House, kind: PrincipalKind, reference: str
) -> None:
    house.people.who = as_role(house.nina, Principal(house.tenant, kind, reference))
    app = await house.app()
    tokens = await app.tokens(scope="openid fhirUser launch/patient user/*.rs")
    told = await house.http.post(
        "/auth/introspect", data={"token": tokens["access_token"]}, headers=app.proof()
    )
    assert told.json()["fhirUser"] == f"{FHIR_BASE}/{reference}"
    answer = await app.read(tokens["access_token"], reference)
    assert answer.status_code == 200, answer.text
    assert answer.json()["id"] == reference.partition("/")[2]


async def test_an_app_that_asks_for_launch_without_one_gets_no_context_of_anybody(
    house: House,
) -> None:
    app = await house.app()
    tokens = await app.tokens(scope="launch openid user/Patient.rs", patient=None)
    assert not {"patient", "encounter", "fhirContext", "intent"} & set(tokens)


async def test_what_an_app_was_allowed_is_bounded_by_what_its_person_may_see(house: House) -> None:
    app = await house.app()
    wide = await app.tokens(scope="openid user/*.cruds launch/patient patient/*.cruds")
    token = wide["access_token"]
    assert (await app.read(token, "Patient/joe")).status_code == 404
    entries = [{"request": {"method": "GET", "url": one}} for one in ("Patient/ann", "Patient/joe")]
    batch = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    answer = await house.http.post(
        "/fhir/", json=batch, headers={"authorization": f"Bearer {token}"}
    )
    statuses = [one["response"]["status"][:3] for one in answer.json()["entry"]]
    assert statuses == ["200", "404"]


async def test_a_batch_is_judged_entry_by_entry_by_the_scopes(house: House) -> None:
    app = await house.app()
    tokens = await app.tokens(scope="launch/patient patient/Patient.r patient/Observation.rs")
    entries = [
        {"request": {"method": "GET", "url": one}}
        for one in (
            "Patient/ann",
            "Patient/ann/_history/1",
            "Patient/ann/_history",
            "Patient?_id=ann",
            "Patient/_history",
            "Observation?patient=ann",
            "Observation/_history",
            "CareTeam/team-ann",
        )
    ]
    batch = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    answer = await house.http.post(
        "/fhir/", json=batch, headers={"authorization": f"Bearer {tokens['access_token']}"}
    )
    statuses = [one["response"]["status"][:3] for one in answer.json()["entry"]]
    # `r` is reading, also of versions and of one resource's history; `s` is searching, also a type's history.
    assert statuses[:3] == ["200", "200", "200"]
    assert statuses[3:5] == ["403", "403"]
    assert statuses[5:7] == ["200", "200"]
    assert statuses[7] in ("403", "404")
