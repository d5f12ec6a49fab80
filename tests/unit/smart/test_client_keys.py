"""Keys of clients by URL: asked for seldom, whoever asks."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from authlib.oauth2.rfc6749.errors import InvalidClientError

from fhirserver.smart.client import Client
from fhirserver.smart.client_keys import ClientKeys, KeysUnavailable

URL = "https://app.example.org/jwks"
FIRST: dict[str, Any] = {"keys": [{"kid": "1"}]}


def client(**other: Any) -> Client:
    return Client(
        "app", 1, "App", "private_key_jwt", (), (), (), datetime(2026, 3, 4, tzinfo=UTC), **other
    )


class Elsewhere:
    """Another server: what it has, and how often it was asked."""

    def __init__(self, document: bytes | None) -> None:
        self.document = document
        self.asked = 0

    async def __call__(self, url: str) -> bytes:
        assert url == URL
        self.asked += 1
        await asyncio.sleep(0)
        if self.document is None:
            raise KeysUnavailable("no connection")
        return self.document


async def test_keys_given_inline_are_asked_of_nobody() -> None:
    elsewhere = Elsewhere(None)
    keys = ClientKeys(elsewhere, lambda: 0.0)
    assert await keys.of(client(jwks=FIRST), "9") == FIRST
    with pytest.raises(InvalidClientError):
        await keys.of(client(), "1")
    assert elsewhere.asked == 0


async def test_many_requests_ask_once() -> None:
    elsewhere = Elsewhere(json.dumps(FIRST).encode())
    keys = ClientKeys(elsewhere, lambda: 0.0)
    found = await asyncio.gather(*(keys.of(client(jwks_uri=URL), "1") for _ in range(20)))
    assert found == [FIRST] * 20
    assert elsewhere.asked == 1


async def test_an_unknown_key_is_asked_for_at_most_every_ten_seconds() -> None:
    elsewhere, now = Elsewhere(json.dumps(FIRST).encode()), [0.0]
    keys = ClientKeys(elsewhere, lambda: now[0])
    for moment, asked in ((0.0, 1), (9.0, 1), (11.0, 2), (12.0, 2)):
        now[0] = moment
        assert await keys.of(client(jwks_uri=URL), "9") == FIRST
        assert elsewhere.asked == asked
    now[0] = 300.0
    await keys.of(client(jwks_uri=URL), "1")
    assert elsewhere.asked == 2
    now[0] = 312.0
    await keys.of(client(jwks_uri=URL), "1")
    assert elsewhere.asked == 3


@pytest.mark.parametrize("document", [None, b"<html>", b"[]", b"\xff"])
async def test_a_failure_is_remembered_too(document: bytes | None) -> None:
    elsewhere, now = Elsewhere(document), [0.0]
    keys = ClientKeys(elsewhere, lambda: now[0])
    for _ in range(3):
        with pytest.raises(InvalidClientError):
            await keys.of(client(jwks_uri=URL), "1")
    assert elsewhere.asked == 1
    elsewhere.document, now[0] = json.dumps(FIRST).encode(), 11.0
    assert await keys.of(client(jwks_uri=URL), "1") == FIRST
