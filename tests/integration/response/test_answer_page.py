"""The link in a text message: gateways may follow it, only its button acts, and once."""

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette

from subscriptions.core.managed_subscription import subscription_id
from subscriptions.rest import answer_page
from tests.integration.response.conftest import BOB, EVE, Place, person, team, telephone
from tests.integration.response.doubles import Sent

BASE = "https://example.org/a"


class Browser:
    """A telephone that opens links."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def get(self, link: str) -> httpx.Response:
        return await self._client.get(link)

    async def press(self, link: str, answer: str) -> httpx.Response:
        return await self._client.post(link, data={"answer": answer})


@pytest.fixture
async def linked(place: Place) -> Place:
    """Ann's people, whose texts end with a link."""
    place.managed = {"sms": telephone(place, [place.company], links=BASE)}
    place.worker = place.another_worker()
    return place


@pytest.fixture
async def browser(linked: Place) -> AsyncIterator[Browser]:
    app = Starlette(
        routes=answer_page.routes(response=linked.response, transactions=linked.record.transaction)
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app)) as client:
        yield Browser(client)


def link(sent: Sent) -> str:
    text, _, token = sent.text.rpartition("/")
    return f"{BASE}/{token}" if text.endswith(BASE) else ""


async def response(place: Place) -> str:
    return str((await place.query("SELECT response FROM alert"))[0][0])


async def everything(place: Place) -> list[object]:
    """All that an answer could change."""
    tables = ("alert", "ladder", "attempt", "inbound_message", "reply_code", "timer")
    return [await place.query(f"SELECT {t}::text FROM {t} ORDER BY 1") for t in tables]


async def test_every_alarm_text_ends_with_its_own_link(linked: Place) -> None:
    await linked.alarm()
    await linked.writes(BOB, f"{linked.pages(BOB, 'sms')[0].code}n")
    texts = [*linked.pages(BOB, "sms"), *linked.pages(EVE, "sms")]
    links = [link(text) for text in texts]
    assert all(links)
    assert len(set(links)) == len(texts)
    assert all(link(s) == "" for s in linked.company.sent if "to get alerts" in s.text)


async def test_following_the_link_changes_nothing(linked: Place, browser: Browser) -> None:
    await linked.alarm()
    before = await everything(linked)
    for _ in range(3):
        page = await browser.get(link(linked.pages(BOB, "sms")[0]))
        assert page.status_code == 200
        assert page.text.count("<button") == 4
    await browser._client.head(link(linked.pages(BOB, "sms")[0]))
    assert await everything(linked) == before


async def test_the_page_names_nobody_and_may_be_kept_nowhere(
    linked: Place, browser: Browser
) -> None:
    await linked.alarm()
    page = await browser.get(link(linked.pages(BOB, "sms")[0]))
    for word in ("ann", "bob", BOB, "needle", "venous", "198260"):
        assert word not in page.text.lower().replace("cannot", "")
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "script" not in page.text


async def test_the_button_acts_once(linked: Place, browser: Browser) -> None:
    await linked.alarm()
    url = link(linked.pages(BOB, "sms")[0])
    page = await browser.press(url, "h")
    assert page.status_code == 200
    assert "Thank you" in page.text
    assert await response(linked) == "at-patient"
    await linked.after(121)
    assert await response(linked) == "notifying"  # is somebody still there?
    again = await browser.press(url, "h")
    assert "already" in again.text
    assert await response(linked) == "notifying"
    newer = link(linked.pages(BOB, "sms")[-1])
    assert newer != url
    await browser.press(newer, "h")
    assert await response(linked) == "at-patient"


async def test_coming_may_become_there(linked: Place, browser: Browser) -> None:
    await linked.alarm()
    url = link(linked.pages(BOB, "sms")[0])
    assert "Reply" in (await browser.press(url, "y")).text
    assert await response(linked) == "accepted"
    await browser.press(url, "h")
    assert await response(linked) == "at-patient"


async def test_cannot_calls_the_next_person(linked: Place, browser: Browser) -> None:
    await linked.alarm()
    await browser.press(link(linked.pages(BOB, "sms")[0]), "n")
    await linked.work()
    assert linked.pages(EVE, "sms")[0].at == linked.now


@pytest.mark.parametrize("answer", ["", "x", "hh", "H"])
async def test_other_buttons_do_not_exist(linked: Place, browser: Browser, answer: str) -> None:
    await linked.alarm()
    page = await browser.press(link(linked.pages(BOB, "sms")[0]), answer)
    assert page.status_code == 404
    assert await response(linked) == "notifying"


async def test_a_link_we_did_not_make_opens_nothing(linked: Place, browser: Browser) -> None:
    await linked.alarm()
    url = link(linked.pages(BOB, "sms")[0])
    changed = url[:-1] + ("A" if url[-1] != "A" else "B")
    elsewhere = await linked.record.ensure_tenant("elsewhere")
    from subscriptions.core import page_link

    tenant, attempt, seal = page_link.read(url.rpartition("/")[2]) or (0, None, 0)
    assert tenant == linked.tenant
    assert attempt is not None
    other = f"{BASE}/{page_link.token(elsewhere, attempt, seal)}"
    guessed = f"{BASE}/{page_link.token(tenant, attempt, seal + 1)}"
    for wrong in (changed, other, guessed, f"{BASE}/x", f"{BASE}/{'A' * 40}"):
        assert (await browser.get(wrong)).status_code == 404
        assert (await browser.press(wrong, "h")).status_code == 404
    assert await response(linked) == "notifying"


async def test_an_old_link_opens_nothing(linked: Place, browser: Browser) -> None:
    from datetime import timedelta

    await linked.alarm()
    url = link(linked.pages(BOB, "sms")[0])
    linked.now += timedelta(hours=24)
    assert (await browser.get(url)).status_code == 404
    assert (await browser.press(url, "h")).status_code == 404


async def test_the_patients_page_has_one_button_and_ends_nothing(
    linked: Place, browser: Browser
) -> None:
    new = "+15550000042"
    patient = {
        "resourceType": "Patient",
        "id": "ann",
        "telecom": [{"system": "sms", "value": new}],
    }
    await linked.put(patient, team(("Patient/ann", 1)))
    await linked.verify(new)
    await linked.alarm()
    url = link(linked.pages(new, "sms")[0])
    assert (await browser.get(url)).text.count("<button") == 1
    assert (await browser.press(url, "h")).status_code == 404
    await browser.press(url, "a")
    assert await response(linked) == "acknowledged"


async def test_spanish_buttons(linked: Place, browser: Browser) -> None:
    await linked.put(person("RelatedPerson", "bob", BOB, "es"))
    await linked.alarm()
    page = await browser.get(link(linked.pages(BOB, "sms")[0]))
    assert "Voy en camino" in page.text
    assert '<html lang="es">' in page.text
    assert subscription_id("RelatedPerson/bob") not in page.text
