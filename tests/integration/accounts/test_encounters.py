"""Which visit an app is opened for: those of the chosen patient that somebody may see, the newest first."""

from typing import Any

import pytest

from fhirserver.accounts.encounters import SHOWN
from tests.integration.accounts.conftest import Browser, House
from tests.integration.accounts.test_consent import BOB, NINA, asked

DECIDE = "/auth/authorize/decide"
SCOPES = "scope=launch/encounter+patient/Encounter.rs"
CLASS = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


def encounter(id_: str, patient: str, start: str, **other: Any) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": id_,
        "status": "finished",
        "class": {"system": CLASS, "code": "HH", "display": "home health"},
        "subject": {"reference": f"Patient/{patient}"},
        "period": {"start": start},
        **other,
    }


async def kept(house: House, *resources: dict[str, Any]) -> None:
    async with house.record.transaction(house.tenant) as tx:
        for one in resources:
            await tx.put(one, id_=str(one["id"]))


async def three_visits(house: House) -> None:
    await kept(
        house,
        encounter("first", "ann", "2026-01-05T09:30:00Z"),
        encounter(
            "last", "ann", "2026-03-07T14:00:00+01:00",
            type=[{"text": "Training at home"}], status="in-progress",
        ),
        encounter("middle", "ann", "2026-02-06"),
        encounter("joes", "joe", "2026-04-08T08:00:00Z"),
    )  # fmt: skip


async def reached(house: House, login: str, patient: str = "ann") -> Browser:
    """A browser on the page with the patient's visits."""
    browser = await asked(house, login, SCOPES)
    await browser.send(DECIDE, decision="allow", patient=patient)
    return browser


def offered(browser: Browser) -> list[str]:
    """The ids of the visits on the page, in order."""
    marks = browser.page.answer.text.split('name="encounter" value="')[1:]
    return [one.partition('"')[0] for one in marks]


async def test_the_visits_of_the_patient_are_offered_the_newest_first(plain_house: House) -> None:
    house = plain_house
    await three_visits(house)
    await house.person("nina", NINA)
    browser = await reached(house, "nina")
    assert offered(browser) == ["last", "middle", "first", ""]
    text = browser.page.text
    assert "Which visit is it about?" in text
    assert "Data of: Ann" in text
    assert "2026-03-07 14:00, Training at home, going on" in text
    assert "2026-02-06, home health, finished" in text
    policy = browser.page.answer.headers["content-security-policy"]
    assert "form-action 'self' https://app.example.org;" in policy
    fields = next(known for at, known in browser.page.forms if at == DECIDE)
    assert fields["encounter"] == ["last"], "the newest is chosen until one says otherwise"
    page = await browser.send(DECIDE, decision="allow", encounter="middle")
    told = page.answer.json()
    assert (told["patient"], told["encounter"]) == ("ann", "middle")
    assert told["scopes"] == ["launch/encounter", "patient/Encounter.rs"]


async def test_it_may_be_about_none_of_them(plain_house: House) -> None:
    await three_visits(plain_house)
    await plain_house.person("nina", NINA)
    browser = await reached(plain_house, "nina")
    page = await browser.send(DECIDE, decision="allow", encounter="")
    assert page.answer.json()["encounter"] == ""


async def test_who_has_no_visit_is_told_so_and_may_go_on(plain_house: House) -> None:
    await plain_house.person("nina", NINA)
    browser = await reached(plain_house, "nina")
    assert "No visit was found." in browser.page.text
    page = await browser.send(DECIDE, decision="allow")
    assert page.answer.json()["encounter"] == ""


async def test_a_denial_on_the_second_page_is_one(plain_house: House) -> None:
    await three_visits(plain_house)
    await plain_house.person("nina", NINA)
    browser = await reached(plain_house, "nina")
    page = await browser.send(DECIDE, decision="deny")
    assert page.answer.json()["allowed"] is False


@pytest.mark.parametrize("wanted", ["joes", "nowhere", "../Patient/ann"])
async def test_a_visit_of_another_patient_cannot_be_chosen(plain_house: House, wanted: str) -> None:
    await three_visits(plain_house)
    await plain_house.person("nina", NINA)
    browser = await reached(plain_house, "nina")
    await browser.send(DECIDE, decision="allow", encounter=wanted)
    assert offered(browser) == ["last", "middle", "first", ""], "asked again"


async def test_nobody_sees_visits_of_whom_they_may_not_see(plain_house: House) -> None:
    house = plain_house
    await three_visits(house)
    await house.person("bob", BOB)
    browser = await asked(house, "bob", SCOPES)
    page = await browser.send(DECIDE, decision="allow", patient="joe", encounter="joes")
    told = page.answer.json()
    assert (told["patient"], told["encounter"]) == (None, None)


async def test_earlier_visits_are_a_page_further_on(plain_house: House) -> None:
    house = plain_house
    days = [f"2025-01-{day:02}" for day in range(1, SHOWN + 4)]
    await kept(house, *(encounter(f"on-{day}", "ann", day) for day in days))
    await house.person("nina", NINA)
    browser = await reached(house, "nina")
    newest = [f"on-{day}" for day in reversed(days)]
    assert offered(browser) == [*newest[:SHOWN], ""]
    await browser.send(DECIDE, decision="earlier")
    assert offered(browser) == [*newest[SHOWN:], ""]
    assert "Show earlier visits" not in browser.page.text
    page = await browser.send(DECIDE, decision="allow", encounter=newest[-1])
    assert page.answer.json()["encounter"] == newest[-1]


async def test_the_page_speaks_spanish(plain_house: House) -> None:
    house = plain_house
    await three_visits(house)
    await house.person("nina", NINA, language="es")
    browser = await reached(house, "nina")
    assert "¿De qué visita se trata?" in browser.page.text
    assert "2026-03-07 14:00, Training at home, en curso" in browser.page.text
    assert browser.page.answer.headers["content-language"] == "es"


async def test_what_a_visit_is_called_is_no_markup(plain_house: House) -> None:
    house = plain_house
    await kept(house, encounter("odd", "ann", "2026-01-05", type=[{"text": "<b>x</b>"}]))
    await house.person("nina", NINA)
    browser = await reached(house, "nina")
    assert "<b>x" not in browser.page.answer.text
    assert "<b>x</b>" in browser.page.text
