"""Refresh tokens rotate, and whoever shows a used one ends everything that came of it.

Spec: https://www.rfc-editor.org/rfc/rfc9700#section-4.14
"""

from datetime import timedelta

import pytest

from fhirserver.store import grants
from tests.integration.smart.conftest import House

pytestmark = pytest.mark.asyncio(loop_scope="module")

OFFLINE = "launch/patient offline_access patient/Patient.rs patient/Observation.rs"


async def test_a_refresh_answers_a_new_refresh_token_and_the_same_scopes(house: House) -> None:
    app = await house.app()
    first = await app.tokens(scope=OFFLINE)
    answer = await app.refresh(first["refresh_token"])
    second = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"
    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    assert second["token_type"].lower() == "bearer"
    assert isinstance(second["expires_in"], int)
    assert set(second["scope"].split()) == set(first["scope"].split())
    assert second["patient"] == "ann"
    assert (await app.read(second["access_token"], "Patient/ann")).status_code == 200


async def test_an_invalid_refresh_token_is_refused(house: House) -> None:
    app = await house.app()
    answer = await app.refresh("not-a-token")
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_grant"


async def test_a_used_refresh_token_revokes_the_family(house: House) -> None:
    app = await house.app()
    first = await app.tokens(scope=OFFLINE)
    second = (await app.refresh(first["refresh_token"])).json()
    assert (await app.refresh(first["refresh_token"])).json()["error"] == "invalid_grant"
    for tokens in (first, second):
        assert (await app.read(tokens["access_token"], "Patient/ann")).status_code == 401
    assert (await app.refresh(second["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_refresh_may_ask_for_less_and_never_for_more(house: House) -> None:
    app = await house.app()
    tokens = await app.tokens(scope=OFFLINE)
    more = await app.refresh(tokens["refresh_token"], scope=f"{OFFLINE} patient/Condition.rs")
    assert more.json()["error"] == "invalid_scope"
    wider = await app.refresh(tokens["refresh_token"], scope="patient/Patient.cruds")
    assert wider.json()["error"] == "invalid_scope"
    less = (await app.refresh(tokens["refresh_token"], scope="patient/Patient.rs")).json()
    assert less["scope"] == "patient/Patient.rs"
    assert (await app.read(less["access_token"], "Patient/ann")).status_code == 200
    search = await app.read(less["access_token"], "Observation?patient=ann")
    assert search.status_code == 403
    # What was granted stays granted.
    whole = (await app.refresh(less["refresh_token"])).json()
    assert set(whole["scope"].split()) == set(OFFLINE.split())


async def test_a_refresh_token_belongs_to_its_client(house: House) -> None:
    app, other = await house.app(), await house.app()
    tokens = await app.tokens(scope=OFFLINE)
    assert (await other.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await app.refresh(tokens["refresh_token"])).status_code == 200


async def test_without_offline_or_online_access_there_is_no_refresh_token(house: House) -> None:
    app = await house.app()
    assert "refresh_token" not in await app.tokens(scope="launch/patient patient/*.rs")


async def test_online_access_ends_with_the_session(house: House) -> None:
    app = await house.app()
    house.people.sessions.add("session-1")
    tokens = await app.tokens(scope="launch/patient online_access patient/*.rs")
    tokens = (await app.refresh(tokens["refresh_token"])).json()
    house.people.sessions.clear()
    assert (await app.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    offline = await app.tokens(scope=OFFLINE)
    async with house.record.transaction(house.tenant) as tx:
        assert await grants.end_session(tx, "session-1") >= 1
    assert (await app.read(tokens["access_token"], "Patient/ann")).status_code == 401
    assert (await app.refresh(offline["refresh_token"])).status_code == 200


async def test_an_unused_refresh_token_ends_after_a_month(house: House) -> None:
    app = await house.app()
    tokens = await app.tokens(scope=OFFLINE)
    house.clock.ahead += timedelta(days=31)
    assert (await app.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_an_access_token_ends_after_an_hour(house: House) -> None:
    app = await house.app()
    tokens = await app.tokens(scope=OFFLINE)
    house.clock.ahead += timedelta(hours=1, seconds=1)
    assert (await app.read(tokens["access_token"], "Patient/ann")).status_code == 401


async def test_what_an_account_allowed_dies_with_it_at_once(house: House) -> None:
    app = await house.app()
    tokens = await app.tokens(scope=OFFLINE)
    async with house.record.transaction(house.tenant) as tx:
        await grants.end_grants(tx, account=house.nina.account)
    assert (await app.read(tokens["access_token"], "Patient/ann")).status_code == 401
    assert (await app.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await house.admin.get("Patient/ann")).status_code == 200


async def test_grants_are_listed_and_forgotten_some_days_after_they_ended(house: House) -> None:
    app = await house.app()
    await app.tokens(scope=OFFLINE)
    async with house.record.transaction(house.tenant) as tx:
        listed = await grants.listed(tx, client=app.client.id)
    assert [one.account for one in listed] == [house.nina.account]
    house.clock.ahead += timedelta(days=400)
    await house.record.authorizations.keep_going([house.tenant])
    async with house.record.transaction(house.tenant) as tx:
        assert await grants.listed(tx) == []
        left = await tx.execute("SELECT count(*) FROM smart_grant WHERE tenant = %s", (tx.tenant,))
    assert left == [(0,)]
