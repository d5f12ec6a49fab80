"""Accepting an invitation: with the account one has, or by making one.

Which invitations are good, and who may take them up, is decided in `fhirserver.interactions.accept_invitation`.
"""

import asyncio
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from fhirserver.accounts import administration, attempts, passwords
from fhirserver.accounts.account_page import new_password
from fhirserver.accounts.desk import ACCOUNT, Desk, Visitor
from fhirserver.accounts.forms import Form, first
from fhirserver.accounts.html import Html, button, element, field, hidden, said
from fhirserver.accounts.texts import words
from fhirserver.interactions.accept_invitation import Newcomer, accept
from fhirserver.kernel.errors import Conflict, Forbidden, Unprocessable
from fhirserver.kernel.ports import RecordStore
from fhirserver.rest.doors import address_of
from fhirserver.store import people

JOIN: Final = "/auth/join"
_LONGEST_NAME: Final = 200
_TYPED: Final = ("code", "name", "login")


class JoinPage:
    """The page. A link to it carries the code behind ``#``, where no server and no log sees it."""

    def __init__(self, desk: Desk, store: RecordStore) -> None:
        """Work at `desk`; what an invitation gives is written to `store`."""
        self._desk = desk
        self._store = store

    async def show(self, request: Request) -> Response:
        """Ask for the code, and for a new account of somebody who is not signed in."""
        visitor = await self._desk.visitor(request)
        if visitor is not None:
            missing = self._desk.onward(visitor, JOIN)
            if missing is not None:
                return missing
        return self._page(request, visitor, request.query_params.get("tenant", ""))

    async def join(self, request: Request) -> Response:
        """Accept."""
        desk = self._desk
        visitor = await desk.visitor(request)
        if visitor is not None and visitor.step != "done":
            return desk.login("", JOIN)
        secret = desk.door(request) if visitor is None else visitor.secret
        form = await desk.form(request, secret)
        if form is None:
            return self._page(request, visitor, "", wrong="form-old")
        if visitor is None:
            return await self._newcomer(request, form)
        return await self._known(request, visitor, first(form, "code"))

    async def _known(self, request: Request, visitor: Visitor, code: str) -> Response:
        desk = self._desk
        address = address_of(request.scope)
        async with desk.transaction(visitor.tenant) as tx:
            paused = await attempts.begin_code(tx, address)
        if paused is not None:
            return self._page(request, visitor, "", paused=paused)
        try:
            async with desk.transaction(visitor.tenant) as tx:
                newcomer = Newcomer(visitor.principal, visitor.account.name)
                done = await accept(self._store, tx, code.strip(), newcomer)
                await people.link(tx, visitor.account.id, done.kind, done.reference)
                await attempts.succeeded(tx, None, address)
                whose = frozenset({done.patient})
                await desk.tell(
                    tx, request, "invitation-accepted", visitor.account.id, patients=whose
                )
        except (Forbidden, Unprocessable):
            return self._page(request, visitor, "", wrong="join-wrong")
        language = desk.language(request, visitor)
        text = words(language, "join-done", reference=done.reference)
        back = element("p", element("a", words(language, "back"), href=ACCOUNT))
        return desk.page(request, visitor, "join", said(text), back)

    async def _newcomer(self, request: Request, form: Form) -> Response:
        desk = self._desk
        address = address_of(request.scope)
        written, new = first(form, "tenant"), first(form, "new")
        typed = {name: first(form, name).strip()[:_LONGEST_NAME] for name in _TYPED}
        tenant = await desk.tenant(written)
        if tenant is None or not typed["name"] or not typed["login"]:
            return self._page(request, None, written, typed, wrong="join-wrong")
        wrong = passwords.weakness(new, typed["login"], typed["name"])
        if wrong is not None:
            return self._page(request, None, written, typed, wrong=wrong)
        if new != first(form, "again"):
            return self._page(request, None, written, typed, wrong="unequal")
        async with desk.transaction(tenant) as tx:
            paused = await attempts.begin_code(tx, address)
        if paused is not None:
            return self._page(request, None, written, typed, paused=paused)
        salt = secrets.token_bytes(passwords.SALT_BYTES)
        hashed = await asyncio.to_thread(passwords.hashed, new, salt)
        try:
            async with desk.transaction(tenant) as tx:
                # The invitation first: who has none does not learn which names are taken.
                done = await accept(self._store, tx, typed["code"], Newcomer(None, typed["name"]))
                language = desk.language(request)
                account = await people.add(tx, typed["login"], typed["name"], language, None)
                await people.link(tx, account, done.kind, done.reference)
                await people.set_password(tx, account, hashed)
                await administration.tell_person(tx, account)
                await attempts.succeeded(tx, None, address)
                whose = frozenset({done.patient})
                await desk.tell(tx, request, "invitation-accepted", account, patients=whose)
        except Conflict:
            return self._page(request, None, written, typed, wrong="join-taken")
        except (Forbidden, Unprocessable):
            return self._page(request, None, written, typed, wrong="join-wrong")
        return desk.login(tenant, ACCOUNT, said="start-done")

    def _page(
        self,
        request: Request,
        visitor: Visitor | None,
        tenant: str,
        typed: Mapping[str, str] | None = None,
        *,
        wrong: str = "",
        paused: datetime | None = None,
    ) -> Response:
        desk = self._desk
        language = desk.language(request, visitor)
        door = desk.door(request)
        given = typed or {}
        message = Html()
        if paused is not None:
            message = said(words(language, "paused", time=f"{paused:%H:%M:%S}"), wrong=True)
        elif wrong:
            message = said(words(language, wrong), wrong=True)
        code = field("code", words(language, "join-code"), value=given.get("code", ""))
        account: tuple[Html, ...] = ()
        if visitor is None:
            sign_in = element(
                "a", words(language, "join-known"), href=f"/auth/login?continue={JOIN}"
            )
            message = Html(message + element("p", sign_in))
            account = (
                field(
                    "name",
                    words(language, "join-name"),
                    value=given.get("name", ""),
                    autocomplete="name",
                ),
                field(
                    "login",
                    words(language, "join-login"),
                    value=given.get("login", ""),
                    autocomplete="username",
                ),
                *new_password(language),
            )
        form = element(
            "form",
            desk.proof(door if visitor is None else visitor.secret),
            hidden("tenant", tenant),
            code,
            *account,
            button(words(language, "continue")),
            method="post",
            action=JOIN,
        )
        status = 429 if paused else 400 if wrong else 200
        answer = desk.page(request, visitor, "join", message, form, status=status, scripted=True)
        return desk.with_door(answer, door)
