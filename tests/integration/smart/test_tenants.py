"""Tenants are walls for apps too."""

import pytest

from fhirserver.smart import registration
from fhirserver.smart.enrolment import enrolled
from fhirserver.store import clients, grants
from tests.integration.smart.app import REDIRECT, App, answer_of
from tests.integration.smart.conftest import House

pytestmark = pytest.mark.asyncio(loop_scope="module")

TABLES = ("smart_grant", "smart_code", "smart_refresh", "smart_assertion")


async def stranger(house: House) -> App:
    """A client of another tenant that may ask about every token there."""
    tenant = await house.record.ensure_tenant("next-door")
    wanted = registration.read(
        {
            "client_name": "Next door",
            "redirect_uris": [REDIRECT],
            "grant_types": ["authorization_code", "refresh_token"],
        },
        by_administrator=True,
    )
    client, secret = enrolled(wanted, tenant, house.clock(), introspects=True)
    async with house.record.transaction(tenant) as tx:
        await clients.add(tx, client)
    return App(house.http, client, secret, house.people)


async def test_nothing_of_another_tenant_is_seen_used_or_ended(house: House) -> None:
    app, other = await house.app(), await stranger(house)
    code = await app.code(scope="launch/patient offline_access patient/*.rs")
    tokens = await app.tokens(scope="launch/patient offline_access patient/*.rs")
    other.verifier = app.verifier
    assert (await other.exchange(code)).json()["error"] == "invalid_grant"
    assert (await other.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    for token in (tokens["access_token"], tokens["refresh_token"]):
        told = await house.http.post(
            "/auth/introspect", data={"token": token}, headers=other.proof()
        )
        assert told.json() == {"active": False}
        await house.http.post("/auth/revoke", data={"token": token}, headers=other.proof())
    async with house.record.transaction(other.client.tenant) as tx:
        assert await grants.listed(tx) == []
        assert await clients.get(tx, app.client.id) is None
        assert not await clients.set_disabled(tx, app.client.id, disabled=True)
        await grants.end_grants(tx, client=app.client.id)
        for table in TABLES:
            assert await tx.execute(f"SELECT count(*) FROM {table}") == [(0,)], table
    # None of that did anything.
    assert (await app.exchange(code)).status_code == 200
    assert (await app.refresh(tokens["refresh_token"])).status_code == 200


async def test_somebody_signed_in_elsewhere_cannot_let_a_client_of_this_tenant_in(
    house: House,
) -> None:
    app = await stranger(house)
    # The page is asked of somebody of this house, for a client of the other.
    assert (await app.authorize()).status_code == 303
    house.people.asked = None
    query = app.request()
    answer = await house.http.post(
        "/auth/authorize/decide",
        data={
            "request": str(house.http.build_request("GET", "/", params=query).url.query.decode()),
            "csrf": "1",
            "decision": "allow",
            "scope": "openid",
        },
    )
    assert answer_of(answer)["error"] == "access_denied"
