"""Checks of a standalone launch: with a client, and a person who logs in on plain HTML forms."""

import httpx
from joserfc import jwt
from joserfc.jwk import KeySet

from conformance.smart.check import NotGiven, check, require
from conformance.smart.scene import App, Scene


def _app(scene: Scene, *, person: bool = True) -> App:
    if scene.app is None:
        raise NotGiven("needs --client-id and --redirect-uri")
    if person and not scene.login:
        raise NotGiven("needs --login, and SMART_PASSWORD in the environment")
    return scene.app


def _no_code(scene: Scene, **other: str | None) -> None:
    app = _app(scene, person=False)
    url = scene.configuration()["authorization_endpoint"]
    answer = scene.http.get(url, params=scene.request(app, **other))
    told = httpx.URL(answer.headers.get("location", "")).params
    if scene.login and not answer.is_error and "error" not in told:
        told = httpx.QueryParams(scene.authorize(app, **other))
    require("code" not in told, f"there is a code with {other}")


@check
def wrong_audience(scene: Scene) -> None:
    """A wrong or missing aud gives no code."""
    _no_code(scene, aud="https://other.example.org/fhir")
    _no_code(scene, aud=None)


@check
def no_pkce(scene: Scene) -> None:
    """Without PKCE, and with plain, there is no code."""
    _no_code(scene, code_challenge=None, code_challenge_method=None)
    _no_code(scene, code_challenge_method="plain")


@check
def implicit(scene: Scene) -> None:
    """The implicit flow gives nothing."""
    _no_code(scene, response_type="token")


@check
def unregistered_address(scene: Scene) -> None:
    """Nobody is sent to an address that is not registered."""
    app = _app(scene, person=False)
    wrong = "https://unregistered.example.org/back"
    answer = scene.http.get(
        scene.configuration()["authorization_endpoint"],
        params=scene.request(app, redirect_uri=wrong),
    )
    require(wrong not in answer.headers.get("location", ""), "the browser is sent there")


@check
def standalone_launch(scene: Scene) -> None:
    """A launch gives a token of the right shape, which reads the patient."""
    app = _app(scene)
    told = scene.authorize(app)
    require("code" in told, f"there is no code: {told}")
    answer = scene.exchange(app, told["code"])
    require(answer.status_code == 200, f"status {answer.status_code}")
    tokens = answer.json()
    require("no-store" in answer.headers.get("cache-control", ""), "it may be kept")
    require("no-cache" in answer.headers.get("pragma", ""), "pragma is missing")
    require(tokens["token_type"].lower() == "bearer", f"token_type {tokens['token_type']}")
    require(isinstance(tokens["expires_in"], int), f"expires_in {tokens['expires_in']!r}")
    require(tokens["expires_in"] <= 3600, "it lives longer than an hour")
    status = scene.read(tokens["access_token"], f"Patient/{tokens['patient']}")
    require(status == 200, f"the patient is answered {status}")


@check
def wrong_verifier(scene: Scene) -> None:
    """The verifier must be there and belong to the challenge."""
    app = _app(scene)
    for verifier in (None, "", "x" * 64, scene.challenge()):
        code = scene.authorize(app)["code"]
        answer = scene.exchange(app, code, code_verifier=verifier)
        require(answer.status_code == 400, f"status {answer.status_code} with {verifier!r}")


@check
def code_replay(scene: Scene) -> None:
    """A code is good once."""
    app = _app(scene)
    code = scene.authorize(app)["code"]
    require(scene.exchange(app, code).status_code == 200, "the first time it is refused")
    require(scene.exchange(app, code).status_code == 400, "the second time it is accepted")
    require(scene.exchange(app, "nonsense").status_code == 400, "any code is accepted")


@check
def identity(scene: Scene) -> None:
    """The identity token is signed by a published key and names a person who can be read."""
    app = _app(scene)
    tokens = scene.launch(app)
    told = scene.configuration()
    keys = KeySet.import_key_set(scene.http.get(told["jwks_uri"]).json())
    token = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"])
    require(token.header.get("kid"), "it names no kid")
    require(token.claims["iss"] == told["issuer"], f"iss {token.claims['iss']}")
    require(token.claims["aud"] in (app.client_id, [app.client_id]), f"aud {token.claims['aud']}")
    require(1 <= len(token.claims["sub"]) <= 255, "sub is too long")
    person = token.claims["fhirUser"].removeprefix(f"{scene.base}/")
    kind = person.partition("/")[0]
    known = ("Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Person")
    require(kind in known, f"fhirUser {person}")


@check
def refresh(scene: Scene) -> None:
    """A refresh gives new tokens with no more scopes; a used or unknown refresh token gives none."""
    app = _app(scene)
    first = scene.launch(app)
    answer = scene.token(app, grant_type="refresh_token", refresh_token=first["refresh_token"])
    require(answer.status_code == 200, f"status {answer.status_code}")
    second = answer.json()
    require(set(second["scope"].split()) <= set(first["scope"].split()), "there are more scopes")
    for token in ("nonsense", first["refresh_token"]):
        again = scene.token(app, grant_type="refresh_token", refresh_token=token)
        require(again.status_code == 400, f"status {again.status_code}")
    # Somebody used one twice: neither may go on.
    last = scene.token(app, grant_type="refresh_token", refresh_token=second["refresh_token"])
    require(last.status_code == 400, "the family lives on after a reuse")
    path = f"Patient/{second['patient']}"
    require(scene.read(second["access_token"], path) == 401, "so does its access token")


@check
def revocation(scene: Scene) -> None:
    """A revoked token is answered 401 and cannot be refreshed."""
    app = _app(scene)
    url = scene.configuration().get("revocation_endpoint")
    if url is None:
        raise NotGiven("there is no revocation_endpoint")
    tokens = scene.launch(app)
    proof = (app.client_id, app.secret) if app.secret else httpx.USE_CLIENT_DEFAULT
    form = {"token": tokens["refresh_token"], "client_id": app.client_id}
    answer = scene.http.post(url, data=form, auth=proof)
    require(answer.status_code == 200, f"status {answer.status_code}")
    path = f"Patient/{tokens['patient']}"
    require(scene.read(tokens["access_token"], path) == 401, "the access token lives on")


@check
def introspection(scene: Scene) -> None:
    """Introspection says inactive and nothing else of an unknown token, and what it is of a good one."""
    app = _app(scene)
    url = scene.configuration().get("introspection_endpoint")
    if url is None or not app.secret:
        raise NotGiven("needs an introspection_endpoint and --secret")
    tokens = scene.launch(app)
    proof = (app.client_id, app.secret)
    unknown = scene.http.post(url, data={"token": "nonsense"}, auth=proof)
    require(unknown.status_code == 200, f"status {unknown.status_code}")
    require(unknown.json() == {"active": False}, f"it says {unknown.json()}")
    told = scene.http.post(url, data={"token": tokens["access_token"]}, auth=proof).json()
    require(told["active"] is True, "it is not active")
    require(told["client_id"] == app.client_id, "it is another client's")
    require(set(told["scope"].split()) == set(tokens["scope"].split()), "it has other scopes")
    require(isinstance(told["exp"], int), "exp is no number")
    require(told.get("patient") == tokens["patient"], "the patient is missing")
