"""Signing in and out as a person does it: forms, codes, pauses, sessions that end by themselves."""

import base64
import re
from datetime import timedelta

import pytest

from fhirserver.accounts import administration, composition, passwords, totp
from fhirserver.accounts.role import Role
from tests.integration.accounts.conftest import PASSWORD, Browser, House

BOB = "related-person:RelatedPerson/bob"
NINA = "practitioner:Practitioner/nina"


async def enrol(house: House, browser: Browser) -> bytes:
    """Add an authenticator app; return its key."""
    page = await browser.open("/auth/totp")
    key = base64.b32decode(
        "".join(re.findall(r"\b[A-Z2-7]{4}\b", page.text.partition("Key")[2])[:8])
    )
    page = await browser.send("/auth/totp", code=code_of(house, key))
    assert "Recovery codes" in page.text
    return key


def code_of(house: House, key: bytes, later: int = 0) -> str:
    return totp.code_of(key, int(house.time().timestamp()) // totp.STEP_SECONDS + later)


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


async def test_pages_close_by_themselves_and_sessions_end(house: House) -> None:
    await house.person("bob", BOB)
    browser = house.browser()
    page = await browser.sign_in("bob")
    assert page.answer.headers["refresh"].startswith("901; url=/auth/login?")
    house.time.ahead += timedelta(minutes=14)
    assert (await browser.open("/auth/account")).path == "/auth/account"
    house.time.ahead += timedelta(minutes=14)
    assert (await browser.open("/auth/account")).path == "/auth/account", "it was used meanwhile"
    house.time.ahead += timedelta(minutes=15)
    assert (await browser.open("/auth/account")).path.startswith("/auth/login"), "automatic logoff"

    await browser.sign_in("bob")
    for _ in range(12 * 60 // 14):
        house.time.ahead += timedelta(minutes=14)
        assert (await browser.open("/auth/account")).path == "/auth/account"
    house.time.ahead += timedelta(minutes=14)
    assert (await browser.open("/auth/account")).path.startswith("/auth/login"), "twelve hours"


async def test_sessions_are_listed_and_ended_from_elsewhere(house: House) -> None:
    await house.person("bob", BOB)
    here, there, third = house.browser(), house.browser(), house.browser()
    for one in (there, third, here):
        await one.sign_in("bob")
    page = await here.open("/auth/account")
    assert page.text.count("Sign out there") == 2
    await here.send("/auth/sessions")
    assert (await here.open("/auth/account")).text.count("Sign out there") == 1
    page = await here.send("/auth/sessions", session="others")
    assert page.text.count("Sign out there") == 0
    for one in (there, third):
        assert (await one.open("/auth/account")).path.startswith("/auth/login")


async def test_nobody_ends_sessions_of_others(house: House) -> None:
    await house.person("bob", BOB)
    await house.person("eve", "patient:Patient/joe")
    bob, eve = house.browser(), house.browser()
    await bob.sign_in("bob")
    await eve.sign_in("eve")
    async with house.record.transaction(house.tenant) as tx:
        rows = await tx.execute("SELECT id FROM account_session WHERE tenant = %s", (tx.tenant,))
    proof = eve.page.forms[-1][1]["proof"][0]
    for (session,) in rows:
        await eve.client.post("/auth/sessions", data={"proof": proof, "session": str(session)})
    assert (await bob.open("/auth/account")).path == "/auth/account"


async def test_a_changed_password_ends_other_sessions(house: House) -> None:
    await house.person("bob", BOB)
    here, there = house.browser(), house.browser()
    await there.sign_in("bob")
    await here.sign_in("bob")
    await here.open("/auth/password")
    new = "nine slow rivers"
    page = await here.send("/auth/password", old="wrong", new=new, again=new)
    assert "The password of now is not right" in page.text
    page = await here.send("/auth/password", old=PASSWORD, new=new, again="nine slow river")
    assert "not the same" in page.text
    page = await here.send("/auth/password", old=PASSWORD, new="short", again="short")
    assert "too short" in page.text
    page = await here.send("/auth/password", old=PASSWORD, new=new, again=new)
    assert "The password is changed" in page.text
    assert (await there.open("/auth/account")).path.startswith("/auth/login")
    assert (await house.browser().sign_in("bob", new)).path == "/auth/account"
    assert (await house.browser().sign_in("bob")).status == 400


async def test_a_code_sets_a_password_once_and_only_for_a_day(house: House) -> None:
    async with house.record.transaction(house.tenant) as tx:
        late = await administration.add(tx, "late", "Late", "en", ())
    house.time.ahead += timedelta(hours=24, seconds=1)
    browser = house.browser()
    await browser.open("/auth/start")
    page = await browser.send("/auth/start", code=late, new=PASSWORD, again=PASSWORD)
    assert "too old" in page.text
    await house.person("bob", BOB)
    signed_in = house.browser()
    await signed_in.sign_in("bob")
    async with house.record.transaction(house.tenant) as tx:
        first = await administration.reset(tx, "bob", factors_too=False)
        second = await administration.reset(tx, "bob", factors_too=False)
    assert (await signed_in.open("/auth/account")).path.startswith("/auth/login")
    assert (await house.browser().sign_in("bob")).status == 400, "no password now"
    await browser.open("/auth/start")
    page = await browser.send("/auth/start", code=first, new=PASSWORD, again=PASSWORD)
    assert page.status == 400, "the second replaced it"
    page = await browser.send("/auth/start", code=second, new="bobbobbobbob", again="bobbobbobbob")
    assert page.status == 400, "a bad password does not use the code up"
    page = await browser.send("/auth/start", code=second, new=PASSWORD, again=PASSWORD)
    assert "Your password is set" in page.text
    await browser.open("/auth/start")
    page = await browser.send("/auth/start", code=second, new=PASSWORD, again=PASSWORD)
    assert page.status == 400, "used"


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


@pytest.mark.parametrize(
    "path",
    ["https://evil.example/", "//evil.example", "/auth//evil", "/\\evil", "/fhir", "/auth/ x"],
)
async def test_nobody_is_sent_elsewhere(house: House, path: str) -> None:
    await house.person("bob", BOB)
    browser = house.browser()
    await browser.client.get("/auth/login")
    page = await browser.sign_in("bob", path=f"/auth/login?continue={path}")
    assert page.path == "/auth/account"


async def test_forms_of_others_do_nothing(house: House) -> None:
    await house.person("bob", BOB)
    browser = house.browser()
    data = {"login": "bob", "password": PASSWORD, "tenant": house.name}
    answer = await browser.client.post("/auth/login", data=data)
    assert answer.status_code == 400
    assert "session" not in browser.client.cookies
    await browser.sign_in("bob")
    new = "nine slow rivers"
    for proof in ("", "x", browser.client.cookies["door"]):
        data = {"proof": proof, "old": PASSWORD, "new": new, "again": new}
        await browser.client.post("/auth/password", data=data)
    assert (await house.browser().sign_in("bob")).path == "/auth/account", "nothing was changed"


async def test_headers_and_cookies_keep_pages_to_themselves(house: House) -> None:
    await house.person("bob", BOB)
    browser = house.browser()
    page = await browser.open("/auth/login")
    policy = page.answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert page.answer.headers["cache-control"] == "no-store"
    assert page.answer.headers["referrer-policy"] == "no-referrer"
    await browser.open("/auth/login")
    form = browser.page.forms[0][1]
    answer = await browser.client.post(
        "/auth/login",
        data={**form, "login": "bob", "password": PASSWORD},
        follow_redirects=False,
    )
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert PASSWORD not in answer.headers["location"]


async def test_pages_speak_spanish(house: House) -> None:
    browser = house.browser()
    browser.client.headers["accept-language"] = "fr;q=0.9, es-MX;q=0.8, en;q=0.3"
    page = await browser.open("/auth/login")
    assert '<html lang="es">' in page.answer.text
    assert "Iniciar sesión" in page.text


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


async def test_tables_hold_nothing_readable_of_people(house: House) -> None:
    await house.person("zzcanary-login", BOB, name="ZZCANARY Name")
    browser = house.browser()
    browser.client.headers["user-agent"] = "ZZCANARY agent"
    await browser.sign_in("zzcanary-login")
    key = await enrol(house, browser)
    async with house.record.transaction(house.tenant) as tx:
        await tx.execute("SELECT 1")
        for table in (
            "account",
            "account_role",
            "account_session",
            "account_factor",
            "single_use",
            "sign_in_failure",
        ):
            rows = await tx.execute(f"SELECT t::text FROM {table} t")
            text = " ".join(row for (row,) in rows).lower()
            for secret in (
                "zzcanary",
                b"zzcanary".hex(),
                b"ZZCANARY".hex(),
                key.hex(),
                b"$argon2".hex(),
                dict(browser.client.cookies)["session"].partition(".")[2].lower(),
            ):
                assert secret not in text, table


async def test_what_is_over_is_removed(house: House) -> None:
    await house.person("bob", BOB)
    await house.browser().sign_in("bob")
    await house.browser().sign_in("bob", "wrong wrong wrong")
    async with house.record.transaction(house.tenant) as tx:
        await administration.reset(tx, "bob", factors_too=True)
    await house.browser().sign_in("nobody")
    house.time.ahead += timedelta(days=2)
    await composition.forget(house.record, 43_200)
    async with house.record.transaction(house.tenant) as tx:
        for table in ("account_session", "single_use", "sign_in_failure", "launch_handle"):
            assert not await tx.execute(f"SELECT 1 FROM {table}"), table
        assert len(await administration.listed(tx)) == 1


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
