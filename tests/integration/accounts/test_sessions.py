"""Sessions and passwords: what ends them, by itself and from elsewhere, and what is kept of people."""

from datetime import timedelta

from fhirserver.accounts import administration, composition
from tests.integration.accounts.authenticator_app import enrol
from tests.integration.accounts.conftest import BOB, PASSWORD, House


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
