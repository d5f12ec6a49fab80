"""What a person is asked when an app wants in, and what comes of the answer; launches of an EHR; invitations."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest

from fhirserver import definitions
from fhirserver.accounts.launch import LAUNCH, LIFETIME
from fhirserver.interactions.access_now import access_of
from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import perform
from fhirserver.interactions.operations.invitations import INVITE
from fhirserver.kernel.errors import Unprocessable
from fhirserver.kernel.principal import Grant, Principal
from fhirserver.smart.people import SignedIn
from tests.integration.accounts.conftest import PASSWORD, URL, Browser, House
from tests.integration.rest.conftest import Bystander

BOB = "related-person:RelatedPerson/bob"
NINA = "practitioner:Practitioner/nina"


async def asked(house: House, login: str, query: str = "client=Diary") -> Browser:
    browser = house.browser()
    then = urlencode({"continue": f"/auth/authorize?{query}"})
    await browser.sign_in(login, path=f"/auth/login?{then}")
    return browser


async def test_the_only_patient_is_chosen_and_scopes_can_be_left_out(plain_house: House) -> None:
    house = plain_house
    await house.person("bob", BOB)
    browser = await asked(house, "bob", "scope=patient/Observation.rs+patient/Condition.rs+openid")
    page = browser.page
    assert "Do you let “Diary” use health data?" in page.text
    assert "app.example.org" in page.text
    assert "Ann" in page.text
    assert "Joe" not in page.text
    policy = page.answer.headers["content-security-policy"]
    assert "form-action 'self' https://app.example.org;" in policy
    fields = next(known for at, known in page.forms if at == "/auth/authorize/decide")
    assert fields["scope"] == ["patient/Observation.rs", "patient/Condition.rs", "openid"]
    page = await browser.send("/auth/authorize/decide", scope="openid", decision="allow")
    assert page.answer.json() == {
        "kind": "related-person",
        "user": "RelatedPerson/bob",
        "methods": ["pwd"],
        "allowed": True,
        "scopes": ["openid"],
        "patient": "ann",
        "encounter": None,
    }


async def test_several_patients_are_offered_and_found_by_name(plain_house: House) -> None:
    house = plain_house
    await house.person("nina", NINA)
    browser = await asked(house, "nina")
    assert "Ann" in browser.page.text
    assert "Joe" in browser.page.text
    page = await browser.send("/auth/authorize/decide", decision="allow")
    assert page.answer.json()["patient"] is None, "nobody chose one"
    page = await browser.open("/auth/authorize?client=Diary&find=jo")
    assert "Joe" in page.text
    assert "Ann" not in page.text
    assert await _decided(browser, patient="joe") == "joe"


async def _decided(browser: Browser, **values: str) -> str | None:
    page = await browser.send("/auth/authorize/decide", decision="allow", **values)
    chosen: str | None = page.answer.json()["patient"]
    return chosen


async def test_a_patient_one_may_not_see_cannot_be_chosen(plain_house: House) -> None:
    house = plain_house
    await house.person("bob", BOB)
    browser = await asked(house, "bob")
    assert await _decided(browser, patient="joe") is None
    page = await browser.open("/auth/authorize?client=Diary&find=Joe")
    assert "No patient was found" in page.text


async def test_the_patient_of_a_launch_is_shown_and_not_asked(plain_house: House) -> None:
    house = plain_house
    await house.person("bob", BOB)
    browser = await asked(house, "bob", "patient=ann")
    assert "Data of: Ann" in browser.page.text
    assert "Whose data" not in browser.page.text


async def test_a_denial_is_told(plain_house: House) -> None:
    house = plain_house
    await house.person("bob", BOB)
    browser = await asked(house, "bob")
    page = await browser.send("/auth/authorize/decide", decision="deny")
    assert page.answer.json()["allowed"] is False


async def test_what_apps_call_themselves_is_no_markup(plain_house: House) -> None:
    house = plain_house
    await house.person("bob", BOB)
    browser = await asked(house, "bob", "client=%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>alert" not in browser.page.answer.text
    assert "<script>alert(1)</script>" in browser.page.text


@pytest.mark.parametrize("proof", ["", "AAAA"])
async def test_only_our_page_decides(plain_house: House, proof: str) -> None:
    house = plain_house
    await house.person("bob", BOB)
    browser = await asked(house, "bob")
    page = await browser.send("/auth/authorize/decide", decision="allow", proof=proof)
    assert page.status == 400
    assert "Start again" in page.text


async def test_nobody_without_a_second_factor_is_asked(house: House) -> None:
    await house.person("nina", NINA)
    browser = await asked(house, "nina")
    assert browser.page.path.startswith("/auth/factors")


async def test_who_is_linked_to_nobody_is_told_so(plain_house: House) -> None:
    await plain_house.person("new")
    browser = await asked(plain_house, "new")
    assert "linked to nobody" in browser.page.text


async def _context(house: House, kind: str, reference: str) -> Context:
    principal = Principal(house.tenant, kind, reference)  # type: ignore[arg-type]
    access = await access_of(house.record, Grant(principal), house.time())
    return Context(access, house.record, definitions.load(), Bystander(), f"{URL}/fhir")  # type: ignore[arg-type]


def _who(house: House, account: str) -> SignedIn:
    nina = Principal(house.tenant, "practitioner", "Practitioner/nina")
    return SignedIn(
        house.tenant, account, "", "Nina", nina, "Practitioner/nina", house.time(), ("pwd",)
    )


async def _account(house: House, login: str) -> str:
    from fhirserver.store import people

    async with house.record.transaction(house.tenant) as tx:
        known = await people.by_login(tx, login)
        assert known is not None
        return known.id


async def test_a_launch_is_for_one_person_one_client_and_one_time(plain_house: House) -> None:
    house = plain_house
    await house.person("nina", NINA)
    await house.person("bob", BOB)
    context = await _context(house, "practitioner", "Practitioner/nina")

    async def launched(**values: str) -> str:
        answer = await perform(LAUNCH, context, "", "", list(values.items()), None, LAUNCH.run)
        assert answer.resource is not None
        handle: str = answer.resource["parameter"][0]["valueString"]
        return handle

    nina, bob = (
        _who(house, await _account(house, "nina")),
        _who(house, await _account(house, "bob")),
    )
    people = house.accounts.people
    handle = await launched(patient="ann", client="diary", intent="review")
    here = house.tenant
    assert await people.launch_context(here, handle, nina, client="other", consume=True) is None
    assert await people.launch_context(here, handle, bob, client="diary", consume=True) is None
    assert await people.launch_context(here, "x" * 43, nina, client="diary", consume=True) is None
    seen = await people.launch_context(here, handle, nina, client="diary", consume=False)
    used = await people.launch_context(here, handle, nina, client="diary", consume=True)
    assert seen == used
    assert used is not None
    assert (used.patient, used.intent) == ("ann", "review")
    assert await people.launch_context(here, handle, nina, client="diary", consume=True) is None

    late = await launched(patient="ann")
    house.time.ahead += LIFETIME + timedelta(seconds=1)
    assert await people.launch_context(here, late, nina, client="diary", consume=True) is None


async def test_nobody_launches_for_a_patient_they_may_not_see(plain_house: House) -> None:
    context = await _context(plain_house, "related-person", "RelatedPerson/bob")
    for patient in ("joe", "nobody"):
        with pytest.raises(Unprocessable, match="is not known"):
            await perform(LAUNCH, context, "", "", [("patient", patient)], None, LAUNCH.run)


async def _invited(house: House) -> str:
    context = await _context(house, "patient", "Patient/ann")
    answer = await perform(INVITE, context, "", "", [("as", "care-partner")], None, INVITE.run)
    assert answer.resource is not None
    token: str = answer.resource["parameter"][0]["valueString"]
    return token


async def test_an_invitation_makes_an_account_once(plain_house: House) -> None:
    house = plain_house
    await house.person("taken")
    code = await _invited(house)
    browser = house.browser()
    await browser.open(f"/auth/join?tenant={house.name}")
    filled = {"code": code, "name": "Cara", "new": PASSWORD, "again": PASSWORD}
    page = await browser.send("/auth/join", login="taken", **{**filled, "code": "wrong"})
    assert "The invitation is not good" in page.text, "says nothing of who has an account"
    page = await browser.send("/auth/join", login="taken", **filled)
    assert "is taken" in page.text
    page = await browser.send("/auth/join", login="cara", **filled)
    assert "Your password is set" in page.text
    page = await browser.send("/auth/login", login="cara", password=PASSWORD)
    assert "care partner (RelatedPerson/" in page.text
    again = house.browser()
    await again.open("/auth/join")
    page = await again.send("/auth/join", login="dora", **filled)
    assert page.status == 400, "once"
    reach = await asked(house, "cara")
    assert "Ann" in reach.page.text


async def test_an_invitation_is_added_to_the_account_one_has(plain_house: House) -> None:
    house = plain_house
    await house.person("joe", "patient:Patient/joe")
    code = await _invited(house)
    browser = house.browser()
    await browser.sign_in("joe")
    await browser.open("/auth/join")
    page = await browser.send("/auth/join", code=code)
    assert "The invitation is accepted" in page.text
    page = await browser.open("/auth/account")
    assert page.path.startswith("/auth/role"), "they act as two now"
    assert "care partner" in page.text
    assert "patient (Patient/joe)" in page.text


async def test_accounts_are_walled_in_their_tenant(plain_house: House) -> None:
    house = plain_house
    await house.person("bob", BOB)
    other = await house.record.ensure_tenant(f"{house.name}-other")
    browser = house.browser()
    await browser.sign_in("bob")
    tenant, _, secret = browser.client.cookies["session"].partition(".")
    assert tenant == str(house.tenant)
    for number in (other, 99_999_999):
        stranger = house.browser()
        stranger.client.cookies.set("session", f"{number}.{secret}")
        assert (await stranger.open("/auth/account")).path.startswith("/auth/login")
    page = await house.browser().sign_in("bob", path=f"/auth/login?tenant={house.name}-other")
    assert page.status == 400
    async with house.record.transaction(other) as tx:
        for table in ("account", "account_role", "account_session", "account_factor"):
            rows = await tx.execute(f"SELECT 1 FROM {table}")
            assert not rows, table
    async with house.record.transaction(house.tenant) as tx:
        rows = await tx.execute("SELECT 1 FROM tenant_key WHERE tenant = 99999999")
        assert not rows, "nothing is made for tenants that do not exist"
