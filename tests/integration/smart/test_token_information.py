"""Introspection and revocation.

Spec: https://www.rfc-editor.org/rfc/rfc7662, https://www.rfc-editor.org/rfc/rfc7009
"""

from typing import Any

import httpx
import pytest

from tests.integration.smart.app import FHIR_BASE, ISSUER, App
from tests.integration.smart.conftest import House

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCOPE = "openid fhirUser launch/patient offline_access patient/*.rs"


async def about(app: App, token: str, path: str = "introspect", **other: Any) -> httpx.Response:
    named = {"client_id": app.client.id} if app.secret is None else {}
    return await app.http.post(
        f"/auth/{path}", data={"token": token, **named, **other}, headers=app.proof()
    )


async def test_introspection_of_a_good_token(house: House) -> None:
    app = await house.app()
    tokens = await app.tokens(scope=SCOPE)
    answer = await about(app, tokens["access_token"])
    assert answer.status_code == 200
    told = answer.json()
    assert told["active"] is True
    assert told["client_id"] == app.client.id
    assert set(told["scope"].split()) == set(tokens["scope"].split())
    assert isinstance(told["exp"], int)
    assert told["patient"] == "ann"
    assert told["iss"] == ISSUER
    assert told["sub"] == house.nina.account
    assert told["fhirUser"] == f"{FHIR_BASE}/Practitioner/nina"
    refresh = (await about(app, tokens["refresh_token"])).json()
    assert (refresh["active"], refresh["client_id"]) == (True, app.client.id)


async def test_introspection_of_an_unknown_token_says_inactive_and_nothing_else(
    house: House,
) -> None:
    app = await house.app()
    answer = await about(app, "unknown")
    assert (answer.status_code, answer.json()) == (200, {"active": False})


async def test_introspection_is_authenticated(house: House) -> None:
    app, public = await house.app(), await house.app(token_endpoint_auth_method="none")
    tokens = await app.tokens(scope=SCOPE)
    assert (await about(public, tokens["access_token"])).status_code == 401
    nobody = await house.http.post("/auth/introspect", data={"token": tokens["access_token"]})
    assert nobody.status_code == 401


async def test_a_client_learns_of_its_own_tokens_and_a_resource_server_of_all(
    house: House,
) -> None:
    app, other = await house.app(), await house.app()
    server = await house.app(introspects=True)
    token = (await app.tokens(scope=SCOPE))["access_token"]
    assert (await about(other, token)).json() == {"active": False}
    assert (await about(server, token)).json()["active"] is True
    answer = await house.http.post(
        "/auth/introspect",
        data={"token": token},
        headers={"authorization": f"Bearer {house.admin_token}"},
    )
    assert answer.json()["active"] is True
    with_the_token_itself = await house.http.post(
        "/auth/introspect", data={"token": token}, headers={"authorization": f"Bearer {token}"}
    )
    assert with_the_token_itself.status_code == 401


async def test_a_revoked_refresh_token_takes_its_access_tokens_along(house: House) -> None:
    app = await house.app()
    tokens = await app.tokens(scope=SCOPE)
    assert (await about(app, tokens["refresh_token"], "revoke")).status_code == 200
    assert (await app.read(tokens["access_token"], "Patient/ann")).status_code == 401
    assert (await app.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await about(app, tokens["access_token"])).json() == {"active": False}


async def test_a_revoked_access_token_is_dead_and_can_be_refreshed(house: House) -> None:
    app = await house.app()
    tokens = await app.tokens(scope=SCOPE)
    answer = await about(app, tokens["access_token"], "revoke", token_type_hint="access_token")
    assert answer.status_code == 200
    assert (await app.read(tokens["access_token"], "Patient/ann")).status_code == 401
    assert (await app.refresh(tokens["refresh_token"])).status_code == 200


async def test_revoking_what_is_unknown_succeeds_and_what_is_another_clients_does_not(
    house: House,
) -> None:
    app, other = await house.app(), await house.app()
    assert (await about(app, "unknown", "revoke")).status_code == 200
    token = (await app.tokens(scope=SCOPE))["access_token"]
    assert (await about(other, token, "revoke")).json()["error"] == "invalid_grant"
    assert (await app.read(token, "Patient/ann")).status_code == 200


async def test_a_public_client_revokes_by_its_id(house: House) -> None:
    app = await house.app(token_endpoint_auth_method="none")
    tokens = await app.tokens(scope=SCOPE)
    assert (await about(app, tokens["refresh_token"], "revoke")).status_code == 200
    assert (await app.read(tokens["access_token"], "Patient/ann")).status_code == 401
