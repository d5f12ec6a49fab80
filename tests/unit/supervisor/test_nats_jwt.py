"""nkeys and NATS tokens against published values, and against every way to forge them."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirserver.supervisor.nats_jwt import (
    PREFIX_SERVER,
    PREFIX_USER,
    AccountKey,
    ConnectRequest,
    UnusableToken,
    _encoded,
    answer,
    read_request,
    signed_token,
    user_token,
    verified_claims,
)

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
KEY = AccountKey.of(bytes(range(32)))
USER = _encoded(bytes([PREFIX_USER]) + bytes(32))
REQUEST = ConnectRequest("NSERVER", USER, "D1", "secret", "mqtt", "127.0.0.1")


class ServerKey(AccountKey):
    """A server's key: the same curve, another prefix."""

    @property
    def public(self) -> str:
        return _encoded(bytes([PREFIX_SERVER]) + self.private.public_key().public_bytes_raw())


SERVER = ServerKey(AccountKey.of(bytes(32)).private)


def question(**changes: Any) -> str:
    """Return a request as nats-server makes it, with `changes` to its ``nats`` part."""
    nats = {
        "type": "authorization_request",
        "server_id": {"id": SERVER.public},
        "user_nkey": USER,
        "client_info": {"type": "mqtt", "host": "127.0.0.1"},
        "connect_opts": {"user": "D1", "pass": "secret"},
        **changes,
    }
    return signed_token(SERVER, {"nats": nats}, now=NOW, jti="1")


def test_published_seed_and_public_key_agree() -> None:
    # From https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_callout
    key = AccountKey.from_seed("SAANDLKMXL6CUS3CP52WIXBEDN6YJ545GDKC65U5JZPPV6WH6ESWUA6YAI")
    assert key.public == "ABJHLOVMPA4CI6R5KLNGOB4GSLNIY7IOUPAJC4YFNDLQVIOBYQGUWVLA"
    assert key.seed == "SAANDLKMXL6CUS3CP52WIXBEDN6YJ545GDKC65U5JZPPV6WH6ESWUA6YAI"


@given(st.binary(min_size=32, max_size=32))
def test_seed_round_trip(raw: bytes) -> None:
    key = AccountKey.of(raw)
    assert key.seed.startswith("SA")
    assert key.public.startswith("A")
    assert AccountKey.from_seed(key.seed).public == key.public


@pytest.mark.parametrize(
    "seed",
    ["", "SAA", KEY.public, KEY.seed[:-1] + "7", KEY.seed.lower(), "!" * 58, USER],
    ids=["empty", "short", "public key", "checksum", "lower case", "not base32", "user key"],
)
def test_anything_but_an_account_seed_is_refused(seed: str) -> None:
    with pytest.raises(UnusableToken):
        AccountKey.from_seed(seed)


def test_request_is_read() -> None:
    assert read_request(question()) == ConnectRequest(
        SERVER.public, USER, "D1", "secret", "mqtt", "127.0.0.1"
    )


def test_connection_without_name_is_read_as_empty() -> None:
    request = read_request(question(connect_opts=None))
    assert (request.username, request.password) == ("", "")


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "authorization_response"},
        {"server_id": {"id": KEY.public}},
        {"server_id": None},
        {"user_nkey": KEY.public},
        {"user_nkey": "U"},
        {"user_nkey": None},
    ],
)
def test_request_that_is_not_one_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UnusableToken):
        read_request(question(**changes))


def tampered(token: str, part: int, value: dict[str, Any]) -> str:
    parts = token.split(".")
    parts[part] = base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
    return ".".join(parts)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b",
        "a.b.c",
        "....",
        question()[:-4] + "AAAA",
        tampered(question(), 0, {"typ": "JWT", "alg": "none"}),
        tampered(question(), 1, {"iss": SERVER.public, "nats": {"type": "authorization_request"}}),
        tampered(question(), 1, {"nats": {}}),
        tampered(question(), 1, {"iss": 7}),
    ],
)
def test_forged_token_is_refused(token: str) -> None:
    with pytest.raises(UnusableToken):
        read_request(token)


def test_token_signed_under_another_algorithm_name_is_refused() -> None:
    head = base64.urlsafe_b64encode(b'{"alg":"EdDSA"}').decode().rstrip("=")
    body = question().split(".")[1]
    signature = base64.urlsafe_b64encode(SERVER.private.sign(f"{head}.{body}".encode())).decode()
    with pytest.raises(UnusableToken, match="another algorithm"):
        verified_claims(f"{head}.{body}.{signature.rstrip('=')}")


def test_user_token_grants_the_subjects_and_mqtt_alone() -> None:
    token = user_token(
        KEY,
        request=REQUEST,
        account="DEVICES",
        publish=["hd.v1.home.D1.>"],
        subscribe=["hd.v1.home.D1.ack"],
        now=NOW,
        jti="7",
    )
    claims = verified_claims(token)
    assert (claims["iss"], claims["sub"], claims["aud"]) == (KEY.public, USER, "DEVICES")
    assert (claims["iat"], claims["jti"]) == (1777636800, "7")
    assert claims["nats"]["pub"] == {"allow": ["hd.v1.home.D1.>"]}
    assert claims["nats"]["sub"] == {"allow": ["hd.v1.home.D1.ack"]}
    assert claims["nats"]["allowed_connection_types"] == ["MQTT"]


def test_answer_carries_the_user_token_or_a_refusal_never_both() -> None:
    granted = verified_claims(answer(KEY, REQUEST, user="a.b.c", now=NOW, jti="1"))
    refused = verified_claims(answer(KEY, REQUEST, user=None, now=NOW, jti="1"))
    assert granted["aud"] == "NSERVER"
    assert granted["nats"]["jwt"] == "a.b.c"
    assert "error" not in granted["nats"]
    assert refused["nats"]["error"] == "refused"
    assert "jwt" not in refused["nats"]
