"""The pages themselves: they lead nowhere else, take no forms of others, keep to themselves, speak Spanish."""

import pytest

from tests.integration.accounts.conftest import BOB, PASSWORD, House


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
