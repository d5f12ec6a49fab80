"""One human, several roles: choosing one, and the Person who is all of them."""

from fhirserver.accounts import administration
from fhirserver.accounts.role import Role
from tests.integration.accounts.conftest import BOB, NINA, House


async def test_one_human_acts_in_one_of_several_roles(plain_house: House) -> None:
    house = plain_house
    await house.person("nina", NINA, BOB)
    browser = house.browser()
    page = await browser.sign_in("nina")
    assert page.path.startswith("/auth/role")
    page = await browser.send("/auth/role", role=BOB)
    assert "care partner (RelatedPerson/bob) ✓" in page.text
    await browser.open("/auth/role")
    page = await browser.send("/auth/role", role="admin:")
    assert "care partner (RelatedPerson/bob) ✓" in page.text, "nobody makes themselves one"
    await browser.open("/auth/role")
    page = await browser.send("/auth/role", role=NINA)
    assert "clinician (Practitioner/nina) ✓" in page.text
    async with house.record.transaction(house.tenant) as tx:
        ((account,),) = await tx.execute(
            "SELECT person FROM account WHERE tenant = %s", (tx.tenant,)
        )
        person = await tx.get("Person", account)
        assert person is not None
        assert [one["target"]["reference"] for one in person["link"]] == [
            "Practitioner/nina",
            "RelatedPerson/bob",
        ]
        await administration.unlink(tx, "nina", Role("practitioner", "Practitioner/nina"))
        person = await tx.get("Person", account)
        assert person is not None
        assert person["link"] == [{"target": {"reference": "RelatedPerson/bob"}}]
    page = await browser.open("/auth/account")
    assert "Practitioner/nina" not in page.text


async def test_a_person_that_is_known_already_becomes_the_accounts(plain_house: House) -> None:
    house = plain_house
    bob = {"target": {"reference": "RelatedPerson/bob"}}
    async with house.record.transaction(house.tenant) as tx:
        await tx.put({"resourceType": "Person", "id": "p", "link": [bob]}, id_="p")
    await house.person("nina", NINA, BOB)
    async with house.record.transaction(house.tenant) as tx:
        person = await tx.get("Person", "p")
        assert person is not None
        assert person["link"] == [bob, {"target": {"reference": "Practitioner/nina"}}]
        (one,) = await administration.listed(tx)
        assert one.account.person == "p"
