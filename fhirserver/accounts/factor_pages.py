"""Second factors: authenticator apps, passkeys and recovery codes, added and removed by their person."""

import secrets
from base64 import urlsafe_b64encode
from typing import Final

import segno
from starlette.requests import Request
from starlette.responses import Response

from fhirserver.accounts import answers, challenge, one_time_code, passkeys, session, totp
from fhirserver.accounts.account_page import stamp
from fhirserver.accounts.desk import ACCOUNT, Desk, Visitor
from fhirserver.accounts.forms import Form, first
from fhirserver.accounts.html import Html, button, element, field, hidden, said
from fhirserver.accounts.sign_in import decoded, passkey_form
from fhirserver.accounts.texts import Language, words
from fhirserver.crypto.envelope import Tampered
from fhirserver.kernel.ports import Transaction
from fhirserver.store import factors, sessions
from fhirserver.store.factors import Factor

FACTORS: Final = "/auth/factors"
_TOTP: Final = "/auth/totp"
_ISSUER: Final = "fhirserver"
_RECOVERY_CODES: Final = 10
_MOST: Final = 20
_CREATION: Final = "new-passkey"


class FactorPages:
    """The pages. Changing anything needs somebody who signed in a short while ago."""

    def __init__(self, desk: Desk) -> None:
        """Work at `desk`."""
        self._desk = desk

    async def show(self, request: Request) -> Response:
        """List the second factors."""
        visitor = await self._allowed(request, FACTORS)
        return visitor if isinstance(visitor, Response) else await self._page(request, visitor)

    async def remove(self, request: Request) -> Response:
        """Remove one."""
        opened = await self._posted(request)
        if isinstance(opened, Response):
            return opened
        visitor, form = opened
        desk = self._desk
        async with desk.transaction(visitor.tenant) as tx:
            known = {one.id for one in await factors.of_account(tx, visitor.account.id)}
            if first(form, "factor") in known:
                await factors.remove(tx, visitor.account.id, first(form, "factor"))
                await desk.end_sessions(tx, visitor.account.id, but=visitor.session.id)
                await desk.tell(tx, request, "factor-changed", visitor.account.id, detail="removed")
        return answers.redirect(FACTORS)

    async def show_totp(self, request: Request) -> Response:
        """Show the key of a new authenticator app."""
        visitor = await self._allowed(request, _TOTP)
        if isinstance(visitor, Response):
            return visitor
        return await self._totp_page(request, visitor, secrets.token_bytes(totp.SECRET_BYTES))

    async def totp(self, request: Request) -> Response:
        """Keep the key once the app shows the right code."""
        opened = await self._posted(request)
        if isinstance(opened, Response):
            return opened
        visitor, form = opened
        desk = self._desk
        async with desk.transaction(visitor.tenant) as tx:
            try:
                key = await tx.unseal(None, _key_place(visitor), decoded(first(form, "key")))
            except Tampered:
                return answers.redirect(_TOTP)
            step = totp.accepted_step(key, first(form, "code"), tx.now, 0)
            if step is not None:
                await factors.add(tx, visitor.account.id, "totp", key, counter=step)
                codes = await self._added(tx, request, visitor, "otp")
        if step is None:
            return await self._totp_page(request, visitor, key, wrong=True)
        return await self._done(request, visitor, codes)

    async def passkey(self, request: Request) -> Response:
        """Keep a passkey the browser made."""
        opened = await self._posted(request)
        if isinstance(opened, Response):
            return opened
        visitor, form = opened
        desk = self._desk
        given = decoded(first(form, "challenge"))
        async with desk.transaction(visitor.tenant) as tx:
            made = None
            if await challenge.answered(tx, _CREATION, visitor.session.id, given):
                made = passkeys.created(desk.site, given, first(form, "credential"))
            if made is not None and await factors.of_credential(tx, made.credential) is None:
                await factors.add(
                    tx,
                    visitor.account.id,
                    "passkey",
                    made.public_key,
                    credential=made.credential,
                    counter=made.count,
                )
                codes = await self._added(tx, request, visitor, "hwk")
            else:
                made = None
        if made is None:
            return await self._page(request, visitor, wrong=True)
        return await self._done(request, visitor, codes)

    async def recovery(self, request: Request) -> Response:
        """Make new recovery codes in place of the old ones."""
        opened = await self._posted(request)
        if isinstance(opened, Response):
            return opened
        visitor, _ = opened
        async with self._desk.transaction(visitor.tenant) as tx:
            codes = await _new_codes(tx, visitor.account.id)
            await self._desk.tell(
                tx, request, "factor-changed", visitor.account.id, detail="recovery"
            )
        return await self._done(request, visitor, codes)

    async def _allowed(self, request: Request, then: str) -> Visitor | Response:
        """Return who may see and change factors, or where they must go first."""
        desk = self._desk
        visitor = await desk.visitor(request)
        if visitor is None:
            return desk.login("", then)
        if visitor.step == "second-factor":
            return desk.onward(visitor, then) or answers.redirect(then)
        async with desk.transaction(visitor.tenant) as tx:
            fresh = session.is_fresh(visitor.session, tx.now)
        if not fresh:
            return desk.login(visitor.tenant, then, again=True, said="confirm-first")
        return visitor

    async def _posted(self, request: Request) -> tuple[Visitor, Form] | Response:
        visitor = await self._allowed(request, FACTORS)
        if isinstance(visitor, Response):
            return visitor
        form = await self._desk.form(request, visitor.secret)
        return answers.redirect(FACTORS) if form is None else (visitor, form)

    async def _added(
        self, tx: Transaction, request: Request, visitor: Visitor, method: str
    ) -> list[str]:
        """Note a new factor, by which the session is now proved too; return recovery codes if these are the first."""
        desk = self._desk
        await desk.tell(tx, request, "factor-changed", visitor.account.id, detail=f"added {method}")
        await desk.end_sessions(tx, visitor.account.id, but=visitor.session.id)
        if method not in visitor.session.methods:
            await sessions.prove(tx, visitor.session.id, method)
        if "recovery" in visitor.factors:
            return []
        return await _new_codes(tx, visitor.account.id)

    async def _done(self, request: Request, visitor: Visitor, codes: list[str]) -> Response:
        """Show new recovery codes, the only time they can be seen."""
        if not codes:
            return answers.redirect(FACTORS)
        language = self._desk.language(request, visitor)
        return self._desk.page(
            request,
            visitor,
            "recovery",
            said(words(language, "recovery-hint")),
            element("ul", *(element("li", one, class_="code") for one in codes)),
            element("p", element("a", words(language, "continue"), href=ACCOUNT)),
        )

    async def _page(self, request: Request, visitor: Visitor, *, wrong: bool = False) -> Response:
        desk = self._desk
        language = desk.language(request, visitor)
        async with desk.transaction(visitor.tenant) as tx:
            known = await factors.of_account(tx, visitor.account.id)
            fresh = await challenge.made(tx, _CREATION, visitor.session.id)
        shown = [one for one in known if one.kind != "recovery"]
        left = len(known) - len(shown)
        options = passkeys.creation_options(
            desk.site,
            fresh,
            visitor.account.id.encode(),
            visitor.account.login,
            visitor.account.name,
            [one.credential for one in known if one.kind == "passkey"],
        )
        children: list[str] = []
        if wrong:
            children.append(said(words(language, "passkey-failed"), wrong=True))
        if visitor.step == "enrol":
            children.append(said(words(language, "factors-needed")))
        rows = [self._row(language, visitor, one) for one in shown]
        children.append(
            element("ul", *rows, class_="listed")
            if rows
            else element("p", words(language, "no-factors"))
        )
        if len(shown) < _MOST:
            add = element("a", words(language, "add-totp"), href=_TOTP)
            children += [
                element("p", add),
                passkey_form(
                    language,
                    "/auth/passkeys",
                    options,
                    fresh,
                    words(language, "add-passkey"),
                    desk.proof(visitor.secret),
                ),
                element("noscript", element("p", words(language, "passkeys-script"))),
            ]
        if rows:
            renew = button(words(language, "new-recovery"), plain=True)
            children += [
                element("h2", words(language, "recovery")),
                element("p", words(language, "recovery-left", count=str(left))),
                self._form(visitor, "/auth/recovery", renew),
            ]
        if visitor.step != "enrol":
            children.append(element("p", element("a", words(language, "back"), href=ACCOUNT)))
        status = 400 if wrong else 200
        return desk.page(request, visitor, "factors", *children, status=status, scripted=True)

    def _row(self, language: Language, visitor: Visitor, one: Factor) -> Html:
        name = words(language, one.kind)
        remove = element(
            "button",
            words(language, "remove"),
            type="submit",
            class_="plain",
            aria_label=f"{words(language, 'remove')}: {name} {stamp(one.created)}",
        )
        return element(
            "li",
            name,
            ", ",
            words(language, "added", time=stamp(one.created)),
            self._form(visitor, FACTORS, hidden("factor", one.id), remove),
        )

    async def _totp_page(
        self, request: Request, visitor: Visitor, key: bytes, *, wrong: bool = False
    ) -> Response:
        desk = self._desk
        language = desk.language(request, visitor)
        async with desk.transaction(visitor.tenant) as tx:
            sealed = await tx.seal(None, _key_place(visitor), key)
        picture = segno.make(totp.address(key, visitor.account.login, _ISSUER), micro=False)
        svg = Html(picture.svg_inline(scale=5, svgclass=None, lineclass=None))
        message = said(words(language, "wrong-code"), wrong=True) if wrong else Html()
        return desk.page(
            request,
            visitor,
            "add-totp",
            message,
            element("p", words(language, "totp-scan")),
            element(
                "div", svg, class_="qr", role="img", aria_label=words(language, "totp-picture")
            ),
            element("p", words(language, "totp-key"), ": "),
            element("p", totp.written(key), class_="code"),
            self._form(
                visitor,
                _TOTP,
                hidden("key", urlsafe_b64encode(sealed).decode()),
                field(
                    "code",
                    words(language, "totp-code"),
                    autocomplete="one-time-code",
                    focused=True,
                ),
                button(words(language, "save")),
            ),
            status=400 if wrong else 200,
        )

    def _form(self, visitor: Visitor, action: str, *children: str) -> Html:
        proof = self._desk.proof(visitor.secret)
        return element("form", proof, *children, method="post", action=action)


async def _new_codes(tx: Transaction, account: str) -> list[str]:
    codes = [
        one_time_code.written(secrets.token_bytes(one_time_code.RECOVERY_BYTES))
        for _ in range(_RECOVERY_CODES)
    ]
    await factors.replace_recovery_codes(tx, account, [one_time_code.digest(one) for one in codes])
    return codes


def _key_place(visitor: Visitor) -> str:
    return f"new-totp|{visitor.session.id}"
