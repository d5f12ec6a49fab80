"""Checks of backend services: with a registered program and its key."""

import secrets
import time
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import JWKRegistry, Key, RSAKey

from conformance.smart.check import NotGiven, check, require
from conformance.smart.scene import Program, Scene

_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def _program(scene: Scene) -> Program:
    if scene.program is None:
        raise NotGiven("needs --backend-client and --backend-key")
    return scene.program


def _assertion(
    scene: Scene, header: dict[str, Any] | None = None, key: Key | None = None, **claims: Any
) -> str:
    program = _program(scene)
    own = JWKRegistry.import_key(dict(program.key))
    algorithm = "RS384" if own.key_type == "RSA" else "ES384"
    said = {
        "iss": program.client_id,
        "sub": program.client_id,
        "aud": scene.configuration()["token_endpoint"],
        "exp": int(time.time()) + 240,
        "jti": secrets.token_urlsafe(),
        **claims,
    }
    head = {"alg": algorithm, "kid": own.kid, **(header or {})}
    whole = {name: value for name, value in said.items() if value is not None}
    return jwt.encode(head, whole, key or own, ["RS256", "RS384", "ES384"])


def _ask(scene: Scene, assertion: str, **other: str) -> httpx.Response:
    form = {
        "grant_type": "client_credentials",
        "scope": _program(scene).scope,
        "client_assertion_type": _TYPE,
        "client_assertion": assertion,
        **other,
    }
    return scene.http.post(scene.configuration()["token_endpoint"], data=form)


@check
def program(scene: Scene) -> None:
    """A program with a good assertion gets a short-lived token and no refresh token."""
    answer = _ask(scene, _assertion(scene))
    require(answer.status_code == 200, f"status {answer.status_code}: {answer.text[:200]}")
    tokens = answer.json()
    require(tokens["token_type"].lower() == "bearer", f"token_type {tokens['token_type']}")
    require(tokens["expires_in"] <= 300, f"expires_in {tokens['expires_in']}")
    require("refresh_token" not in tokens, "there is a refresh token")


@check
def program_form(scene: Scene) -> None:
    """A wrong grant_type is exactly 400, a wrong assertion type 400 or 401."""
    answer = _ask(scene, _assertion(scene), grant_type="not_a_grant_type")
    require(answer.status_code == 400, f"status {answer.status_code}")
    answer = _ask(scene, _assertion(scene), client_assertion_type="not_an_assertion_type")
    require(answer.status_code in (400, 401), f"status {answer.status_code}")


@check
def program_assertions(scene: Scene) -> None:
    """An assertion with a bad algorithm, time, audience, issuer, kid or signature proves nothing."""
    stranger = RSAKey.generate_key(2048)
    now = int(time.time())
    for why, assertion in (
        ("expired", _assertion(scene, exp=now - 600)),
        ("expires too late", _assertion(scene, exp=now + 3600)),
        ("no exp", _assertion(scene, exp=None)),
        ("audience", _assertion(scene, aud="https://other.example.org/token")),
        ("issuer", _assertion(scene, iss="somebody")),
        ("no jti", _assertion(scene, jti=None)),
        ("unknown kid", _assertion(scene, {"kid": "nobody-has-it"})),
        ("signature", _assertion(scene, {"alg": "RS384"}, stranger)),
        ("algorithm", _assertion(scene, {"alg": "RS256"}, stranger)),
        ("nonsense", "not.a.jwt"),
    ):
        answer = _ask(scene, assertion)
        require(answer.status_code in (400, 401), f"{why}: status {answer.status_code}")
        require("access_token" not in answer.json(), f"{why}: there is a token")


@check
def program_replay(scene: Scene) -> None:
    """An assertion is good once."""
    assertion = _assertion(scene)
    require(_ask(scene, assertion).status_code == 200, "the first time it is refused")
    answer = _ask(scene, assertion)
    require(answer.status_code in (400, 401), f"the second time: status {answer.status_code}")
