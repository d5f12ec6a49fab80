"""Being called and texted is agreed to by a code and ended by STOP, and both are on record."""

from subscriptions.core.managed_subscription import subscription_id
from subscriptions.core.messaging_consent import patient_of_member
from tests.integration.response.conftest import BOB, NINA, Place, person

BOBS = subscription_id("RelatedPerson/bob")


async def consent(place: Place, member: str = "RelatedPerson/bob") -> tuple[str, str, str]:
    found = await place.get("Consent", subscription_id(member))
    return found["status"], found["policyRule"]["coding"][0]["code"], found["dateTime"]


async def test_the_code_is_the_consent(place: Place) -> None:
    found = await place.get("Consent", BOBS)
    assert found["status"] == "active"
    assert found["patient"] == {"reference": "Patient/ann"}
    assert found["performer"] == [{"reference": "RelatedPerson/bob"}]
    assert BOB not in str(found)
    staff = await place.get("Consent", subscription_id("Practitioner/nina"))
    assert "patient" not in staff


async def test_stop_ends_it_and_start_gives_it_again(place: Place) -> None:
    given = await consent(place)
    await place.after(5)
    await place.writes(BOB, "revoke")
    ended = await consent(place)
    assert ended[:2] == ("inactive", "OPTOUT")
    assert ended[2] > given[2]
    await place.after(5)
    await place.writes(BOB, "start")
    again = await consent(place)
    assert again[:2] == ("active", "OPTIN")
    assert again[2] > ended[2]


async def test_a_new_number_must_be_agreed_to_anew(place: Place) -> None:
    new = "+15550000099"
    await place.put(person("RelatedPerson", "bob", new))
    assert (await consent(place))[0] == "inactive"
    await place.verify(new)
    assert (await consent(place))[0] == "active"


async def test_nobody_consents_by_writing_anything_else(bare: Place) -> None:
    from tests.integration.response.conftest import team

    await bare.put(person("Practitioner", "nina", NINA), team(("Practitioner/nina", 1)))
    for body in ("yes", "start", "h", "STOP"):
        await bare.writes(NINA, body)
    async with bare.record.transaction(bare.tenant) as tx:
        assert await tx.get("Consent", subscription_id("Practitioner/nina")) is None


def test_whose_record_a_member_belongs_to() -> None:
    assert patient_of_member("Patient/ann", None) == "ann"
    assert patient_of_member("RelatedPerson/b", {"patient": {"reference": "Patient/z"}}) == "z"
    assert patient_of_member("Practitioner/n", {}) is None
