"""Passkeys: made, used, and everything that is not quite right refused. The authenticator is ours, in software."""

import json
import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest

from fhirserver.accounts import administration
from tests.integration.accounts.conftest import Browser, House
from tests.unit.accounts.authenticator import PRESENT, Authenticator

BOB = "related-person:RelatedPerson/bob"


def options_of(browser: Browser) -> dict[str, Any]:
    found = re.search(r'data-passkey="([^"]*)"', browser.page.answer.text)
    assert found is not None
    options: dict[str, Any] = json.loads(unescape(found[1]))
    return options


async def bob_with(house: House, authenticator: Authenticator) -> Browser:
    """Bob, signed in by password, has made a passkey."""
    await house.person("bob", BOB)
    browser = house.browser()
    await browser.sign_in("bob")
    await browser.open("/auth/factors")
    page = await browser.send(
        "/auth/passkeys", credential=authenticator.create(options_of(browser))
    )
    assert "Recovery codes" in page.text, page.text
    return browser


async def signed_in_by(house: House, authenticator: Authenticator) -> Browser:
    browser = house.browser()
    await browser.open("/auth/login")
    await browser.send("/auth/passkey", credential=authenticator.get(options_of(browser)))
    return browser


async def test_a_passkey_alone_signs_in(house: House) -> None:
    authenticator = Authenticator()
    await bob_with(house, authenticator)
    for _ in range(2):
        browser = await signed_in_by(house, authenticator)
        assert browser.page.path == "/auth/account"
    half = house.browser()
    page = await half.sign_in("bob")
    assert page.path.startswith("/auth/second-factor"), "the password alone is not enough any more"


async def test_a_passkey_works_while_the_name_is_paused(house: House) -> None:
    authenticator = Authenticator()
    await bob_with(house, authenticator)
    statuses = [
        (await house.browser().sign_in("bob", "wrong wrong wrong")).status for _ in range(6)
    ]
    assert statuses[-1] == 429
    assert (await signed_in_by(house, authenticator)).page.path == "/auth/account"


async def test_an_answer_works_once(house: House) -> None:
    authenticator = Authenticator()
    await bob_with(house, authenticator)
    browser = house.browser()
    await browser.open("/auth/login")
    fields = next(dict(known) for at, known in browser.page.forms if at == "/auth/passkey")
    answer = {**fields, "credential": authenticator.get(options_of(browser))}
    first = await browser.client.post("/auth/passkey", data=answer, follow_redirects=False)
    assert first.status_code == 303
    browser.client.cookies.delete("session")
    again = await browser.client.post("/auth/passkey", data=answer, follow_redirects=False)
    assert again.status_code == 400


async def test_answers_that_are_not_right_open_nothing(house: House) -> None:
    good = Authenticator()
    await bob_with(house, good)
    known: dict[str, Any] = {"id": good.id, "key": good.key, "count": 5}
    wrong = {
        "of another site": Authenticator(**known, origin="https://evil.example"),
        "for another host": Authenticator(**known, host="evil.example"),
        "without looking at its person": Authenticator(**known, flags=PRESENT),
        "by another key": Authenticator(id=good.id, count=5),
        "of an unknown passkey": Authenticator(),
    }
    for why, one in wrong.items():
        browser = await signed_in_by(house, one)
        assert browser.page.status == 400, why
        assert "session" not in browser.client.cookies, why
    assert (await signed_in_by(house, good)).page.path == "/auth/account"

    copied = Authenticator(id=good.id, key=good.key, count=0)
    good.count = 40
    await signed_in_by(house, good)
    assert (await signed_in_by(house, copied)).page.status == 400, "a copy counts from where it was"


async def test_a_challenge_is_for_one_browser_and_five_minutes(house: House) -> None:
    authenticator = Authenticator()
    await bob_with(house, authenticator)
    here, there = house.browser(), house.browser()
    await here.open("/auth/login")
    await there.open("/auth/login")
    stolen = next(dict(known) for at, known in there.page.forms if at == "/auth/passkey")
    credential = authenticator.get(options_of(there))
    page = await here.send("/auth/passkey", credential=credential, challenge=stolen["challenge"][0])
    assert page.status == 400
    await here.open("/auth/login")
    credential = authenticator.get(options_of(here))
    house.time.ahead += timedelta(minutes=5, seconds=1)
    assert (await here.send("/auth/passkey", credential=credential)).status == 400


@pytest.mark.parametrize(
    "credential", ["", "{}", "null", '{"id": "x"}', "[" * 1000, '{"rawId": 1}']
)
async def test_what_is_no_answer_is_refused(house: House, credential: str) -> None:
    browser = house.browser()
    await browser.open("/auth/login")
    assert (await browser.send("/auth/passkey", credential=credential)).status == 400
    page = await browser.send("/auth/passkey", credential=credential, challenge="!!!")
    assert page.status == 400


async def test_a_passkey_is_removed_and_a_closed_account_stays_closed(house: House) -> None:
    first, second = Authenticator(), Authenticator()
    browser = await bob_with(house, first)
    house.time.ahead += timedelta(minutes=1)
    await browser.open("/auth/factors")
    await browser.send("/auth/passkeys", credential=second.create(options_of(browser)))
    page = await browser.open("/auth/factors")
    assert page.text.count("Passkey, added") == 2
    # The first button is that of the older one.
    await browser.send("/auth/factors")
    assert (await signed_in_by(house, first)).page.status == 400
    assert (await signed_in_by(house, second)).page.path == "/auth/account"
    async with house.record.transaction(house.tenant) as tx:
        await administration.disable(tx, "bob", disabled=True)
    assert (await signed_in_by(house, second)).page.status == 400


async def test_a_passkey_is_one_accounts(house: House) -> None:
    authenticator = Authenticator()
    await bob_with(house, authenticator)
    await house.person("eve", "patient:Patient/joe")
    eve = house.browser()
    await eve.sign_in("eve")
    await eve.open("/auth/factors")
    page = await eve.send("/auth/passkeys", credential=authenticator.create(options_of(eve)))
    assert page.status == 400


async def test_changing_factors_needs_a_fresh_sign_in(house: House) -> None:
    browser = await bob_with(house, Authenticator())
    house.time.ahead += timedelta(minutes=10)
    await browser.open("/auth/account")
    house.time.ahead += timedelta(minutes=6)
    page = await browser.open("/auth/factors")
    assert "Sign in again to change how you sign in." in page.text
