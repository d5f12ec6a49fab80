"""The account's own page: who it acts as, where it is signed in, its password."""

import asyncio
import secrets
from datetime import datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from fhirserver.accounts import answers, attempts, passwords, session
from fhirserver.accounts.desk import ACCOUNT, Desk, Visitor
from fhirserver.accounts.forms import first
from fhirserver.accounts.html import Html, button, choice, element, field, group, hidden, said
from fhirserver.accounts.texts import Language, words
from fhirserver.kernel.principal import PrincipalKind
from fhirserver.rest.doors import address_of
from fhirserver.store import people, sessions

_SAID: Final = frozenset({"others-ended", "password-changed"})


class AccountPage:
    """The pages."""

    def __init__(self, desk: Desk) -> None:
        """Work at `desk`."""
        self._desk = desk

    async def show(self, request: Request) -> Response:
        """Show the account."""
        desk = self._desk
        visitor = await desk.visitor(request)
        if visitor is None:
            return desk.login(request.query_params.get("tenant", ""), ACCOUNT)
        missing = desk.onward(visitor, ACCOUNT)
        if missing is not None:
            return missing
        language = desk.language(request, visitor)
        async with desk.transaction(visitor.tenant) as tx:
            open_ = [
                one
                for one in await sessions.of_account(tx, visitor.account.id)
                if not session.is_over(one, desk.rules.limits, tx.now)
            ]
        told = request.query_params.get("said", "")
        return desk.page(
            request,
            visitor,
            "account",
            said(words(language, told)) if told in _SAID else Html(),
            element("p", words(language, "signed-in-as", name=visitor.account.name)),
            *_roles(language, visitor),
            *self._sessions(language, visitor, open_),
            element("h2", words(language, "how")),
            element(
                "ul",
                _link("/auth/password", words(language, "change-password")),
                _link("/auth/factors", words(language, "factors")),
                _link("/auth/join", words(language, "join")),
                _link("/auth/manage", words(language, "apps")),
            ),
            self._form(visitor, "/auth/sign-out", button(words(language, "sign-out"))),
        )

    async def choose_role(self, request: Request) -> Response:
        """Ask as whom somebody with several roles acts."""
        desk = self._desk
        visitor = await desk.visitor(request)
        then = answers.own_path(request.query_params.get("continue", ""), ACCOUNT)
        if visitor is None:
            return desk.login("", then)
        if visitor.step in ("second-factor", "enrol"):
            return desk.onward(visitor, then) or answers.redirect(then)
        language = desk.language(request, visitor)
        now = visitor.principal
        radios = [
            choice(
                "radio",
                "role",
                f"{kind}:{reference}",
                role_text(language, kind, reference),
                chosen=(now is not None and (now.kind, now.reference) == (kind, reference)),
            )
            for kind, reference in visitor.roles
        ]
        return desk.page(
            request,
            visitor,
            "roles",
            self._form(
                visitor,
                "/auth/role",
                hidden("continue", then),
                group(words(language, "roles"), *radios),
                button(words(language, "continue")),
            ),
        )

    async def role(self, request: Request) -> Response:
        """Let the session act as whom its person chose."""
        desk = self._desk
        visitor = await desk.visitor(request)
        form = None if visitor is None else await desk.form(request, visitor.secret)
        if visitor is None or form is None:
            return desk.login("", ACCOUNT)
        kind, _, reference = first(form, "role").partition(":")
        then = answers.own_path(first(form, "continue"), ACCOUNT)
        if (kind, reference) in visitor.roles:
            async with desk.transaction(visitor.tenant) as tx:
                await sessions.act_as(tx, visitor.session.id, kind, reference)
                await desk.tell(tx, request, "role-changed", visitor.account.id, detail=kind)
        return answers.redirect(then)

    async def end(self, request: Request) -> Response:
        """Sign out another session, or all others."""
        desk = self._desk
        visitor = await desk.visitor(request)
        form = None if visitor is None else await desk.form(request, visitor.secret)
        if visitor is None or form is None or visitor.step != "done":
            return desk.login("", ACCOUNT)
        wanted = first(form, "session")
        async with desk.transaction(visitor.tenant) as tx:
            known = {one.id for one in await sessions.of_account(tx, visitor.account.id)}
            if wanted in known - {visitor.session.id}:
                await desk.end_sessions(tx, visitor.account.id, only=wanted)
            elif wanted == "others":
                await desk.end_sessions(tx, visitor.account.id, but=visitor.session.id)
            await desk.tell(tx, request, "logout", visitor.account.id, detail="elsewhere")
        return answers.redirect(f"{ACCOUNT}?said=others-ended")

    async def show_password(self, request: Request) -> Response:
        """Ask for a new password."""
        visitor = await self._desk.visitor(request)
        if visitor is None:
            return self._desk.login("", "/auth/password")
        return self._desk.onward(visitor, "/auth/password") or self._password_page(request, visitor)

    async def password(self, request: Request) -> Response:
        """Change the password; every other session ends."""
        desk = self._desk
        visitor = await desk.visitor(request)
        form = None if visitor is None else await desk.form(request, visitor.secret)
        if visitor is None or form is None or visitor.step != "done":
            return desk.login("", "/auth/password")
        account, new = visitor.account, first(form, "new")
        weak = passwords.weakness(new, account.login, account.name)
        if weak is None and new != first(form, "again"):
            return self._password_page(request, visitor, wrong="unequal")
        if weak is not None:
            return self._password_page(request, visitor, wrong=weak)
        subject = attempts.old_password_of(account.login)
        async with desk.transaction(visitor.tenant) as tx:
            paused = await attempts.begin(tx, subject, address_of(request.scope))
            kept = await people.password(tx, account.id)
        if paused is not None:
            return self._password_page(request, visitor, paused=paused)
        old = first(form, "old")
        if not await asyncio.to_thread(passwords.matches, kept or passwords.NOBODY, old):
            return self._password_page(request, visitor, wrong="old-wrong")
        hashed = await asyncio.to_thread(
            passwords.hashed, new, secrets.token_bytes(passwords.SALT_BYTES)
        )
        async with desk.transaction(visitor.tenant) as tx:
            await attempts.succeeded(tx, subject, address_of(request.scope))
            await people.set_password(tx, account.id, hashed)
            await desk.end_sessions(tx, account.id, but=visitor.session.id)
            await desk.tell(tx, request, "account-changed", account.id, detail="password")
        return answers.redirect(f"{ACCOUNT}?said=password-changed")

    def _password_page(
        self,
        request: Request,
        visitor: Visitor,
        wrong: str = "",
        *,
        paused: datetime | None = None,
    ) -> Response:
        language = self._desk.language(request, visitor)
        form = self._form(
            visitor,
            "/auth/password",
            hidden("login", visitor.account.login),
            field(
                "old",
                words(language, "old-password"),
                kind="password",
                autocomplete="current-password",
                focused=True,
            ),
            *new_password(language),
            button(words(language, "save")),
        )
        message = said(words(language, wrong), wrong=True) if wrong else Html()
        if paused is not None:
            message = said(words(language, "paused", time=f"{paused:%H:%M:%S}"), wrong=True)
        back = element("p", element("a", words(language, "back"), href=ACCOUNT))
        status = 429 if paused else 400 if wrong else 200
        return self._desk.page(
            request, visitor, "change-password", message, form, back, status=status
        )

    def _sessions(
        self, language: Language, visitor: Visitor, open_: list[session.Session]
    ) -> list[Html]:
        rows = []
        for one in open_:
            since = words(language, "session-since", time=stamp(one.opened))
            browser = f"{one.agent or '?'} ({one.address or '?'})"
            if one.id == visitor.session.id:
                deed: Html = element("strong", words(language, "this-session"))
            else:
                deed = self._form(
                    visitor,
                    "/auth/sessions",
                    hidden("session", one.id),
                    button(words(language, "end-session"), plain=True),
                )
            rows.append(element("li", browser, ", ", since, " ", deed))
        others = self._form(
            visitor,
            "/auth/sessions",
            hidden("session", "others"),
            button(words(language, "end-others"), plain=True),
        )
        return [
            element("h2", words(language, "sessions")),
            element("ul", *rows, class_="listed"),
            others if len(rows) > 1 else Html(),
        ]

    def _form(self, visitor: Visitor, action: str, *children: str) -> Html:
        proof = self._desk.proof(visitor.secret)
        return element("form", proof, *children, method="post", action=action)


def new_password(language: Language) -> tuple[Html, Html]:
    """Return the two fields of a new password."""
    first_ = field(
        "new",
        words(language, "new-password"),
        hint=words(language, "password-hint"),
        kind="password",
        autocomplete="new-password",
    )
    again = field("again", words(language, "again"), kind="password", autocomplete="new-password")
    return first_, again


def role_text(language: Language, kind: PrincipalKind, reference: str) -> str:
    """Return a role as people read it."""
    name = words(language, f"kind-{kind}")
    return f"{name} ({reference})" if reference else name


def stamp(moment: datetime) -> str:
    """Return a time as the pages write it (UTC)."""
    return f"{moment:%Y-%m-%d %H:%M}"


def _roles(language: Language, visitor: Visitor) -> list[Html]:
    if not visitor.roles:
        return [element("p", words(language, "no-roles"))]
    now = visitor.principal
    listed = [
        element(
            "li",
            role_text(language, kind, reference),
            " ✓" if now and (now.kind, now.reference) == (kind, reference) else "",
        )
        for kind, reference in visitor.roles
    ]
    change = _link("/auth/role", words(language, "consent-as")) if len(listed) > 1 else Html()
    return [element("h2", words(language, "roles")), element("ul", *listed, change)]


def _link(path: str, label: str) -> Html:
    return element("li", element("a", label, href=path))
