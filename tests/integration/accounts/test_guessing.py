"""Who guesses is paused: no count of one thing is taken back by doing another."""

from tests.integration.accounts.authenticator_app import enrol
from tests.integration.accounts.conftest import BOB, NINA, PASSWORD, Browser, House

WRONG = "wrong wrong wrong"


async def guess(browser: Browser, times: int) -> list[int]:
    return [(await browser.send("/auth/second-factor", code="000000")).status for _ in range(times)]


async def test_no_login_name_takes_back_the_count_of_somebodys_second_factor(house: House) -> None:
    """Names are chosen freely by who joins: one that reads like a count must not be one."""
    await house.person("nina", NINA)
    await enrol_and_leave(house)
    for name in ("second factor of nina", "second factor|nina", "name|nina"):
        await house.person(name, BOB)

    guessing = house.browser()
    await guessing.sign_in("nina")
    assert await guess(guessing, 4) == [400] * 4
    for name in ("second factor of nina", "second factor|nina", "name|nina"):
        assert (await house.browser().sign_in(name)).path == "/auth/account"

    assert await guess(guessing, 2) == [400, 429]


async def enrol_and_leave(house: House) -> None:
    browser = house.browser()
    await browser.sign_in("nina")
    await enrol(house, browser)


async def test_who_finds_a_browser_open_cannot_try_old_passwords_for_ever(house: House) -> None:
    await house.person("bob", BOB)
    browser = house.browser()
    await browser.sign_in("bob")
    new = {"new": "four green chairs fly", "again": "four green chairs fly"}

    async def change(old: str) -> int:
        await browser.open("/auth/password")
        return (await browser.send("/auth/password", old=old, **new)).status

    assert [await change(WRONG) for _ in range(6)] == [400] * 5 + [429]
    assert await change(PASSWORD) == 429, "the right one opens nothing meanwhile"
    assert (await house.browser().sign_in("bob")).path == "/auth/account", "nobody is shut out"
