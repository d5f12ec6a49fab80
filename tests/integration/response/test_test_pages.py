"""A test page goes the way of an alarm: Task, Subscription, telephone, reply code, Task."""

import pytest

from subscriptions.store import session_rows
from tests.integration.response.conftest import ANN, BOB, EVE, Place

PATIENT = {"resourceType": "Patient", "id": "ann", "birthDate": "1961-04-02"}


async def ask(place: Place) -> str:
    """Send a test page; return how monitoring stands."""
    await place.put({**PATIENT, "telecom": [{"system": "sms", "value": ANN}]})
    async with place.record.transaction(place.tenant) as tx:
        row = await place.sessions.armings.ask(tx, "ann")
    await place.work()
    return row.arming.state


async def state(place: Place) -> str:
    async with place.record.transaction(place.tenant) as tx:
        return (await session_rows.arming_of(tx, "ann")).arming.state


async def test_a_text_goes_to_tier_one_and_its_answer_arms(place: Place) -> None:
    assert await ask(place) == "testing"
    (page,) = place.pages()
    assert (page.to, page.medium) == (BOB, "sms")
    assert page.text.startswith(f"TEST {page.code}: ")
    assert await place.writes(BOB, f"{page.code}a") == "Thank you. Alerts reach you."
    assert await state(place) == "armed"
    await place.after(600)
    # Nobody else is told, nothing is repeated: it is no alarm.
    assert place.pages() == [page]
    assert await place.query("SELECT 1 FROM alert WHERE tenant = %s", [place.tenant]) == []


@pytest.mark.parametrize("answer", ["a", "y", "h"])
async def test_the_letter_alone_is_enough(place: Place, answer: str) -> None:
    await ask(place)
    assert await place.writes(BOB, answer) == "Thank you. Alerts reach you."
    assert await state(place) == "armed"


async def test_who_cannot_come_arms_nothing(place: Place) -> None:
    await ask(place)
    answer = await place.writes(BOB, "n")
    assert answer.startswith("Understood. Somebody else")
    assert await state(place) == "testing"


async def test_stop_disarms(place: Place) -> None:
    await ask(place)
    await place.writes(BOB, "a")
    await place.writes(BOB, "STOP")
    assert await state(place) == "lapsed"


async def test_a_code_of_somebody_else_arms_nothing(place: Place) -> None:
    await ask(place)
    (page,) = place.pages()
    await place.writes(EVE, f"{page.code}a")
    assert await state(place) == "testing"


async def test_an_alarm_after_it_still_rings_and_is_answered_by_its_own_code(place: Place) -> None:
    await ask(place)
    (test,) = place.pages()
    await place.alarm()
    alarms = [page for page in place.pages(BOB, "sms") if page is not test]
    assert [page.text.split()[0] for page in alarms] == ["ALERT"]
    assert alarms[0].code != test.code
    await place.writes(BOB, f"{test.code}a")
    assert await state(place) == "armed"
    assert "there" in await place.writes(BOB, f"{alarms[0].code}y")


async def test_test_data_rings_no_telephone(place: Place) -> None:
    htest = {
        "security": [
            {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}
        ]
    }
    await place.put({**PATIENT, "meta": htest})
    async with place.record.transaction(place.tenant) as tx:
        await place.sessions.armings.ask(tx, "ann")
    await place.work()
    assert place.pages() == []
