"""Who logged in, and what anybody may read before.

Spec: https://openid.net/specs/openid-connect-core-1_0.html,
https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html
"""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oidc.discovery import OpenIDProviderMetadata
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.integration.smart.app import FHIR_BASE, ISSUER
from tests.integration.smart.conftest import House

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANYBODY = {"origin": "https://nobody.example.org"}


async def test_an_identity_token_says_who_logged_in_and_when(house: House) -> None:
    app = await house.app()
    tokens = await app.tokens(scope="openid fhirUser launch/patient patient/*.rs", nonce="n-1")
    jwks = (await house.http.get("/auth/jwks")).json()
    assert [key["kty"] for key in jwks["keys"]] == ["RSA"] * len(jwks["keys"])
    assert not any("d" in key for key in jwks["keys"])
    token = jwt.decode(tokens["id_token"], KeySet.import_key_set(jwks), algorithms=["RS256"])
    assert token.header["kid"] in [key["kid"] for key in jwks["keys"]]
    claims = token.claims
    assert claims["iss"] == ISSUER
    assert claims["aud"] == app.client.id
    assert claims["nonce"] == "n-1"
    assert 1 <= len(claims["sub"]) <= 255
    assert claims["exp"] > claims["iat"] >= claims["auth_time"]
    assert claims["fhirUser"] == f"{FHIR_BASE}/Practitioner/nina"
    path = urlsplit(claims["fhirUser"]).path.removeprefix("/fhir/")
    wide = await app.tokens(scope="openid fhirUser user/*.rs")
    assert (await app.read(wide["access_token"], path)).status_code == 200


async def test_without_openid_there_is_no_identity_token(house: House) -> None:
    app = await house.app()
    assert "id_token" not in await app.tokens(scope="launch/patient patient/*.rs")


async def test_a_new_key_is_published_before_it_signs_and_the_old_one_after(
    fresh_house: House,
) -> None:
    house = fresh_house
    store = house.record.authorizations
    [first] = await store.signing_keys()
    house.clock.ahead += timedelta(days=90)
    await store.keep_going(())
    app = await house.app()
    jwks = (await house.http.get("/auth/jwks")).json()
    assert len(jwks["keys"]) == 2
    tokens = await app.tokens(scope="openid")
    header = jwt.decode(
        tokens["id_token"], KeySet.import_key_set(jwks), algorithms=["RS256"]
    ).header
    assert header["kid"] == first.kid
    house.clock.ahead += timedelta(hours=2)
    house.monotonic[0] += 61
    tokens = await app.tokens(scope="openid")
    header = jwt.decode(
        tokens["id_token"], KeySet.import_key_set(jwks), algorithms=["RS256"]
    ).header
    assert header["kid"] != first.kid
    house.clock.ahead += timedelta(days=2)
    await store.keep_going(())
    assert [key.kid for key in await store.signing_keys()] == [header["kid"]]


async def test_the_smart_configuration_is_json_for_everybody(house: House) -> None:
    answer = await house.http.get(
        "/fhir/.well-known/smart-configuration", headers={**ANYBODY, "accept": "text/html"}
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"
    told = answer.json()
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert {"authorization_code", "client_credentials"} <= set(told["grant_types_supported"])
    assert {"launch-ehr", "launch-standalone", "permission-v2"} <= set(told["capabilities"])
    urls = [value for name, value in told.items() if name.endswith(("_endpoint", "_uri"))]
    assert len(urls) >= 6
    assert all(urlsplit(url).scheme and urlsplit(url).netloc for url in urls)
    assert told["issuer"] == ISSUER


async def test_the_openid_configuration_is_valid_and_lists_rs256(house: House) -> None:
    told = (await house.http.get("/.well-known/openid-configuration")).json()
    assert "RS256" in told["id_token_signing_alg_values_supported"]
    assert told["issuer"] == ISSUER
    # The protocol's own checks want https, as a real server has it.
    secure = {
        name: value.replace("http://", "https://", 1) if isinstance(value, str) else value
        for name, value in told.items()
    }
    OpenIDProviderMetadata(secure).validate()
    AuthorizationServerMetadata(secure).validate()


async def test_older_apps_find_the_endpoints_in_the_capability_statement(house: House) -> None:
    answer = await house.http.get("/fhir/metadata", headers=ANYBODY)
    assert answer.headers["access-control-allow-origin"] == "*"
    security = answer.json()["rest"][0]["security"]
    assert security["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"
    uris = {one["url"]: one["valueUri"] for one in security["extension"][0]["extension"]}
    assert uris["authorize"] == f"{ISSUER}/auth/authorize"
    assert uris["token"] == f"{ISSUER}/auth/token"


async def test_pages_of_registered_apps_may_call_the_api_and_the_token_endpoint(
    house: House,
) -> None:
    """Here no origin is allowed by the operator."""
    registered = {"origin": "https://app.example.org", "access-control-request-method": "POST"}
    stranger = {**registered, "origin": "https://nobody.example.org"}
    await house.app()
    house.origins._known = frozenset(
        one.encode() for one in await house.record.authorizations.origins()
    )
    for path in ("/auth/token", "/fhir/Patient/ann"):
        allowed = await house.http.options(path, headers=registered)
        assert allowed.headers["access-control-allow-origin"] == "https://app.example.org", path
        assert (
            "access-control-allow-origin"
            not in (await house.http.options(path, headers=stranger)).headers
        )
    page = await house.http.get("/auth/authorize", headers=registered)
    assert "access-control-allow-origin" not in page.headers
