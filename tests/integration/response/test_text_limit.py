"""A telephone that takes no more texts now: the next person is called instead of waited for."""

from fhirserver.kernel import canonical
from fhirserver.kernel.resource import Json
from tests.integration.response.conftest import BOB, Place, person, team
from tests.integration.response.on_call import entry
from tests.integration.response.test_ladder_runs import person_of_zoe

KIM = "+15550000008"
TEXT_ONLY = {"url": canonical.CONTACT_CHANNEL, "valueCode": "sms"}


def zoes_team() -> Json:
    members = [entry("RelatedPerson/bob2", 1, TEXT_ONLY), entry("RelatedPerson/kim", 2)]
    return {**team(patient="zoe", id_="team-zoe"), "participant": members}


async def bob_of_two_who_takes_texts_only(place: Place) -> None:
    await place.put(
        {"resourceType": "Patient", "id": "zoe"},
        {"resourceType": "Device", "id": "m-zoe"},
        person_of_zoe(),
        {**person("RelatedPerson", "kim", KIM), "patient": {"reference": "Patient/zoe"}},
        {**team(), "participant": [entry("RelatedPerson/bob", 1, TEXT_ONLY)]},
    )
    await place.put(zoes_team())
    for phone in (BOB, KIM):
        await place.verify(phone)
    await place.after(300)


async def test_who_takes_no_more_texts_is_passed_over_at_once(place: Place) -> None:
    await bob_of_two_who_takes_texts_only(place)
    await place.alarm()
    await place.after(125)
    assert len(place.pages(BOB, "sms")) == 5
    await place.alarm(patient="zoe")
    assert len(place.pages(BOB, "sms")) == 5
    assert [one.at for one in place.pages(KIM, "sms")] == [place.now]
    withheld = [
        one["statusReason"]["text"]
        for one in await place.all("Communication")
        if one["status"] == "not-done" and one["subject"]["reference"] == "Patient/zoe"
    ]
    assert withheld == ["rate-limited"]
    assert await place.status("RelatedPerson/bob2") == "active"
