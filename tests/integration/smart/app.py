"""An app as its authors write one, and the person in front of it."""

import base64
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Principal
from fhirserver.smart.client import Client
from fhirserver.smart.people import ConsentAsked, Decision, EncounterAsked, Launch, SignedIn

ISSUER = "http://test"
FHIR_BASE = f"{ISSUER}/fhir"
REDIRECT = "https://app.example.org/back"
EVERYTHING = "openid fhirUser launch launch/patient offline_access online_access patient/*.cruds user/*.cruds"


class Clock:
    """A time that stands, moved on by the test alone: nothing ends because a machine is busy."""

    def __init__(self) -> None:
        self.start = datetime.now(UTC)
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return self.start + self.ahead


@dataclass
class Somebody:
    """A `People` of one person, who answers as told."""

    who: SignedIn | None
    now: Clock
    launches: dict[str, Launch] = field(default_factory=dict)
    sessions: set[str] = field(default_factory=set)
    asked: ConsentAsked | None = None
    asked_encounter: EncounterAsked | None = None
    stays: bool = True

    async def signed_in(self, request: Request) -> SignedIn | None:
        return self.who

    def login(
        self, request: Request, tenant: int | None, then: str, *, again: bool = False
    ) -> Response:
        query = {"tenant": tenant, "then": then, "again": int(again)}
        return RedirectResponse(f"/auth/login?{urlencode(query)}", 303)

    async def ask(self, request: Request, who: SignedIn, asked: ConsentAsked) -> Response:
        self.asked = asked
        return PlainTextResponse("may it?")

    async def decision(self, request: Request) -> Decision | None:
        fields = parse_qs((await request.body()).decode(), keep_blank_values=True)
        if "csrf" not in fields or self.who is None:
            return None
        return Decision(
            fields["request"][0],
            self.who,
            fields["decision"] == ["allow"],
            tuple(fields.get("scope", ())),
            fields.get("patient", [None])[0],
            fields.get("encounter", [None])[0],
        )

    async def ask_encounter(
        self, request: Request, who: SignedIn, asked: EncounterAsked
    ) -> Response:
        self.asked_encounter = asked
        return PlainTextResponse("which visit?")

    async def launch_context(
        self, tenant: int, handle: str, who: SignedIn, *, client: str, consume: bool
    ) -> Launch | None:
        return self.launches.pop(handle, None) if consume else self.launches.get(handle)

    async def hold(self, tx: Transaction, who: SignedIn) -> bool:
        return self.stays

    async def is_alive(self, tenant: int, session: str) -> bool:
        return session in self.sessions

    def leave(self, request: Request, url: str) -> Response:
        return RedirectResponse(url, 302)

    def problem(self, request: Request, title: str, text: str, status: int = 400) -> Response:
        return PlainTextResponse(f"{title}: {text}", status)


@dataclass
class App:
    """A client with a secret or without, over `http`."""

    http: httpx.AsyncClient
    client: Client
    secret: str | None
    people: Somebody
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    def request(self, **other: str | None) -> dict[str, str]:
        """The parameters of the authorization request, some of them otherwise, or left out (None)."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        usual = {
            "response_type": "code",
            "client_id": self.client.id,
            "redirect_uri": REDIRECT,
            "scope": EVERYTHING,
            "state": "a-state-that-nobody-can-guess",
            "aud": FHIR_BASE,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in (usual | other).items() if value is not None}

    async def authorize(self, **other: str | None) -> httpx.Response:
        return await self.http.get("/auth/authorize", params=self.request(**other))

    async def allow(
        self,
        *,
        scopes: Sequence[str] | None = None,
        patient: str | None = "ann",
        encounter: str | None = None,
        decision: str = "allow",
        **other: str | None,
    ) -> httpx.Response:
        """Ask, and let the person decide."""
        page = await self.authorize(**other)
        assert page.status_code == 200, (page.status_code, page.headers.get("location"))
        asked = self.people.asked
        assert asked is not None
        fields = [("request", asked.pending), ("csrf", "1"), ("decision", decision)]
        fields += [("scope", one) for one in (asked.scopes if scopes is None else scopes)]
        if patient is not None and asked.needs_patient:
            fields.append(("patient", patient))
        if encounter is not None:
            fields.append(("encounter", encounter))
        return await self.http.post(
            asked.action,
            content=urlencode(fields),
            headers={"content-type": "application/x-www-form-urlencoded"},
        )

    async def code(self, **other: Any) -> str:
        told = answer_of(await self.allow(**other))
        assert "code" in told, told
        return told["code"]

    async def ask_token(self, **fields: str | None) -> httpx.Response:
        """POST to the token endpoint, proved as the client is registered."""
        named = {} if self.secret is not None else {"client_id": self.client.id}
        form = {name: value for name, value in (named | fields).items() if value is not None}
        return await self.http.post("/auth/token", data=form, headers=self.proof())

    def proof(self) -> dict[str, str]:
        """The header by which a client with a secret proves itself."""
        if self.secret is None:
            return {}
        pair = base64.b64encode(f"{self.client.id}:{self.secret}".encode()).decode()
        return {"authorization": f"Basic {pair}"}

    async def exchange(self, code: str, **other: str | None) -> httpx.Response:
        return await self.ask_token(
            **{
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": REDIRECT,
                "code_verifier": self.verifier,
                **other,
            }
        )

    async def refresh(self, token: str, **other: str) -> httpx.Response:
        return await self.ask_token(grant_type="refresh_token", refresh_token=token, **other)

    async def tokens(self, **other: Any) -> dict[str, Any]:
        """The whole way to an answer with tokens."""
        answer = await self.exchange(await self.code(**other))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def read(self, token: str, path: str) -> httpx.Response:
        return await self.http.get(f"/fhir/{path}", headers={"authorization": f"Bearer {token}"})


def answer_of(response: httpx.Response) -> Mapping[str, str]:
    """What the app is told by a redirect to it."""
    assert response.status_code in (302, 303), (response.status_code, response.text)
    location = response.headers["location"]
    assert location.startswith(REDIRECT), location
    return dict(parse_qsl(urlsplit(location).query))


def person(principal: Principal, now: datetime, *, session: str = "session-1") -> SignedIn:
    return SignedIn(
        principal.tenant,
        "2f1d1c0e-0000-4000-8000-000000000001",
        session,
        "Nina",
        principal,
        principal.reference,
        now - timedelta(minutes=1),
        ("pwd", "otp"),
    )


def as_role(person: SignedIn, principal: Principal) -> SignedIn:
    return replace(person, principal=principal, fhir_user=principal.reference)
