"""The authorization code flow, and every way in which a tester tries to get round it.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html
"""

from datetime import timedelta
from urllib.parse import urlencode

import httpx
import pytest

from fhirserver.kernel.principal import Principal
from tests.integration.smart.app import FHIR_BASE, ISSUER, answer_of, as_role
from tests.integration.smart.conftest import House

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_app_gets_a_token_and_reads_what_the_person_may_see(house: House) -> None:
    app = await house.app()
    told = answer_of(await app.allow())
    assert told["state"] == "a-state-that-nobody-can-guess"
    assert told["iss"] == ISSUER
    answer = await app.exchange(told["code"])
    tokens = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"
    assert tokens["token_type"].lower() == "bearer"
    assert isinstance(tokens["expires_in"], int)
    assert tokens["expires_in"] <= 3600
    assert tokens["patient"] == "ann"
    assert (await app.read(tokens["access_token"], "Patient/ann")).status_code == 200
    assert (await app.read(tokens["access_token"], "Patient/joe")).status_code == 404


async def test_the_request_may_be_posted(house: House) -> None:
    app = await house.app()
    answer = await house.http.post("/auth/authorize", data=app.request())
    assert answer.status_code == 200
    assert house.people.asked is not None


@pytest.mark.parametrize(
    ("other", "error"),
    [
        ({"aud": "https://other.example.org/fhir"}, "invalid_request"),
        ({"aud": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"scope": "wonders/Patient.read"}, "invalid_scope"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": "system/*.rs"}, "invalid_scope"),
        ({"state": None}, "invalid_request"),
        ({"launch": "nobody-made-this"}, "invalid_request"),
        ({"prompt": "none"}, "consent_required"),
        ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
    ],
)
async def test_a_wrong_request_is_told_to_the_app_and_gives_no_code(
    house: House, other: dict[str, str | None], error: str
) -> None:
    told = answer_of(await (await house.app()).authorize(**other))
    assert told["error"] == error
    assert told["iss"] == ISSUER
    assert "code" not in told


async def test_aud_with_a_final_slash_is_this_server(house: House) -> None:
    assert (await (await house.app()).authorize(aud=f"{FHIR_BASE}/")).status_code == 200


@pytest.mark.parametrize(
    "other",
    [
        {"client_id": "nobody"},
        {"client_id": None},
        {"redirect_uri": "https://evil.example.org/back"},
        {"redirect_uri": "https://app.example.org/back/"},
        {"redirect_uri": "https://app.example.org/back?more=1"},
        {"redirect_uri": None},
    ],
)
async def test_an_unknown_client_or_address_is_redirected_nowhere(
    house: House, other: dict[str, str | None]
) -> None:
    answer = await (await house.app()).authorize(**other)
    assert answer.status_code == 400
    assert "location" not in answer.headers


async def test_a_parameter_sent_twice_is_refused(house: House) -> None:
    app = await house.app()
    query = urlencode([*app.request().items(), ("scope", "openid")])
    answer = await house.http.get(f"/auth/authorize?{query}")
    assert answer.status_code == 400


async def test_somebody_who_is_not_signed_in_logs_in_first(house: House) -> None:
    app = await house.app()
    house.people.who = None
    answer = await app.authorize()
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/auth/login?")
    assert answer_of(await app.authorize(prompt="none"))["error"] == "login_required"


async def test_somebody_of_another_tenant_logs_in_again(house: House) -> None:
    app = await house.app()
    assert house.nina is not None
    stranger = Principal(house.tenant + 1, "practitioner", "Practitioner/nina")
    house.people.who = as_role(house.nina, stranger)
    house.people.who = type(house.nina)(
        house.tenant + 1, "a", "s", "N", stranger, "", house.nina.since, ()
    )
    assert (await app.authorize()).status_code == 303


async def test_a_fresh_login_can_be_asked_for(house: House) -> None:
    app = await house.app()
    for wish in ({"prompt": "login"}, {"max_age": "30"}, {"max_age": "0"}):
        answer = await app.authorize(**wish)
        assert answer.status_code == 303
        assert "again=1" in answer.headers["location"]
        # What the browser comes back with is not sent to the login once more.
        then = httpx.URL(answer.headers["location"]).params["then"]
        assert (await house.http.get(then)).status_code == 200
    assert (await app.authorize(max_age="3600")).status_code == 200


async def test_a_person_who_refuses_gives_no_code(house: House) -> None:
    app = await house.app()
    told = answer_of(await app.allow(decision="deny"))
    assert told["error"] == "access_denied"
    assert "code" not in told


async def test_a_decision_that_did_not_come_from_our_page_gives_no_code(house: House) -> None:
    app = await house.app()
    await app.authorize()
    assert house.people.asked is not None
    answer = await house.http.post(
        "/auth/authorize/decide",
        data={"request": house.people.asked.pending, "decision": "allow"},
    )
    assert answer.status_code == 400


async def test_a_patient_the_person_may_not_see_is_refused(house: House) -> None:
    app = await house.app()
    assert answer_of(await app.allow(patient="joe"))["error"] == "access_denied"
    assert answer_of(await app.allow(patient=None))["error"] == "access_denied"


@pytest.mark.parametrize(
    ("verifier", "error"),
    [
        (None, "invalid_request"),
        ("", "invalid_request"),
        ("w" * 64, "invalid_grant"),
        ("challenge", "invalid_grant"),
    ],
)
async def test_pkce_verifier_missing_blank_wrong_or_equal_to_the_challenge_is_refused(
    house: House, verifier: str | None, error: str
) -> None:
    app = await house.app()
    code = await app.code()
    if verifier == "challenge":
        verifier = app.request()["code_challenge"]
    answer = await app.exchange(code, code_verifier=verifier)
    assert answer.status_code == 400
    assert answer.json()["error"] == error


async def test_an_invalid_code_is_refused(house: House) -> None:
    answer = await (await house.app()).exchange("not-a-code")
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_grant"


async def test_a_code_lives_one_minute(house: House) -> None:
    app = await house.app()
    code = await app.code()
    house.clock.ahead += timedelta(seconds=61)
    assert (await app.exchange(code)).json()["error"] == "invalid_grant"


async def test_a_code_is_good_once_and_its_replay_revokes_what_came_of_it(house: House) -> None:
    app = await house.app()
    code = await app.code()
    tokens = (await app.exchange(code)).json()
    assert (await app.read(tokens["access_token"], "Patient/ann")).status_code == 200
    replay = await app.exchange(code)
    assert replay.status_code == 400
    assert replay.json()["error"] == "invalid_grant"
    assert (await app.read(tokens["access_token"], "Patient/ann")).status_code == 401
    assert (await app.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_code_belongs_to_its_client_and_address(house: House) -> None:
    app, other = await house.app(), await house.app()
    other.verifier = app.verifier
    assert (await other.exchange(await app.code())).json()["error"] == "invalid_grant"
    wrong = await app.exchange(await app.code(), redirect_uri="https://app.example.org/other")
    assert wrong.json()["error"] == "invalid_grant"


async def test_a_public_client_gets_a_token_with_pkce_alone(house: House) -> None:
    app = await house.app(token_endpoint_auth_method="none")
    assert app.secret is None
    tokens = await app.tokens()
    assert (await app.read(tokens["access_token"], "Patient/ann")).status_code == 200


async def test_an_invalid_client_id_is_refused_at_the_token_endpoint(house: House) -> None:
    app = await house.app(token_endpoint_auth_method="none")
    code = await app.code()
    answer = await app.exchange(code, client_id="nobody")
    assert answer.status_code in (400, 401)
    assert answer.json()["error"] == "invalid_client"


async def test_a_wrong_secret_is_refused(house: House) -> None:
    app = await house.app()
    code = await app.code()
    app.secret = "guessed"
    answer = await app.exchange(code)
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"
    assert answer.headers["www-authenticate"].startswith("Basic")


async def test_a_confidential_client_cannot_leave_its_secret_out(house: House) -> None:
    app = await house.app()
    code = await app.code()
    app.secret = None
    assert (await app.exchange(code)).json()["error"] == "invalid_client"


async def test_a_client_authenticates_in_one_way_at_a_time(house: House) -> None:
    app = await house.app()
    answer = await app.exchange(await app.code(), client_secret=app.secret)
    assert answer.json()["error"] == "invalid_request"


async def test_a_disabled_client_gets_nothing(house: House) -> None:
    from fhirserver.store import clients

    app = await house.app()
    code = await app.code()
    async with house.record.transaction(house.tenant) as tx:
        assert await clients.set_disabled(tx, app.client.id, disabled=True)
    assert (await app.exchange(code)).json()["error"] == "invalid_client"
    assert (await app.authorize()).status_code == 400


@pytest.mark.parametrize("grant_type", ["password", "implicit", "urn:ietf:params:oauth:x", "code"])
async def test_a_wrong_grant_type_is_exactly_400(house: House, grant_type: str) -> None:
    app = await house.app()
    answer = await app.ask_token(
        grant_type=grant_type, username="nina", password="x", scope="user/*.rs"
    )
    assert answer.status_code == 400
    assert answer.json()["error"] == "unsupported_grant_type"


async def test_a_missing_grant_type_and_another_media_type_are_400(house: House) -> None:
    app = await house.app()
    assert (await app.ask_token()).json()["error"] == "invalid_request"
    answer = await house.http.post("/auth/token", json={"grant_type": "authorization_code"})
    assert answer.status_code == 400
