"""Programs that act for themselves, and the ways in which their proof may be wrong.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html
"""

import base64
import hmac
import json
import secrets
from datetime import timedelta
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from tests.integration.smart.app import ISSUER, App
from tests.integration.smart.conftest import House

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN_URL = f"{ISSUER}/auth/token"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
RSA = RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig"})
EC = ECKey.generate_key("P-384", {"kid": "ec-1", "use": "sig"})
STRANGER = RSAKey.generate_key(2048, {"kid": "rsa-1"})
KEYS: dict[str, Any] = {"keys": [RSA.as_dict(private=False), EC.as_dict(private=False)]}
SCOPE = "system/Patient.rs system/Observation.rs"


async def program(house: House, **metadata: Any) -> App:
    usual = {
        "token_endpoint_auth_method": "private_key_jwt",
        "grant_types": ["client_credentials"],
        "redirect_uris": [],
        "scope": SCOPE,
        "jwks": KEYS,
    }
    return await house.app(**{**usual, **metadata})


def assertion(
    app: App,
    house: House,
    key: RSAKey | ECKey = RSA,
    header: dict[str, Any] | None = None,
    **claims: Any,
) -> str:
    now = int(house.clock().timestamp())
    usual = {
        "iss": app.client.id,
        "sub": app.client.id,
        "aud": TOKEN_URL,
        "exp": now + 240,
        "jti": secrets.token_urlsafe(),
    }
    algorithm = "RS384" if isinstance(key, RSAKey) else "ES384"
    head = {"alg": algorithm, "kid": key.kid, **(header or {})}
    said = {name: value for name, value in (usual | claims).items() if value is not None}
    allowed = ["RS256", "RS384", "ES384", "HS256", "none"]
    return jwt.encode({k: v for k, v in head.items() if v is not None}, said, key, allowed)


async def ask(app: App, proof: str, **other: str) -> httpx.Response:
    form = {
        "grant_type": "client_credentials",
        "scope": SCOPE,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": proof,
        **other,
    }
    return await app.http.post("/auth/token", data=form)


@pytest.mark.parametrize("key", [RSA, EC])
async def test_a_program_gets_a_token_with_either_algorithm(
    house: House, key: RSAKey | ECKey
) -> None:
    app = await program(house)
    answer = await ask(app, assertion(app, house, key))
    tokens = answer.json()
    assert answer.status_code == 200, answer.text
    assert tokens["expires_in"] <= 300
    assert "refresh_token" not in tokens
    assert set(tokens["scope"].split()) == set(SCOPE.split())
    assert (await app.read(tokens["access_token"], "Patient/joe")).status_code == 200
    assert (await app.read(tokens["access_token"], "CareTeam/team-joe")).status_code == 404


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def unsigned(app: App, house: House) -> str:
    """An assertion that says of itself that nobody signed it."""
    body = assertion(app, house).split(".")[1]
    return f"{_part({'alg': 'none', 'kid': 'rsa-1'})}.{body}."


def by_secret(app: App, house: House) -> str:
    """An assertion signed with what everybody may know, the public key, as if that were a shared secret."""
    body = assertion(app, house).split(".")[1]
    signed = f"{_part({'alg': 'HS256', 'kid': 'rsa-1'})}.{body}"
    mark = hmac.digest(RSA.as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(mark).rstrip(b'=').decode()}"


def wrong(house: House, app: App) -> dict[str, str]:
    """Every assertion that proves nothing, by what is wrong with it."""
    now = int(house.clock().timestamp())
    good = assertion(app, house)
    head, body, _ = good.split(".")
    return {
        "algorithm": assertion(app, house, header={"alg": "RS256"}),
        "algorithm none": unsigned(app, house),
        "our public key as a secret": by_secret(app, house),
        "no signature": f"{head}.{body}.",
        "not a JWT": "nonsense",
        "expired": assertion(app, house, exp=now - 60),
        "expires too late": assertion(app, house, exp=now + 600),
        "no expiry": assertion(app, house, exp=None),
        "expiry no number": assertion(app, house, exp="soon"),
        "audience": assertion(app, house, aud="https://other.example.org/token"),
        "no audience": assertion(app, house, aud=None),
        "issuer": assertion(app, house, iss="somebody"),
        "subject": assertion(app, house, sub="somebody"),
        "no issuer": assertion(app, house, iss=None),
        "no subject": assertion(app, house, sub=None),
        "other audience in a list": assertion(app, house, aud=["https://other.example.org/token"]),
        "no jti": assertion(app, house, jti=None),
        "long jti": assertion(app, house, jti="x" * 256),
        "unknown kid": assertion(app, house, header={"kid": "rsa-2"}),
        "no kid": assertion(app, house, header={"kid": None}),
        "kid of another algorithm": assertion(app, house, header={"kid": "ec-1"}),
        "blank jti": assertion(app, house, jti=""),
        "another's key": assertion(app, house, STRANGER),
        "jku": assertion(app, house, header={"jku": "https://evil.example.org/jwks"}),
        "not yet": assertion(app, house, nbf=now + 120),
        "unknown client": assertion(app, house, iss="nobody", sub="nobody"),
    }


async def test_a_bad_algorithm_expiry_audience_kid_jti_or_key_is_refused(house: House) -> None:
    app = await program(house)
    for reason, proof in wrong(house, app).items():
        answer = await ask(app, proof)
        assert answer.status_code in (400, 401), reason
        assert answer.json()["error"] == "invalid_client", reason
        assert "access_token" not in answer.json()


async def test_a_replayed_jti_is_refused(house: House) -> None:
    app = await program(house)
    proof = assertion(app, house)
    assert (await ask(app, proof)).status_code == 200
    answer = await ask(app, proof)
    assert answer.status_code in (400, 401)
    assert answer.json()["error"] == "invalid_client"
    # The same jti in a newer assertion is a replay too, of another client it is not.
    again = assertion(app, house, jti=json.loads(_body(proof))["jti"])
    assert (await ask(app, again)).json()["error"] == "invalid_client"
    other = await program(house)
    assert (
        await ask(other, assertion(other, house, jti=json.loads(_body(proof))["jti"]))
    ).status_code == 200


async def test_a_wrong_assertion_type_is_refused(house: House) -> None:
    app = await program(house)
    answer = await ask(app, assertion(app, house), client_assertion_type="urn:something:else")
    assert answer.status_code in (400, 401)
    assert answer.json()["error"] == "invalid_client"


async def test_half_a_proof_and_two_proofs_are_refused(house: House) -> None:
    app = await program(house)
    other = await house.app()
    assert other.secret is not None
    proof = assertion(app, house)
    form = {"grant_type": "client_credentials", "scope": SCOPE}
    without_type = await app.http.post("/auth/token", data={**form, "client_assertion": proof})
    kind = {"client_assertion_type": ASSERTION_TYPE}
    without_proof = await app.http.post("/auth/token", data={**form, **kind})
    nothing = await app.http.post("/auth/token", data={**form, "client_id": app.client.id})
    for answer in (without_type, without_proof, nothing):
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    another = await ask(app, proof, client_id=other.client.id)
    assert (another.status_code, another.json()["error"]) == (401, "invalid_client")
    both = await ask(app, proof, client_secret=other.secret)
    assert (both.status_code, both.json()["error"]) == (400, "invalid_request")
    # None of that used it up.
    assert (await ask(app, proof)).status_code == 200


async def test_a_wrong_grant_type_is_exactly_400(house: House) -> None:
    app = await program(house)
    answer = await ask(app, assertion(app, house), grant_type="not_a_grant_type")
    assert answer.status_code == 400
    other = await ask(app, assertion(app, house), grant_type="authorization_code")
    assert (other.status_code, other.json()["error"]) == (400, "unauthorized_client")


async def test_a_program_gets_system_scopes_it_is_registered_for_alone(house: House) -> None:
    app = await program(house)
    for scope in ("system/Condition.rs", "patient/Patient.rs user/*.rs", "openid"):
        answer = await ask(app, assertion(app, house), scope=scope)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope"), scope
    nothing = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE}
    unsaid = await app.http.post(
        "/auth/token", data={**nothing, "client_assertion": assertion(app, house)}
    )
    assert (unsaid.status_code, unsaid.json()["error"]) == (400, "invalid_scope")
    less = (await ask(app, assertion(app, house), scope="system/*.r openid")).json()
    assert set(less["scope"].split()) == {"system/Patient.r", "system/Observation.r"}


async def test_keys_by_url_are_fetched_and_fetched_again_for_a_new_kid(house: House) -> None:
    url = "https://app.example.org/jwks"
    app = await program(house, jwks=None, jwks_uri=url)
    assert (await ask(app, assertion(app, house))).json()["error"] == "invalid_client"
    house.documents[url] = json.dumps({"keys": [RSA.as_dict(private=False)]}).encode()
    assert (await ask(app, assertion(app, house))).status_code == 401
    house.monotonic[0] += 11
    assert (await ask(app, assertion(app, house))).status_code == 200
    house.documents[url] = json.dumps(KEYS).encode()
    # Not at every request: nobody can make us ask that server again and again.
    assert (await ask(app, assertion(app, house, EC))).status_code == 401
    house.monotonic[0] += 11
    assert (await ask(app, assertion(app, house, EC))).status_code == 200
    house.documents[url] = b"<html>"
    house.monotonic[0] += 400
    assert (await ask(app, assertion(app, house))).json()["error"] == "invalid_client"


async def test_jku_may_be_the_url_that_was_registered(house: House) -> None:
    url = "https://app.example.org/other/jwks"
    app = await program(house, jwks=None, jwks_uri=url)
    house.documents[url] = json.dumps(KEYS).encode()
    assert (await ask(app, assertion(app, house, header={"jku": url}))).status_code == 200
    house.documents["https://evil.example.org/jwks"] = json.dumps(
        {"keys": [STRANGER.as_dict(private=False)]}
    ).encode()
    elsewhere = assertion(app, house, STRANGER, header={"jku": "https://evil.example.org/jwks"})
    assert (await ask(app, elsewhere)).json()["error"] == "invalid_client"


async def test_the_token_of_a_program_ends_after_five_minutes(house: House) -> None:
    app = await program(house)
    token = (await ask(app, assertion(app, house))).json()["access_token"]
    house.clock.ahead += timedelta(seconds=301)
    assert (await app.read(token, "Patient/joe")).status_code == 401


async def test_an_app_proves_itself_with_a_key_for_a_code_too(house: House) -> None:
    app = await house.app(token_endpoint_auth_method="private_key_jwt", jwks=KEYS)
    code = await app.code()
    answer = await app.exchange(
        code,
        client_id=None,
        client_assertion_type=ASSERTION_TYPE,
        client_assertion=assertion(app, house),
    )
    assert answer.status_code == 200, answer.text


def _body(token: str) -> bytes:
    body = token.split(".")[1]
    return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
