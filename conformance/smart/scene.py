"""What a run of the tester has to work with: the server, a client, a person, a program."""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from conformance.smart.person import Person


@dataclass(frozen=True, slots=True)
class App:
    """A registered client; `secret` empty for a public one."""

    client_id: str
    redirect_uri: str
    secret: str = ""
    scope: str = "launch/patient openid fhirUser offline_access patient/*.rs"


@dataclass(frozen=True, slots=True)
class Program:
    """A registered backend service and its private key (JWK with `kid`)."""

    client_id: str
    key: Mapping[str, Any]
    scope: str = "system/*.rs"


@dataclass
class Scene:
    """`base` is the FHIR base URL. `login` and `password` are a person's who may see a patient."""

    base: str
    http: httpx.Client
    app: App | None = None
    login: str = ""
    password: str = ""
    program: Program | None = None
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    _configuration: dict[str, Any] = field(default_factory=dict)

    def configuration(self) -> dict[str, Any]:
        """The SMART configuration."""
        if not self._configuration:
            self._configuration = self.http.get(
                f"{self.base}/.well-known/smart-configuration"
            ).json()
        return self._configuration

    def challenge(self) -> str:
        """The S256 challenge of the verifier."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def request(self, app: App, **other: str | None) -> dict[str, str]:
        """An authorization request, some parameters otherwise or left out (None)."""
        usual = {
            "response_type": "code",
            "client_id": app.client_id,
            "redirect_uri": app.redirect_uri,
            "scope": app.scope,
            "state": secrets.token_urlsafe(24),
            "aud": self.base,
            "code_challenge": self.challenge(),
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in (usual | other).items() if value is not None}

    def authorize(self, app: App, **other: str | None) -> dict[str, str]:
        """Let the person log in and allow; return what the app is told, nothing when it is told nothing."""
        person = Person(self.http, self.login, self.password, app.redirect_uri)
        url = httpx.URL(self.configuration()["authorization_endpoint"])
        reached = person.walk(str(url.copy_merge_params(self.request(app, **other))))
        return dict(parse_qsl(urlsplit(reached).query)) if reached else {}

    def token(self, app: App, **form: str | None) -> httpx.Response:
        """POST to the token endpoint, proved as the app is registered."""
        named = {} if app.secret else {"client_id": app.client_id}
        data = {name: value for name, value in (named | form).items() if value is not None}
        proof = (app.client_id, app.secret) if app.secret else httpx.USE_CLIENT_DEFAULT
        return self.http.post(self.configuration()["token_endpoint"], data=data, auth=proof)

    def exchange(self, app: App, code: str, **other: str | None) -> httpx.Response:
        """Exchange a code."""
        usual = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": app.redirect_uri,
            "code_verifier": self.verifier,
        }
        return self.token(app, **{**usual, **other})

    def launch(self, app: App) -> dict[str, Any]:
        """The whole way to tokens; nothing when there is no code."""
        code = self.authorize(app).get("code")
        found: dict[str, Any] = {} if code is None else self.exchange(app, code).json()
        return found

    def read(self, token: str, path: str) -> int:
        """The status of a read with a token."""
        headers = {"authorization": f"Bearer {token}"}
        return self.http.get(f"{self.base}/{path}", headers=headers).status_code
