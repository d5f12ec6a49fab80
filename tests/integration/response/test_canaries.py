"""Nothing of a person leaves by telephone: planted names, numbers and values in every way out."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from structlog.testing import capture_logs

from fhirserver.kernel.resource import Json
from subscriptions.core.managed_subscription import subscription_id
from subscriptions.rest import answer_page
from tests.integration.response.conftest import BOB, EVE, NINA, Place, person, team, telephone

NAMES = ("Quillwater", "Zyxanthe", "Brambleford", "Oxenmoor", "Vexley")
VALUES = ("87.31", "4711-0815", "1955-03-09", "Heparinox", "Elmgrove 77")
PLANTED = (*NAMES, *VALUES)


def named(resource: Json, family: str, given: str) -> Json:
    return {**resource, "name": [{"family": family, "given": [given], "text": f"{given} {family}"}]}


@pytest.fixture
async def planted(bare: Place) -> Place:
    """Ann's people with names, numbers and values in every resource the ladder reads."""
    bare.managed = {"sms": telephone(bare, [bare.company], links="https://example.org/a")}
    bare.worker = bare.another_worker()
    patient = {
        "resourceType": "Patient",
        "id": "ann",
        "identifier": [{"system": "urn:mrn", "value": "4711-0815"}],
        "birthDate": "1955-03-09",
        "address": [{"use": "home", "text": "Elmgrove 77", "city": "Brambleford"}],
    }
    await bare.put(
        named(patient, "Quillwater", "Zyxanthe"),
        named(person("RelatedPerson", "bob", BOB), "Oxenmoor", "Vexley"),
        named(person("RelatedPerson", "eve", EVE, "es"), "Oxenmoor", "Vexley"),
        named(person("Practitioner", "nina", NINA), "Oxenmoor", "Vexley"),
    )
    members = (("RelatedPerson/bob", 1), ("RelatedPerson/eve", 2), ("Practitioner/nina", 2))
    await bare.put({**team(*members), "name": "The Quillwater home"})
    return bare


@pytest.fixture
async def browser(planted: Place) -> AsyncIterator[httpx.AsyncClient]:
    app = Starlette(
        routes=answer_page.routes(
            response=planted.response, transactions=planted.record.transaction
        )
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app)) as client:
        yield client


async def test_no_planted_name_number_or_value_leaves_by_telephone(
    planted: Place, browser: httpx.AsyncClient
) -> None:
    place = planted
    said: list[str] = []
    with capture_logs() as log:
        for phone in (BOB, NINA):
            await place.verify(phone)
        asked = next(s for s in place.company.sent if s.to == EVE)
        said.append(await place.writes(EVE, asked.code))
        await place.alarm()
        code = place.pages(BOB, "sms")[0].code
        said += [await place.writes(BOB, body) for body in ("help", "what?", f"{code}y", "yes")]
        await place.after(130)
        link = place.pages(BOB, "sms")[-1].text.rpartition(" ")[2]
        said += [
            (await browser.get(link)).text,
            (await browser.post(link, data={"answer": "h"})).text,
        ]
        await place.after(125)
        said += [await place.writes(EVE, body) for body in ("ayuda", "n", "ALTO", "INICIAR")]
        said.append(await place.writes(BOB, "STOP"))
    texts = [s.text for s in place.company.sent]
    assert len([s for s in place.company.sent if s.medium == "voice"]) > 5
    assert {"alert", "emergency"} <= {
        p for t in texts for p in ("alert", "emergency") if p in t.lower()
    }
    callbacks = [s.callback for s in place.company.sent]
    for way_out in (*texts, *callbacks, *said, *map(str, log)):
        for canary in PLANTED:
            assert canary.lower() not in way_out.lower(), way_out
    for way_out in (*texts, *callbacks, *said, *map(str, log)):
        for number in (BOB, EVE, NINA):
            assert number.lstrip("+") not in way_out


async def test_texts_hold_no_digit_but_those_of_their_code(planted: Place) -> None:
    for phone in (BOB, NINA):
        await planted.verify(phone)
    await planted.alarm()
    await planted.after(130)
    texts = [s for s in planted.company.sent if s.medium == "sms"]
    assert len(texts) >= 8
    for sent in texts:
        assert not re.search(r"\d", sent.text.replace(sent.code, "")), sent.text


async def test_what_is_kept_of_a_message_names_nobody_either(planted: Place) -> None:
    for phone in (BOB, NINA):
        await planted.verify(phone)
    await planted.alarm()
    await planted.after(100)
    kept = [*await planted.all("Communication"), *await planted.all("Task")]
    subscription = await planted.get("Subscription", subscription_id("RelatedPerson/bob"))
    assert len(kept) > 8
    for resource in kept:
        for canary in (*PLANTED, BOB, EVE, NINA):
            assert canary not in str(resource)
    assert subscription["channel"]["payload"] == "text/plain"
