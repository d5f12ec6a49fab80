"""The pages of people's accounts over a real database, a browser without scripts, and people with accounts."""

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from itertools import count

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fhirserver import definitions
from fhirserver.accounts import administration, passwords
from fhirserver.accounts.composition import Accounts, accounts, rules
from fhirserver.accounts.people import AccountPeople
from fhirserver.accounts.role import read_role
from fhirserver.crypto import keyring
from fhirserver.interactions.context import Context
from fhirserver.kernel.audit import Happening, Recording
from fhirserver.kernel.principal import Access
from fhirserver.smart.people import ConsentAsked, EncounterAsked
from fhirserver.store.database import open_database
from fhirserver.store.record import Record
from fhirserver.supervisor.postgres import PostgresServer
from tests.conftest import ROLE_PASSWORDS, Database, _database
from tests.integration.rest.conftest import Bystander, care_team, patient

URL = "http://localhost:8080"
PASSWORD = "three quiet lamps"
BOB = "related-person:RelatedPerson/bob"
NINA = "practitioner:Practitioner/nina"
_homes = count(1)


class Forms(HTMLParser):
    """The forms of a page: action and fields; and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, list[str]]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((known.get("action", ""), {}))
        elif tag == "input" and self.forms:
            if known.get("type") in ("radio", "checkbox") and "checked" not in known:
                return
            self.forms[-1][1].setdefault(known["name"], []).append(known.get("value", ""))

    def handle_data(self, data: str) -> None:
        self.text += data + " "


@dataclass
class Page:
    """An answer as a person sees it."""

    answer: httpx.Response
    text: str
    forms: Sequence[tuple[str, Mapping[str, list[str]]]]

    @property
    def path(self) -> str:
        return self.answer.url.raw_path.decode()

    @property
    def status(self) -> int:
        return self.answer.status_code


@dataclass
class Browser:
    """Follows redirects and keeps cookies, and fills in forms; knows no scripts."""

    client: httpx.AsyncClient
    page: Page = field(init=False)

    async def open(self, path: str) -> Page:
        return self._shown(await self.client.get(path))

    async def send(self, action: str, **values: str) -> Page:
        """Fill in the form of the page that goes to `action`."""
        fields = next(dict(known) for at, known in self.page.forms if at == action)
        given = {name: [value] for name, value in values.items()}
        return self._shown(await self.client.post(action, data={**fields, **given}))

    async def sign_in(
        self, login: str, password: str = PASSWORD, path: str = "/auth/login"
    ) -> Page:
        await self.open(path)
        return await self.send("/auth/login", login=login, password=password)

    def _shown(self, answer: httpx.Response) -> Page:
        parser = Forms()
        parser.feed(answer.text)
        self.page = Page(answer, re.sub(r"\s+", " ", parser.text), parser.forms)
        return self.page


@dataclass
class House:
    """A tenant of a test alone, its pages, and a clock that the test turns."""

    record: Record
    tenant: int
    name: str
    accounts: Accounts
    transport: httpx.ASGITransport
    time: "Clock"
    told: "Told"

    def browser(self) -> Browser:
        return Browser(
            httpx.AsyncClient(transport=self.transport, base_url=URL, follow_redirects=True)
        )

    async def person(self, login: str, *roles: str, name: str = "", language: str = "en") -> None:
        """An account with the password of the tests."""
        async with self.record.transaction(self.tenant) as tx:
            read = [read_role(one) for one in roles]
            code = await administration.add(tx, login, name or login.title(), language, read)
        browser = self.browser()
        await browser.open(f"/auth/start?tenant={self.name}")
        page = await browser.send("/auth/start", code=code, new=PASSWORD, again=PASSWORD)
        assert "Sign in" in page.text, page.text


class Told:
    """What the audit was told."""

    def __init__(self) -> None:
        self.happenings: list[Happening] = []

    async def report(self, *happenings: Happening) -> None:
        self.happenings += happenings

    async def within(self, tx: Recording, *happenings: Happening) -> None:
        self.happenings += happenings


class Clock:
    """A time that stands, and what the test adds to it: nothing ends because a machine is busy."""

    def __init__(self) -> None:
        self.start = datetime.now(UTC)
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return self.start + self.ahead


@pytest.fixture(autouse=True)
def _cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are compared a hundred times here; what one costs is tested elsewhere."""
    monkeypatch.setattr(passwords, "_TIME_COST", 1)
    monkeypatch.setattr(passwords, "_MEMORY_KIB", 64)
    monkeypatch.setattr(passwords, "NOBODY", passwords.hashed("nobody", bytes(16)))


@pytest.fixture(scope="module")
def shared_database(postgres_server: PostgresServer, template_database: str) -> Iterator[Database]:
    """A migrated database of this module."""
    with contextmanager(_database)(postgres_server, template_database) as database:
        yield database


def _apps(people: AccountPeople) -> list[Route]:
    """What stands for the authorization server: it asks what the query says, and tells what was decided."""

    async def ask(request: Request) -> Response:
        who = await people.signed_in(request)
        if who is None:
            return people.login(request, None, f"{request.url.path}?{request.url.query}")
        query = request.query_params
        patient = query.get("patient")
        asked = ConsentAsked(
            request.url.query,
            "/auth/authorize/decide",
            query.get("client", "Diary"),
            None,
            "https://app.example.org/back",
            tuple(query.get("scope", "patient/Observation.rs openid").split()),
            needs_patient=patient is None,
            patient=patient,
        )
        return await people.ask(request, who, asked)

    async def decide(request: Request) -> Response:
        decision = await people.decision(request)
        if decision is None:
            return people.problem(request, "Too late", "Start again.")
        patient = decision.patient
        if patient and decision.encounter is None and "launch/encounter" in decision.scopes:
            asked = EncounterAsked(
                decision.pending,
                "/auth/authorize/decide",
                "/auth/authorize",
                "Diary",
                "https://app.example.org/back",
                decision.scopes,
                patient,
                decision.after,
            )
            return await people.ask_encounter(request, decision.who, asked)
        told = {
            "kind": decision.who.principal.kind,
            "user": decision.who.fhir_user,
            "methods": decision.who.methods,
            "allowed": decision.allowed,
            "scopes": decision.scopes,
            "patient": decision.patient,
            "encounter": decision.encounter,
        }
        return JSONResponse(told)

    return [
        Route("/auth/authorize", ask, methods=["GET"]),
        Route("/auth/authorize/decide", decide, methods=["POST"]),
    ]


@asynccontextmanager
async def open_house(database: Database, second_factor: str) -> AsyncIterator[House]:
    time, told = Clock(), Told()
    known = definitions.load()
    async with open_database(database.dsn, ROLE_PASSWORDS) as pools:
        record = Record(
            pools,
            keyring.create("test", bytes(range(32))),
            known,
            Bystander(),  # type: ignore[arg-type] # positional-only names
            time,
        )
        await record.ensure_partitions()
        name = f"house-{next(_homes)}"
        tenant = await record.ensure_tenant(name)

        def context_of(access: Access) -> Context:
            return Context(access, record, known, Bystander(), f"{URL}/fhir")  # type: ignore[arg-type]

        made = accounts(
            record,
            context_of,
            base_url=URL,
            rules=rules(900, 43_200, second_factor),
            auditing=told,
            first_tenant=name,
        )
        async with record.transaction(tenant) as tx:
            for resource in (
                patient("ann"),
                patient("joe"),
                {"resourceType": "Practitioner", "id": "nina"},
                {
                    "resourceType": "RelatedPerson",
                    "id": "bob",
                    "patient": {"reference": "Patient/ann"},
                },
                care_team("ann", "Practitioner/nina", "RelatedPerson/bob"),
                care_team("joe", "Practitioner/nina"),
            ):
                await tx.put(resource, id_=str(resource["id"]))
        app = Starlette(routes=[*made.routes, *_apps(made.people)])
        yield House(record, tenant, name, made, httpx.ASGITransport(app), time, told)


@pytest.fixture
async def house(shared_database: Database) -> AsyncIterator[House]:
    """A tenant in which professionals need a second factor."""
    async with open_house(shared_database, "professionals") as opened:
        yield opened


@pytest.fixture
async def plain_house(shared_database: Database) -> AsyncIterator[House]:
    """A tenant in which nobody needs one."""
    async with open_house(shared_database, "nobody") as opened:
        yield opened
