"""Clients that register themselves, where the operator lets them.

Spec: https://www.rfc-editor.org/rfc/rfc7591
"""

from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.conftest import Database
from tests.integration.smart.app import REDIRECT, App
from tests.integration.smart.conftest import House, open_house

pytestmark = pytest.mark.asyncio(loop_scope="module")

METADATA: dict[str, Any] = {
    "client_name": "A new app",
    "redirect_uris": [REDIRECT],
    "grant_types": ["authorization_code", "refresh_token"],
    "token_endpoint_auth_method": "client_secret_basic",
    "scope": "launch/patient patient/*.rs",
}


@pytest_asyncio.fixture(loop_scope="module")
async def open_to_all(shared_database: Database) -> Any:
    async with open_house(shared_database, registers="open") as house:
        yield house


@pytest_asyncio.fixture(loop_scope="module")
async def closed(shared_database: Database) -> Any:
    async with open_house(shared_database, registers="off") as house:
        yield house


async def register(house: House, token: str | None = None, **other: Any) -> httpx.Response:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    said = {name: value for name, value in (METADATA | other).items() if value is not None}
    return await house.http.post("/auth/register", json=said, headers=headers)


async def test_an_administrator_registers_a_client_that_then_gets_a_token(house: House) -> None:
    answer = await register(house, house.admin_token)
    told = answer.json()
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert told["client_secret_expires_at"] == 0
    client = await house.record.authorizations.client(told["client_id"])
    assert client is not None
    app = App(house.http, client, told["client_secret"], house.people)
    assert (await app.tokens(scope="launch/patient patient/*.rs"))["patient"] == "ann"


async def test_without_an_administrators_token_nothing_is_registered(house: House) -> None:
    for token in (None, "guessed"):
        answer = await register(house, token)
        assert answer.status_code == 401
    app = await house.app()
    tokens = await app.tokens(scope="launch/patient user/*.cruds")
    assert (await register(house, tokens["access_token"])).status_code == 401


async def test_where_it_is_closed_there_is_no_registration(closed: House) -> None:
    assert (await register(closed, closed.admin_token)).status_code == 404
    told = (await closed.http.get("/.well-known/smart-configuration")).json()
    assert "registration_endpoint" not in told


async def test_where_it_is_open_strangers_register_apps_and_no_programs(open_to_all: House) -> None:
    answer = await register(open_to_all)
    assert answer.status_code == 201
    program = await register(
        open_to_all,
        grant_types=["client_credentials"],
        token_endpoint_auth_method="private_key_jwt",
        jwks_uri="https://app.example.org/jwks",
        scope="system/*.rs",
    )
    assert (program.status_code, program.json()["error"]) == (400, "invalid_client_metadata")
    greedy = await register(open_to_all, scope="system/*.rs")
    assert greedy.json()["error"] == "invalid_client_metadata"


@pytest.mark.parametrize(
    ("other", "error"),
    [
        ({"redirect_uris": None}, "invalid_redirect_uri"),
        ({"redirect_uris": ["http://app.example.org/back"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_client_metadata"),
        ({"redirect_uris": ["https://app.example.org/back#part"]}, "invalid_client_metadata"),
        ({"grant_types": ["password"]}, "invalid_client_metadata"),
        ({"grant_types": ["implicit"]}, "invalid_client_metadata"),
        ({"response_types": ["token"]}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "tls_client_auth"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
        ({"scope": "patient/Nothing.rs"}, "invalid_client_metadata"),
        ({"client_name": None}, "invalid_client_metadata"),
        ({"client_name": ["A", "B"]}, "invalid_client_metadata"),
    ],
)
async def test_what_cannot_be_registered(house: House, other: dict[str, Any], error: str) -> None:
    answer = await register(house, house.admin_token, **other)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


async def test_a_body_that_is_no_metadata_is_refused(house: House) -> None:
    headers = {
        "authorization": f"Bearer {house.admin_token}",
        "content-type": "application/json",
    }
    for body in (b"{", b"[]", b"x" * 70_000):
        answer = await house.http.post("/auth/register", content=body, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")
