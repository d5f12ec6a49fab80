"""Setting a password with the code an administrator handed over, once."""

import asyncio
import secrets
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from fhirserver.accounts import attempts, one_time_code, passwords
from fhirserver.accounts.account_page import new_password
from fhirserver.accounts.desk import ACCOUNT, Desk
from fhirserver.accounts.forms import first
from fhirserver.accounts.html import Html, button, element, field, hidden, said
from fhirserver.accounts.texts import words
from fhirserver.rest.doors import address_of
from fhirserver.store import factors, people
from fhirserver.store.grants import end_grants
from fhirserver.store.people import Account

PURPOSE = "start"


class StartPage:
    """The page. A link to it carries the code behind ``#``, where no server and no log sees it."""

    def __init__(self, desk: Desk) -> None:
        """Work at `desk`."""
        self._desk = desk

    async def show(self, request: Request) -> Response:
        """Ask for code and password."""
        return self._page(request, request.query_params.get("tenant", ""))

    async def start(self, request: Request) -> Response:
        """Set the password; the code is good no longer, and neither is anything signed in before."""
        desk = self._desk
        form = await desk.form(request, desk.door(request))
        if form is None:
            return self._page(request, "", wrong="form-old")
        written, code, new = first(form, "tenant"), first(form, "code"), first(form, "new")
        address = address_of(request.scope)
        tenant = await desk.tenant(written)
        if tenant is None:
            return self._page(request, written, wrong="start-wrong")
        digest = one_time_code.digest(code)
        account: Account | None = None
        async with desk.transaction(tenant) as tx:
            paused = await attempts.begin_code(tx, address)
            if paused is None:
                opened = await factors.offered_to(tx, digest, PURPOSE)
                account = None if opened is None else await people.by_id(tx, opened)
                if account is not None:
                    await attempts.succeeded(tx, None, address)
        if paused is not None:
            return self._page(request, written, paused=paused)
        if account is None:
            return self._page(request, written, wrong="start-wrong")
        weak = passwords.weakness(new, account.login, account.name)
        if weak is not None:
            return self._page(request, written, wrong=weak, code=code)
        if new != first(form, "again"):
            return self._page(request, written, wrong="unequal", code=code)
        hashed = await asyncio.to_thread(
            passwords.hashed, new, secrets.token_bytes(passwords.SALT_BYTES)
        )
        async with desk.transaction(tenant) as tx:
            # Asked again: somebody else may have used it while the password was made ready.
            if await factors.offered_to(tx, digest, PURPOSE) != account.id:
                return self._page(request, written, wrong="start-wrong")
            await factors.spend(tx, digest)
            await people.set_password(tx, account.id, hashed)
            await desk.end_sessions(tx, account.id)
            await end_grants(tx, account=account.id)
            await attempts.succeeded(tx, attempts.named(account.login), address)
            await desk.tell(tx, request, "account-changed", account.id, detail="password")
        return desk.login(tenant, ACCOUNT, said="start-done")

    def _page(
        self,
        request: Request,
        tenant: str,
        *,
        wrong: str = "",
        code: str = "",
        paused: datetime | None = None,
    ) -> Response:
        desk = self._desk
        language, door = desk.language(request), desk.door(request)
        message = Html()
        if paused is not None:
            text = words(language, "paused", time=f"{paused:%H:%M:%S}")
            message = said(text, wrong=True)
        elif wrong:
            message = said(words(language, wrong), wrong=True)
        form = element(
            "form",
            desk.proof(door),
            hidden("tenant", tenant),
            field("code", words(language, "start-code"), value=code, focused=not code),
            *new_password(language),
            button(words(language, "save")),
            method="post",
            action="/auth/start",
        )
        status = 429 if paused else 400 if wrong else 200
        answer = desk.page(request, None, "start", message, form, status=status, scripted=True)
        return desk.with_door(answer, door)
