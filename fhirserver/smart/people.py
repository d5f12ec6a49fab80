"""What the authorization server needs to know of people, and who asks them: the accounts answer.

The server never sees a password; it learns who is signed in, has them asked what an app may do, and
gets their decision back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Principal


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody with a live session in this browser, acting in one of their roles.

    `session` is the session's id and no secret. `fhir_user` is the relative reference of the person
    ("" for none), `since` when they proved who they are, by `methods` (RFC 8176). `language` is en or es.
    """

    tenant: int
    account: str
    session: str
    name: str
    principal: Principal
    fhir_user: str
    since: datetime
    methods: tuple[str, ...]
    language: str = "en"


@dataclass(frozen=True, slots=True)
class ConsentAsked:
    """What a person is asked. `pending` goes into the form's field `request` as it is.

    `scopes` are what the app may have at most; the person may leave some out. `patient` is the one an
    EHR launch is about; without one and with `needs_patient` the person picks one.
    """

    pending: str
    action: str
    client_name: str
    client_uri: str | None
    redirect_uri: str
    scopes: tuple[str, ...]
    needs_patient: bool
    patient: str | None = None


@dataclass(frozen=True, slots=True)
class EncounterAsked:
    """What a person is asked who allowed `scopes` for `patient`, and has not said which encounter it is about.

    `pending` and `action` are those of `ConsentAsked`, `beginning` is our path on which the app's request is asked anew.
    `after` is where to go on among the patient's encounters, "" to begin.
    """

    pending: str
    action: str
    beginning: str
    client_name: str
    redirect_uri: str
    scopes: tuple[str, ...]
    patient: str
    after: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the person said; `patient` is the one they picked and may reach, None where none was asked for.

    `encounter` is the one of that patient they picked and may reach, "" for none of them, None where they have not said.
    `after`: they would rather see more of them.
    """

    pending: str
    who: SignedIn
    allowed: bool
    scopes: tuple[str, ...]
    patient: str | None
    encounter: str | None = None
    after: str = ""


@dataclass(frozen=True, slots=True)
class Launch:
    """What an EHR said an app is started for; `encounter` and `fhir_context` are relative references."""

    patient: str | None = None
    encounter: str | None = None
    fhir_context: tuple[Mapping[str, Any], ...] = field(default=())
    intent: str | None = None
    need_patient_banner: bool = True


class People(Protocol):
    """The accounts, as the authorization server uses them."""

    async def signed_in(self, request: Request) -> SignedIn | None:
        """Return who has a live session in this browser."""

    def login(
        self, request: Request, tenant: int | None, then: str, *, again: bool = False
    ) -> Response:
        """Send the browser to log in (once more with `again`), and from there to our path `then`."""

    async def ask(self, request: Request, who: SignedIn, asked: ConsentAsked) -> Response:
        """Return the page on which the person decides; its form is posted to `asked.action`."""

    async def ask_encounter(
        self, request: Request, who: SignedIn, asked: EncounterAsked
    ) -> Response:
        """Return the page on which the person picks an encounter; its form is posted to `asked.action`."""

    async def decision(self, request: Request) -> Decision | None:
        """Return what that form says; None when it did not come from our page in this session."""

    async def launch_context(
        self, tenant: int, handle: str, who: SignedIn, *, client: str, consume: bool
    ) -> Launch | None:
        """Return what a launch handle stands for; None when it is not good for this client and person (any more)."""

    async def is_alive(self, tenant: int, session: str) -> bool:
        """Return whether that session has not ended."""

    async def hold(self, tx: Transaction, who: SignedIn) -> bool:
        """Return whether they are still signed in and in that role; neither ends before `tx` does."""

    def leave(self, request: Request, url: str) -> Response:
        """Send the browser from a form of ours to `url` of an app."""

    def problem(self, request: Request, title: str, text: str, status: int = 400) -> Response:
        """Return a page that says what is wrong."""
