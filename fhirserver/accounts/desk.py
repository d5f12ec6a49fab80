"""What every page needs: who is in front of it, whether a form is one of ours, and transactions of their tenant."""

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from fhirserver.accounts import answers, session
from fhirserver.accounts.forms import Form, first, read_form
from fhirserver.accounts.html import Html, hidden
from fhirserver.accounts.passkeys import Site, site_of
from fhirserver.accounts.session import Limits, Session, Step
from fhirserver.accounts.texts import Language, language_of, words
from fhirserver.kernel.audit import NOTHING_AUDITED, Actor, Auditing, Happening, Outcome, What
from fhirserver.kernel.ports import Transaction, Transactions
from fhirserver.kernel.principal import Principal, PrincipalKind
from fhirserver.rest.doors import address_of
from fhirserver.store import factors, people, sessions
from fhirserver.store.grants import end_session
from fhirserver.store.people import Account

ACCOUNT: Final = "/auth/account"
LOGIN: Final = "/auth/login"
SESSION: Final = "session"
DOOR: Final = "door"
SECRET_BYTES: Final = 32
_COOKIE: Final = re.compile(r"(\d{1,9})\.([A-Za-z0-9_-]{43})")
_DOOR: Final = re.compile(r"[A-Za-z0-9_-]{43}")
# How exact the time of the last request is kept: not every request is written down.
_SEEN_EVERY: Final = timedelta(seconds=15)
_LONGEST_AGENT: Final = 200


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator decided: how long sessions last, who must have a second factor (see `session`)."""

    limits: Limits
    second_factor: str


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody with a session in this browser; `step` is what is missing until they are signed in.

    `role` is what they act as, None when there is none or none was chosen.
    """

    tenant: int
    secret: str
    session: Session
    account: Account
    roles: Sequence[tuple[PrincipalKind, str]]
    factors: frozenset[str]
    step: Step

    @property
    def principal(self) -> Principal | None:
        """Who acts, None when no role was chosen or there is none."""
        role = session.role_of(self.session, self.roles)
        for kind, reference in self.roles:
            if (kind, reference) == role:
                return Principal(self.tenant, kind, reference)
        return None


class Desk:
    """Made once for all pages."""

    def __init__(
        self,
        transactions: Transactions,
        tenants: Callable[[], Awaitable[Sequence[tuple[int, str]]]],
        base_url: str,
        rules: Rules,
        auditing: Auditing = NOTHING_AUDITED,
        first_tenant: str = "home",
    ) -> None:
        """Serve pages below `base_url`; `tenants` lists number and name, `first_tenant` is that of who names none."""
        self.transaction = transactions
        self.rules = rules
        self.site: Site = site_of(base_url)
        self.secure = base_url.startswith("https://")
        self.base_url = base_url
        self._tenants = tenants
        self._known: dict[str, int] = {}
        self._auditing = auditing
        self._first_tenant = first_tenant

    async def tenant(self, written: str) -> int | None:
        """Return the tenant a page is about: by number, by name, or the first one; None when there is none."""
        name = written or self._first_tenant
        if name not in self._known:
            # Numbers are asked for as well: nothing may be made for a tenant that does not exist.
            for number, called in await self._tenants():
                self._known |= {called: number, str(number): number}
        return self._known.get(name)

    async def visitor(self, request: Request) -> Visitor | None:
        """Return whose session this browser has, and note the request; None when it has none, or it is over."""
        found = _COOKIE.fullmatch(self._cookie(request, SESSION))
        if found is None:
            return None
        tenant = await self.tenant(found[1])
        if tenant is None:
            return None
        async with self.transaction(tenant) as tx:
            return await self._visitor(tx, found[2])

    async def _visitor(self, tx: Transaction, secret: str) -> Visitor | None:
        row = await sessions.of_secret(tx, secret)
        if row is None:
            return None
        account = await people.by_id(tx, row.account)
        if session.is_over(row, self.rules.limits, tx.now) or account is None or account.disabled:
            await self.end_sessions(tx, row.account, only=row.id)
            return None
        if session.is_idle(row, self.rules.limits, tx.now):
            return None
        if tx.now - row.seen >= _SEEN_EVERY:
            await sessions.touch(tx, row.id)
        roles = await people.roles(tx, account.id)
        kinds = frozenset(one.kind for one in await factors.of_account(tx, account.id))
        required = session.needs_second_factor(
            (kind for kind, _ in roles), self.rules.second_factor
        )
        step = session.missing(row, kinds, roles, required=required)
        return Visitor(tx.tenant, secret, row, account, roles, kinds, step)

    def language(self, request: Request, visitor: Visitor | None = None) -> Language:
        """Return the language of the page: the account's, or what the browser asks for."""
        if visitor is not None:
            return "es" if visitor.account.language == "es" else "en"
        return language_of(answers.languages(request.headers))

    def login(
        self, tenant: int | str, then: str, *, again: bool = False, said: str = ""
    ) -> Response:
        """Send the browser to sign in, and from there to `then`."""
        query = {"tenant": str(tenant), "continue": then}
        if again:
            query["again"] = "1"
        if said:
            query["said"] = said
        return answers.redirect(f"{LOGIN}?{urlencode(query)}")

    def onward(self, visitor: Visitor, then: str) -> Response | None:
        """Send the browser where what is missing can be given; None when nothing is."""
        paths: dict[Step, str] = {
            "second-factor": "/auth/second-factor",
            "enrol": "/auth/factors",
            "role": "/auth/role",
        }
        path = paths.get(visitor.step)
        return None if path is None else answers.redirect(f"{path}?{urlencode({'continue': then})}")

    async def entered(
        self,
        tx: Transaction,
        request: Request,
        account: str,
        methods: Sequence[str],
    ) -> str:
        """Open a session, and return the value of its cookie.

        Somebody who signs in again in the same browser goes on in the same session: what their apps may do stays.
        """
        secret = secrets.token_urlsafe(SECRET_BYTES)
        agent = request.headers.get("user-agent", "")[:_LONGEST_AGENT]
        earlier = _COOKIE.fullmatch(self._cookie(request, SESSION))
        row = None if earlier is None else await sessions.of_secret(tx, earlier[2])
        if row is not None and row.account != account:
            await self.end_sessions(tx, row.account, only=row.id)
            row = None
        if row is None:
            await sessions.open_(tx, secret, account, methods, agent, address_of(request.scope))
        else:
            await sessions.renew(tx, row.id, secret, methods)
        await self.tell(tx, request, "login", account, detail=" ".join(methods))
        return f"{tx.tenant}.{secret}"

    async def end_sessions(
        self, tx: Transaction, account: str, *, only: str | None = None, but: str | None = None
    ) -> None:
        """End sessions of an account, and with each what apps may do only while it lasts."""
        for ended in await sessions.end(tx, account, only=only, but=but):
            await end_session(tx, ended)

    def with_session(self, answer: Response, value: str) -> Response:
        """Let the browser have a session's cookie."""
        return answers.set_cookie(answer, SESSION, value, secure=self.secure)

    def without_session(self, answer: Response) -> Response:
        """Let the browser forget its session."""
        return answers.drop_cookie(answer, SESSION, secure=self.secure)

    def door(self, request: Request) -> str:
        """Return what tells this browser from others before anybody has signed in; a new one when it has none."""
        known = self._cookie(request, DOOR)
        return known if _DOOR.fullmatch(known) else secrets.token_urlsafe(SECRET_BYTES)

    def with_door(self, answer: Response, door: str) -> Response:
        """Let the browser keep its `door`."""
        return answers.set_cookie(answer, DOOR, door, secure=self.secure)

    def proof(self, secret: str) -> Html:
        """Return the hidden field that shows a form is one of ours: nobody without the cookie can make it."""
        return hidden("proof", _proof(secret))

    async def form(self, request: Request, secret: str) -> Form | None:
        """Return the fields of a form of ours that the browser with `secret` was given; None for any other."""
        form = await read_form(request)
        if form is None or not hmac.compare_digest(
            first(form, "proof").encode(), _proof(secret).encode()
        ):
            return None
        return form

    def page(
        self,
        request: Request,
        visitor: Visitor | None,
        title: str,
        *children: str,
        status: int = 200,
        scripted: bool = False,
        leads_to: str = "",
    ) -> Response:
        """Return a page in the visitor's language; `title` is the key of a text.

        A page of somebody who is signed in leaves the screen when the session runs out.
        """
        language = self.language(request, visitor)
        refresh = None
        if visitor is not None:
            left = answers.seconds(self.rules.limits.idle) + 1
            gone = urlencode({"tenant": str(visitor.tenant), "said": "logged-off"})
            refresh = (left, f"{LOGIN}?{gone}")
        return answers.page(
            language,
            words(language, title),
            *children,
            status=status,
            scripted=scripted,
            leads_to=leads_to,
            refresh=refresh,
        )

    async def tell(
        self,
        tx: Transaction,
        request: Request,
        what: What,
        account: str | None,
        *,
        outcome: Outcome = "0",
        detail: str = "",
        patients: frozenset[str] = frozenset(),
    ) -> None:
        """Tell the audit, with what `tx` writes."""
        actor = Actor(account=account or "", address=address_of(request.scope))
        happening = Happening(
            tx.tenant, what, tx.now, actor, outcome, patients=patients, detail=detail
        )
        await self._auditing.within(tx, happening)

    def _cookie(self, request: Request, name: str) -> str:
        return request.cookies.get(answers.cookie_name(name, secure=self.secure), "")


def _proof(secret: str) -> str:
    sealed = hmac.new(secret.encode(), b"form", hashlib.sha256).digest()
    return urlsafe_b64encode(sealed).decode().rstrip("=")
