"""Signing in as a person does it: forms, second factors, pauses after failures, what the audit is told."""

import re
from datetime import timedelta

import pytest

from fhirserver.accounts import administration, passwords
from tests.integration.accounts.authenticator_app import code_of, enrol
from tests.integration.accounts.conftest import BOB, NINA, PASSWORD, House


async def test_a_care_partner_signs_in_with_a_password_alone(house: House) -> None:
    await house.person("bob", BOB, name="Bob Ross")
    browser = house.browser()
    page = await browser.sign_in("  BOB ")
    assert page.path == "/auth/account"
    assert "You are signed in as Bob Ross." in page.text
    assert "care partner (RelatedPerson/bob)" in page.text
    assert "This browser" in page.text

    assert (await browser.open("/auth/login")).path == "/auth/account", "known already"
    page = await browser.send("/auth/sign-out")
    assert "You are signed out." in page.text
    assert (await browser.open("/auth/account")).path.startswith("/auth/login")


async def test_refusals_are_all_alike(house: House) -> None:
    await house.person("bob", BOB)
    await house.person("closed", BOB)
    async with house.record.transaction(house.tenant) as tx:
        await administration.disable(tx, "closed", disabled=True)
        await administration.add(tx, "fresh", "Fresh", "en", ())
    seen = set()
    for login, password in (
        ("bob", "three loud lamps"),
        ("nobody at all", PASSWORD),
        ("closed", PASSWORD),
        ("fresh", ""),
        ("", ""),
    ):
        page = await house.browser().sign_in(login, password)
        seen.add((page.status, page.text, len(page.answer.headers["set-cookie"])))
    assert len(seen) == 1
    ((status, text, _),) = seen
    assert status == 400
    assert "is not right" in text


async def test_failures_pause_a_name_whether_it_exists_or_not(house: House) -> None:
    await house.person("bob", BOB)
    answers = {}
    for login in ("bob", "nobody"):
        statuses = [
            (await house.browser().sign_in(login, "wrong wrong wrong")).status for _ in range(6)
        ]
        answers[login] = statuses
        assert statuses == [400] * 5 + [429]
    page = await house.browser().sign_in("bob")
    assert page.status == 429, "the right password opens nothing meanwhile"
    assert "Too many tries" in page.text

    house.time.ahead += timedelta(seconds=31)
    assert (await house.browser().sign_in("bob")).path == "/auth/account"
    assert (await house.browser().sign_in("bob", "wrong wrong wrong")).status == 400, "forgiven"


async def test_an_administrator_ends_a_pause(house: House) -> None:
    await house.person("bob", BOB)
    for _ in range(6):
        await house.browser().sign_in("bob", "wrong wrong wrong")
    async with house.record.transaction(house.tenant) as tx:
        assert await administration.unlock(tx, "bob")
    assert (await house.browser().sign_in("bob")).path == "/auth/account"


async def test_professionals_must_make_a_second_factor_and_use_it(house: House) -> None:
    await house.person("nina", NINA)
    browser = house.browser()
    page = await browser.sign_in("nina")
    assert page.path.startswith("/auth/factors")
    assert "needs a second factor" in page.text
    assert (await browser.open("/auth/account")).path.startswith("/auth/factors"), "no way around"
    key = await enrol(house, browser)
    assert (await browser.open("/auth/account")).path == "/auth/account"

    again = house.browser()
    page = await again.sign_in("nina")
    assert page.path.startswith("/auth/second-factor")
    assert (await again.open("/auth/account")).path.startswith("/auth/second-factor")
    assert (await again.open("/auth/factors")).path.startswith("/auth/second-factor")
    page = await again.send("/auth/second-factor", code=code_of(house, key))
    assert page.status == 400, "the code it was added with is used up"
    house.time.ahead += timedelta(seconds=30)
    before = dict(again.client.cookies)
    page = await again.send("/auth/second-factor", code=code_of(house, key))
    assert page.path == "/auth/factors", "where they wanted to go"
    assert dict(again.client.cookies)["session"] != before["session"], "no fixation"


async def test_a_recovery_code_works_once(house: House) -> None:
    await house.person("nina", NINA)
    browser = house.browser()
    await browser.sign_in("nina")
    await enrol(house, browser)
    codes = re.findall(r"\b(?:[0-9A-Z]{5}-){3}[0-9A-Z]\b", browser.page.text)
    assert len(codes) == 10
    for code, expected in ((codes[0].lower(), 200), (codes[0], 400), (codes[1], 200)):
        again = house.browser()
        await again.sign_in("nina")
        page = await again.send("/auth/second-factor", code=code)
        assert page.status == expected
    assert "8 recovery codes are left" in (await again.open("/auth/factors")).text


async def test_guessing_codes_is_paused_too(house: House) -> None:
    await house.person("nina", NINA)
    browser = house.browser()
    await browser.sign_in("nina")
    key = await enrol(house, browser)
    again = house.browser()
    await again.sign_in("nina")
    statuses = [(await again.send("/auth/second-factor", code="000000")).status for _ in range(6)]
    assert statuses == [400] * 5 + [429]
    house.time.ahead += timedelta(seconds=20)
    page = await again.send("/auth/second-factor", code=code_of(house, key, 1))
    assert page.status == 429


async def test_a_refusal_costs_one_comparison_whoever_it_is(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.person("bob", BOB)
    compared: list[str] = []
    matches = passwords.matches

    def counted(kept: str, password: str) -> bool:
        compared.append(kept)
        return matches(kept, password)

    monkeypatch.setattr(passwords, "matches", counted)
    for login, path in (
        ("bob", "/auth/login"),
        ("nobody", "/auth/login"),
        ("bob", "/auth/login?tenant=nowhere"),
    ):
        compared.clear()
        await house.browser().sign_in(login, "wrong wrong wrong", path)
        assert len(compared) == 1
        assert not passwords.is_outdated(compared[0]), "each costs the same"
    for _ in range(4):
        await house.browser().sign_in("bob", "wrong wrong wrong")
    compared.clear()
    assert (await house.browser().sign_in("bob", "wrong wrong wrong")).status == 429
    assert not compared, "a pause compares nothing"


async def test_an_address_is_paused_too(house: House) -> None:
    statuses = []
    for number in range(51):
        page = await house.browser().sign_in(f"name {number}", "wrong wrong wrong")
        statuses.append(page.status)
    assert statuses == [400] * 50 + [429]
    browser = house.browser()
    await browser.open("/auth/start")
    page = await browser.send("/auth/start", code="x", new=PASSWORD, again=PASSWORD)
    assert page.status == 429, "nor may it guess codes"


async def test_the_audit_is_told_who_signed_in_and_who_was_refused(house: House) -> None:
    await house.person("nina", NINA)
    house.told.happenings.clear()
    browser = house.browser()
    await browser.sign_in("nina", "wrong wrong wrong")
    await browser.sign_in("nina")
    await enrol(house, browser)
    await browser.open("/auth/password")
    new = "nine slow rivers"
    await browser.send("/auth/password", old=PASSWORD, new=new, again=new)
    await browser.send("/auth/sign-out")
    for _ in range(6):
        await house.browser().sign_in("nobody", "wrong wrong wrong")
    told = [(one.what, one.outcome, one.detail) for one in house.told.happenings]
    refused = [("login-refused", "4", "pwd")]
    assert told == [
        *refused,
        ("login", "0", "pwd"),
        ("factor-changed", "0", "added otp"),
        ("account-changed", "0", "password"),
        ("logout", "0", ""),
        *refused * 5,
        ("locked", "4", "paused"),
    ]
    assert len({one.actor.account for one in house.told.happenings}) == 2, "an id, or nobody's"
    text = repr(house.told.happenings)
    assert "nina" not in text, "no names"
    assert PASSWORD not in text
