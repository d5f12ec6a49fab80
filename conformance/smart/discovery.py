"""Checks that need nothing but the base URL."""

from urllib.parse import urlsplit

import httpx

from conformance.smart.check import check, require
from conformance.smart.scene import Scene

_ANYBODY = {"origin": "https://anybody.example.org"}


@check
def smart_configuration(scene: Scene) -> None:
    """smart-configuration is JSON whatever is asked for, and pages of any origin may read it."""
    answer = scene.http.get(
        f"{scene.base}/.well-known/smart-configuration", headers={**_ANYBODY, "accept": "text/html"}
    )
    require(answer.status_code == 200, f"status {answer.status_code}")
    kind = answer.headers.get("content-type", "")
    require(kind.startswith("application/json"), f"content-type {kind}")
    _readable(answer)


@check
def smart_configuration_fields(scene: Scene) -> None:
    """smart-configuration has what is required, and absolute URLs."""
    told = scene.configuration()
    for name in ("token_endpoint", "capabilities", "grant_types_supported"):
        require(told.get(name), f"{name} is missing")
    if "authorization_code" in told["grant_types_supported"]:
        require(told.get("authorization_endpoint"), "authorization_endpoint is missing")
    if "sso-openid-connect" in told["capabilities"]:
        require(told.get("issuer") and told.get("jwks_uri"), "issuer or jwks_uri is missing")
    for name, value in told.items():
        if name.endswith(("_endpoint", "_uri")):
            require(urlsplit(value).scheme and urlsplit(value).netloc, f"{name} is {value}")


@check
def pkce_methods(scene: Scene) -> None:
    """PKCE is supported with S256 and not with plain."""
    methods = scene.configuration().get("code_challenge_methods_supported", [])
    require("S256" in methods and "plain" not in methods, f"methods are {methods}")


@check
def no_old_grants(scene: Scene) -> None:
    """Neither the implicit nor the password grant is offered."""
    offered = scene.configuration().get("grant_types_supported", [])
    require(not {"implicit", "password"} & set(offered), f"offered are {offered}")


@check
def metadata_for_anybody(scene: Scene) -> None:
    """Pages of any origin may read /metadata."""
    answer = scene.http.get(f"{scene.base}/metadata", headers=_ANYBODY)
    require(answer.status_code == 200, f"status {answer.status_code}")
    _readable(answer)


@check
def openid_configuration(scene: Scene) -> None:
    """openid-configuration of the issuer lists RS256; its JWK set has an RSA key and none that is private."""
    issuer = scene.configuration()["issuer"].rstrip("/")
    told = scene.http.get(f"{issuer}/.well-known/openid-configuration").json()
    require(told["issuer"].rstrip("/") == issuer, f"issuer is {told['issuer']}")
    algorithms = told["id_token_signing_alg_values_supported"]
    require("RS256" in algorithms, f"algorithms are {algorithms}")
    keys = scene.http.get(told["jwks_uri"]).json()["keys"]
    require(any(key["kty"] == "RSA" for key in keys), "there is no RSA key")
    require(not any("d" in key or "k" in key for key in keys), "a private key is published")


@check
def wrong_grant_type(scene: Scene) -> None:
    """The token endpoint answers a wrong grant_type with exactly 400, and nobody may keep the answer."""
    form = {"grant_type": "not_a_grant_type", "client_id": "nobody"}
    answer = scene.http.post(scene.configuration()["token_endpoint"], data=form)
    require(answer.status_code == 400, f"status {answer.status_code}")
    require("no-store" in answer.headers.get("cache-control", ""), "it may be kept")


@check
def unknown_client(scene: Scene) -> None:
    """The token endpoint refuses an unknown client."""
    form = {
        "grant_type": "authorization_code",
        "client_id": "nobody-is-called-so",
        "code": "x",
        "redirect_uri": "https://app.example.org/",
        "code_verifier": "x" * 43,
    }
    answer = scene.http.post(scene.configuration()["token_endpoint"], data=form)
    require(answer.status_code in (400, 401), f"status {answer.status_code}")
    require("access_token" not in answer.json(), "there is a token")


@check
def no_token(scene: Scene) -> None:
    """The FHIR API answers 401 without a token and with one nobody holds."""
    for headers in ({}, {"authorization": "Bearer nobody-holds-this"}):
        answer = scene.http.get(f"{scene.base}/Patient", headers=headers)
        require(answer.status_code == 401, f"status {answer.status_code}")


def _readable(answer: httpx.Response) -> None:
    allowed = answer.headers.get("access-control-allow-origin")
    require(allowed in ("*", _ANYBODY["origin"]), f"access-control-allow-origin is {allowed}")
