"""Signing in: by password and second factor, or by a passkey; and signing out.

Every refusal of a name and password is the same answer, whether the name exists, has no password or is closed.
"""

import asyncio
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from fhirserver.accounts import (
    answers,
    attempts,
    challenge,
    one_time_code,
    passkeys,
    passwords,
    totp,
)
from fhirserver.accounts.desk import ACCOUNT, LOGIN, Desk, Visitor
from fhirserver.accounts.forms import Form, first
from fhirserver.accounts.html import Html, button, element, field, hidden, said
from fhirserver.accounts.passkeys import Passkey
from fhirserver.accounts.texts import Language, words
from fhirserver.kernel.ports import Transaction
from fhirserver.rest.doors import address_of
from fhirserver.store import factors, people

_SAID: Final = frozenset({"logged-off", "signed-out", "start-done", "confirm-first"})
_PURPOSE: Final = "sign-in"
# Whoever guesses must leave the other cores to alarms.
_AT_ONCE: Final = 1
_LONGEST_NAME: Final = 256


class SignIn:
    """The pages."""

    def __init__(self, desk: Desk) -> None:
        """Work at `desk`."""
        self._desk = desk
        self._comparing = asyncio.Semaphore(_AT_ONCE)

    async def show(self, request: Request) -> Response:
        """Ask for name and password; somebody who is signed in is sent on."""
        query = request.query_params
        then = answers.own_path(query.get("continue", ""), ACCOUNT)
        told = query.get("said", "")
        if not told and query.get("again") != "1":
            visitor = await self._desk.visitor(request)
            if visitor is not None:
                # Whose account is linked to nobody can go nowhere but to it.
                then = then if visitor.principal is not None else ACCOUNT
                return self._desk.onward(visitor, then) or answers.redirect(then)
        message = told if told in _SAID else ""
        return await self._page(request, query.get("tenant", ""), then, said=message)

    async def password(self, request: Request) -> Response:
        """Sign in by name and password."""
        desk = self._desk
        form = await desk.form(request, desk.door(request))
        if form is None:
            return await self._page(request, "", ACCOUNT, wrong="form-old", status=400)
        then = answers.own_path(first(form, "continue"), ACCOUNT)
        written = first(form, "tenant")
        tenant = await desk.tenant(written)
        login, password = first(form, "login")[:_LONGEST_NAME], first(form, "password")
        if tenant is None:
            await self._compare(passwords.NOBODY, password)
            return await self._page(request, written, then, wrong="wrong", status=400)
        account, kept = None, passwords.NOBODY
        async with desk.transaction(tenant) as tx:
            paused = await attempts.begin(tx, attempts.named(login), address_of(request.scope))
            if paused is None:
                known = await people.by_login(tx, login)
                if known is not None and known.disabled is None and known.has_password:
                    account, kept = known, await people.password(tx, known.id) or kept
            else:
                await desk.tell(tx, request, "locked", None, outcome="4", detail="paused")
        if paused is not None:
            return await self._page(request, written, then, paused=paused, status=429)
        good = await self._compare(kept, password)
        async with desk.transaction(tenant) as tx:
            if account is None or not good:
                known_id = None if account is None else account.id
                await desk.tell(tx, request, "login-refused", known_id, outcome="4", detail="pwd")
                cookie = None
            else:
                await attempts.succeeded(tx, attempts.named(login), address_of(request.scope))
                if passwords.is_outdated(kept):
                    salt = secrets.token_bytes(passwords.SALT_BYTES)
                    await people.set_password(
                        tx, account.id, await asyncio.to_thread(passwords.hashed, password, salt)
                    )
                cookie = await desk.entered(tx, request, account.id, ("pwd",))
        if cookie is None:
            return await self._page(request, written, then, wrong="wrong", status=400)
        return desk.with_session(_onward(then), cookie)

    async def passkey(self, request: Request) -> Response:
        """Sign in by a passkey, which needs no name."""
        desk = self._desk
        door = desk.door(request)
        form = await desk.form(request, door)
        if form is None:
            return await self._page(request, "", ACCOUNT, wrong="form-old", status=400)
        then = answers.own_path(first(form, "continue"), ACCOUNT)
        written = first(form, "tenant")
        tenant = await desk.tenant(written)
        if tenant is None:
            return await self._page(request, written, then, wrong="passkey-failed", status=400)
        async with desk.transaction(tenant) as tx:
            account = await self._account_of(tx, form, door)
            if account is None:
                await desk.tell(tx, request, "login-refused", None, outcome="4", detail="hwk")
                cookie = None
            else:
                cookie = await desk.entered(tx, request, account, ("hwk",))
        if cookie is None:
            return await self._page(request, written, then, wrong="passkey-failed", status=400)
        return desk.with_session(_onward(then), cookie)

    async def _account_of(self, tx: Transaction, form: Form, door: str) -> str | None:
        """Return the account whose passkey answered the page's challenge, None when none did."""
        given = decoded(first(form, "challenge"))
        credential = first(form, "credential")
        named = passkeys.credential_id(credential)
        if named is None or not await challenge.answered(tx, _PURPOSE, door, given):
            return None
        factor = await factors.of_credential(tx, named)
        if factor is None:
            return None
        account = await people.by_id(tx, factor.account)
        kept = Passkey(named, factor.secret, factor.counter)
        count = passkeys.used_count(self._desk.site, given, credential, kept)
        if account is None or account.disabled is not None or count is None:
            return None
        return account.id if await factors.used(tx, factor, count) else None

    async def second_factor(self, request: Request) -> Response:
        """Ask for the code of an authenticator app, or a recovery code."""
        visitor = await self._desk.visitor(request)
        then = answers.own_path(request.query_params.get("continue", ""), ACCOUNT)
        if visitor is None:
            return self._desk.login("", then)
        if visitor.step != "second-factor":
            return self._desk.onward(visitor, then) or answers.redirect(then)
        return self._factor_page(request, visitor, then)

    async def code(self, request: Request) -> Response:
        """Check the code; a right one makes a new session of the half one."""
        desk = self._desk
        visitor = await desk.visitor(request)
        form = None if visitor is None else await desk.form(request, visitor.secret)
        if visitor is None or form is None:
            return desk.login("", ACCOUNT)
        then = answers.own_path(first(form, "continue"), ACCOUNT)
        if visitor.step != "second-factor":
            return desk.onward(visitor, then) or answers.redirect(then)
        account = visitor.account
        async with desk.transaction(visitor.tenant) as tx:
            subject = attempts.second_factor_of(account.login)
            paused = await attempts.begin(tx, subject, address_of(request.scope))
            method = None
            if paused is None:
                method = await _method_of(tx, account.id, first(form, "code"))
            if method is None:
                await desk.tell(tx, request, "login-refused", account.id, outcome="4", detail="otp")
                cookie = None
            else:
                await attempts.succeeded(tx, subject, address_of(request.scope))
                cookie = await desk.entered(tx, request, account.id, ("pwd", method))
        if cookie is None:
            return self._factor_page(request, visitor, then, paused=paused, wrong=True)
        return desk.with_session(_onward(then), cookie)

    async def sign_out(self, request: Request) -> Response:
        """End this session."""
        desk = self._desk
        visitor = await desk.visitor(request)
        if visitor is None:
            return desk.without_session(desk.login("", ACCOUNT, said="signed-out"))
        if await desk.form(request, visitor.secret) is None:
            return answers.redirect(ACCOUNT)
        async with desk.transaction(visitor.tenant) as tx:
            await desk.end_sessions(tx, visitor.account.id, only=visitor.session.id)
            await desk.tell(tx, request, "logout", visitor.account.id)
        return desk.without_session(desk.login(visitor.tenant, ACCOUNT, said="signed-out"))

    async def _compare(self, kept: str, password: str) -> bool:
        async with self._comparing:
            return await asyncio.to_thread(passwords.matches, kept, password)

    async def _page(
        self,
        request: Request,
        tenant: str,
        then: str,
        *,
        said: str = "",
        wrong: str = "",
        paused: datetime | None = None,
        status: int = 200,
    ) -> Response:
        desk = self._desk
        language, door = desk.language(request), desk.door(request)
        number = await desk.tenant(tenant)
        carried = (desk.proof(door), hidden("tenant", tenant), hidden("continue", then))
        message = _message(language, said, wrong, paused)
        passkey = Html()
        if number is not None:
            async with desk.transaction(number) as tx:
                fresh = await challenge.made(tx, _PURPOSE, door)
            passkey = passkey_form(
                language,
                "/auth/passkey",
                passkeys.request_options(desk.site, fresh),
                fresh,
                words(language, "passkey-sign-in"),
                *carried,
            )
        form = element(
            "form",
            *carried,
            field(
                "login", words(language, "login"), autocomplete="username webauthn", focused=True
            ),
            field(
                "password",
                words(language, "password"),
                kind="password",
                autocomplete="current-password",
            ),
            button(words(language, "sign-in")),
            method="post",
            action="/auth/login",
        )
        more = element(
            "p",
            words(language, "forgotten"),
            " ",
            element("a", words(language, "have-code"), href="/auth/start"),
        )
        answer = desk.page(
            request, None, "sign-in", message, form, passkey, more, status=status, scripted=True
        )
        return desk.with_door(answer, door)

    def _factor_page(
        self,
        request: Request,
        visitor: Visitor,
        then: str,
        *,
        paused: datetime | None = None,
        wrong: bool = False,
    ) -> Response:
        desk = self._desk
        language = desk.language(request, visitor)
        message = _message(language, "", "wrong-code" if wrong else "", paused)
        form = element(
            "form",
            desk.proof(visitor.secret),
            hidden("continue", then),
            field(
                "code",
                words(language, "factor-code"),
                hint=words(language, "factor-hint"),
                autocomplete="one-time-code",
                focused=True,
            ),
            button(words(language, "continue")),
            method="post",
            action="/auth/second-factor",
        )
        status = 429 if paused else 400 if wrong else 200
        return desk.page(request, visitor, "second-factor", message, form, status=status)


def passkey_form(
    language: Language, action: str, options: str, fresh: bytes, label: str, *carried: str
) -> Html:
    """Return a form that a script fills in with a passkey's answer to `options`; hidden where there is no script."""
    return element(
        "form",
        *carried,
        hidden("challenge", urlsafe_b64encode(fresh).decode()),
        hidden("credential", ""),
        element("p", role="alert"),
        button(label, plain=True),
        method="post",
        action=action,
        hidden=True,
        data_passkey=options,
        data_failed=words(language, "passkey-failed"),
    )


def decoded(text: str) -> bytes:
    """Return the bytes of a hidden field, none for what no page of ours holds."""
    try:
        return urlsafe_b64decode(text.encode())
    except ValueError:
        return b""


async def _method_of(tx: Transaction, account: str, code: str) -> str | None:
    """Return how `code` proves who somebody is: ``otp`` of an app, ``kba`` for a recovery code; None: not at all."""
    for factor in await factors.of_account(tx, account):
        if factor.kind == "totp":
            step = totp.accepted_step(factor.secret, code, tx.now, factor.counter)
            if step is not None:
                return "otp" if await factors.used(tx, factor, step) else None
    recovered = await factors.use_recovery_code(tx, account, one_time_code.digest(code))
    return "kba" if recovered else None


def _message(language: Language, told: str, wrong: str, paused: datetime | None) -> Html:
    if paused is not None:
        return said(words(language, "paused", time=f"{paused:%H:%M:%S}"), wrong=True)
    if wrong:
        return said(words(language, wrong), wrong=True)
    return said(words(language, told)) if told else Html()


def _onward(then: str) -> Response:
    # The login page sends on whoever is signed in, to what is still missing or to where they wanted.
    return answers.redirect(f"{LOGIN}?{urlencode({'continue': then})}")
