"""A letter without its code answers the only alarm it can mean, or none."""

from tests.integration.response.conftest import BOB, Place, team
from tests.integration.response.test_ladder_runs import person_of_zoe


async def bob_of_two(place: Place) -> None:
    await place.put(
        {"resourceType": "Patient", "id": "zoe"},
        {"resourceType": "Device", "id": "m-zoe"},
        person_of_zoe(),
    )
    await place.put(team(("RelatedPerson/bob2", 1), patient="zoe", id_="team-zoe"))
    await place.verify(BOB)


async def is_closed(place: Place) -> None:
    """Ann's alarm is over: Bob was there, and there again when he was asked."""
    await place.alarm()
    code = place.pages(BOB, "sms")[-1].code
    await place.writes(BOB, f"{code}h")
    await place.alarm(end=True)
    await place.after(121)
    assert "closed" in await place.writes(BOB, f"{code}h")


async def test_a_late_answer_to_an_alarm_that_is_over_does_not_stop_the_next_patients(
    place: Place,
) -> None:
    await bob_of_two(place)
    await is_closed(place)
    await place.after(60)
    await place.alarm(patient="zoe")
    assert "More than one alert" in await place.writes(BOB, "h")
    await place.after(31)
    rows = dict(await place.query("SELECT patient, response FROM alert"))
    assert rows["zoe"] != "at-patient"
    code = place.pages(BOB, "sms")[-1].code
    await place.writes(BOB, f"{code}h")
    rows = dict(await place.query("SELECT patient, response FROM alert"))
    assert rows["zoe"] == "at-patient"


async def test_ten_minutes_later_the_letter_alone_is_enough_again(place: Place) -> None:
    await bob_of_two(place)
    await is_closed(place)
    await place.after(600)
    await place.alarm(patient="zoe")
    await place.writes(BOB, "h")
    rows = dict(await place.query("SELECT patient, response FROM alert"))
    assert rows["zoe"] == "at-patient"
