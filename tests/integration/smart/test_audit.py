"""Whatever is decided about an app is told to the audit, without the secrets themselves."""

import pytest

from fhirserver.kernel.audit import REFUSED, SUCCESS
from tests.integration.smart.conftest import House

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_what_people_and_apps_do_is_told(house: House) -> None:
    app = await house.app()
    tokens = await app.tokens(scope="launch/patient offline_access patient/*.rs")
    await app.refresh(tokens["refresh_token"])
    await app.refresh("guessed")
    await app.allow(decision="deny")
    revoked = await house.http.post(
        "/auth/revoke", data={"token": tokens["access_token"]}, headers=app.proof()
    )
    assert revoked.status_code == 200
    app.secret = "wrong"
    await app.refresh(tokens["refresh_token"])
    told = house.told.happenings
    assert [(one.what, one.outcome, one.detail) for one in told] == [
        ("authorized", SUCCESS, "code"),
        ("token-issued", SUCCESS, "authorization_code"),
        ("token-issued", SUCCESS, "refresh_token"),
        ("token-refused", REFUSED, "invalid_grant"),
        ("authorization-refused", REFUSED, "access_denied"),
        ("token-revoked", SUCCESS, ""),
        ("token-refused", REFUSED, "invalid_client"),
    ]
    assert {one.tenant for one in told} == {house.tenant}
    assert {one.actor.client for one in told} == {app.client.id}
    assert told[0].actor.reference == "Practitioner/nina"
    assert [one.patients for one in told[:3]] == [frozenset({"ann"})] * 3
    for secret in (tokens["access_token"], tokens["refresh_token"], app.verifier):
        assert secret not in repr(told)


@pytest.mark.parametrize("path", ["introspect", "revoke"])
async def test_who_guesses_a_secret_is_told_of_at_every_endpoint(house: House, path: str) -> None:
    app = await house.app()
    app.secret = "wrong"
    answer = await house.http.post(f"/auth/{path}", data={"token": "x"}, headers=app.proof())
    assert answer.status_code == 401
    (told,) = house.told.happenings
    assert (told.what, told.outcome, told.detail) == ("token-refused", REFUSED, "invalid_client")
    assert told.actor.client == app.client.id


async def test_a_registration_over_http_is_told(house: House) -> None:
    await house.http.post(
        "/auth/register",
        json={"client_name": "New", "redirect_uris": ["https://app.example.org/back"]},
        headers={"authorization": f"Bearer {house.admin_token}"},
    )
    assert [(one.what, one.detail) for one in house.told.happenings] == [
        ("client-changed", "registered")
    ]
