"""Apps that a person let in, and ending it: from that moment their tokens are worth nothing.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#using-well-known (management_endpoint)
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from fhirserver.crypto.secret_digest import secret_digest
from fhirserver.kernel.principal import Principal
from fhirserver.smart import registration
from fhirserver.smart.enrolment import enrolled
from fhirserver.smart.family import Code, Family, Known
from fhirserver.store import clients, grants, people
from tests.integration.accounts.conftest import House

REDIRECT = "https://app.example.org/back"


@dataclass(frozen=True)
class LetIn:
    """What one app got: its tokens, and the family they belong to."""

    family: str
    access: bytes
    refresh: bytes


async def let_in(house: House, login: str, principal: Principal, app: str) -> LetIn:
    """Somebody has let an app of this name in."""
    now = house.time()
    wanted = registration.read(
        {"client_name": app, "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none"},
        by_administrator=True,
    )
    client, _ = enrolled(wanted, house.tenant, now, introspects=False)
    code, access, refresh = (secret_digest(secrets.token_urlsafe()) for _ in range(3))
    async with house.record.transaction(house.tenant) as tx:
        await clients.add(tx, client)
        known = await people.by_login(tx, login)
        assert known is not None
        family = Family(
            uuid4(), principal, client.id, str(known.id), "session", principal.reference,
            ("patient/Observation.rs", "offline_access"), "ann", now, now, now + timedelta(days=1),
        )  # fmt: skip
        late = now + timedelta(hours=1)
        await grants.begin(tx, family, Code(family, REDIRECT, "c", late, None), code)
        token = Known(principal, family.scopes, "ann", client.id, family.account, now, late, family)
        await grants.add_access(tx, access, token)
        await grants.add_refresh(tx, refresh, family, late)
    return LetIn(str(family.id), access, refresh)


async def works(house: House, given: LetIn) -> tuple[bool, bool]:
    """Whether its access token and its refresh token are still good for anything."""
    async with house.record.transaction(house.tenant) as tx:
        access = await grants.find_access(tx, given.access)
        refresh = await grants.find_refresh(tx, given.refresh)
    assert refresh is not None
    return access is not None, refresh.family.revoked is None


def bob(house: House) -> Principal:
    return Principal(house.tenant, "related-person", "RelatedPerson/bob")


def eve(house: House) -> Principal:
    return Principal(house.tenant, "patient", "Patient/joe")


async def test_a_person_ends_one_app_and_its_tokens_are_dead_at_once(house: House) -> None:
    await house.person("bob", "related-person:RelatedPerson/bob")
    diary = await let_in(house, "bob", bob(house), "Diary")
    chart = await let_in(house, "bob", bob(house), "Chart")
    browser = house.browser()
    await browser.sign_in("bob")
    page = await browser.open("/auth/manage")
    assert "Diary" in page.text
    assert "Chart" in page.text
    proof = page.forms[0][1]["proof"][0]
    await browser.client.post("/auth/manage", data={"proof": proof, "family": diary.family})
    assert await works(house, diary) == (False, False)
    assert await works(house, chart) == (True, True)
    page = await browser.open("/auth/manage")
    assert "Diary" not in page.text
    assert "Chart" in page.text
    told = [one for one in house.told.happenings if one.what == "token-revoked"]
    assert [one.detail for one in told] == ["by the person"]


async def test_nobody_sees_or_ends_apps_of_others(house: House) -> None:
    await house.person("bob", "related-person:RelatedPerson/bob")
    await house.person("eve", "patient:Patient/joe")
    diary = await let_in(house, "bob", bob(house), "Diary")
    await let_in(house, "eve", eve(house), "Chart")
    browser = house.browser()
    await browser.sign_in("eve")
    page = await browser.open("/auth/manage")
    assert "Diary" not in page.text
    proof = page.forms[0][1]["proof"][0]
    for family in (diary.family, str(uuid4()), "nonsense", ""):
        await browser.client.post("/auth/manage", data={"proof": proof, "family": family})
    assert await works(house, diary) == (True, True)


async def test_only_our_page_and_somebody_signed_in_end_an_app(house: House) -> None:
    await house.person("bob", "related-person:RelatedPerson/bob")
    diary = await let_in(house, "bob", bob(house), "Diary")
    stranger = house.browser()
    assert (await stranger.open("/auth/manage")).path.startswith("/auth/login")
    browser = house.browser()
    await browser.sign_in("bob")
    page = await browser.open("/auth/manage")
    proof = page.forms[0][1]["proof"][0]
    await stranger.client.post("/auth/manage", data={"proof": proof, "family": diary.family})
    for wrong in ("", "AAAA"):
        await browser.client.post("/auth/manage", data={"proof": wrong, "family": diary.family})
    assert await works(house, diary) == (True, True)
