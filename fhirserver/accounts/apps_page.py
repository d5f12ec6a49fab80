"""Apps that may use an account's data: what each was allowed, and ending it.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#using-well-known (management_endpoint)
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from fhirserver.accounts import answers
from fhirserver.accounts.account_page import role_text, stamp
from fhirserver.accounts.desk import ACCOUNT, Desk, Visitor
from fhirserver.accounts.forms import first
from fhirserver.accounts.html import Html, element, hidden
from fhirserver.accounts.scope_words import meaning
from fhirserver.accounts.texts import Language, words
from fhirserver.store import clients, grants
from fhirserver.store.grants import Listed

MANAGE: Final = "/auth/manage"


class AppsPage:
    """The page."""

    def __init__(self, desk: Desk) -> None:
        """Work at `desk`."""
        self._desk = desk

    async def show(self, request: Request) -> Response:
        """List what the account's person allowed."""
        desk = self._desk
        visitor = await desk.visitor(request)
        if visitor is None:
            return desk.login("", MANAGE)
        missing = desk.onward(visitor, MANAGE)
        if missing is not None:
            return missing
        language = desk.language(request, visitor)
        rows = []
        async with desk.transaction(visitor.tenant) as tx:
            for one in await grants.listed(tx, account=visitor.account.id):
                if one.family is not None and one.client is not None:
                    client = await clients.get(tx, one.client)
                    name = one.client if client is None else client.name
                    rows.append(self._row(language, visitor, one, name))
        listed = (
            element("ul", *rows, class_="listed")
            if rows
            else element("p", words(language, "no-apps"))
        )
        back = element("p", element("a", words(language, "back"), href=ACCOUNT))
        return desk.page(request, visitor, "apps", listed, back)

    async def end(self, request: Request) -> Response:
        """End what one app may do: its tokens stop working at once."""
        desk = self._desk
        visitor = await desk.visitor(request)
        form = None if visitor is None else await desk.form(request, visitor.secret)
        if visitor is None or form is None or visitor.step != "done":
            return desk.login("", MANAGE)
        wanted = first(form, "family")
        async with desk.transaction(visitor.tenant) as tx:
            for one in await grants.listed(tx, account=visitor.account.id):
                if one.family is not None and str(one.family) == wanted:
                    await grants.end_grants(tx, family=one.family)
                    await desk.tell(
                        tx, request, "token-revoked", visitor.account.id, detail="by the person"
                    )
        return answers.redirect(MANAGE)

    def _row(self, language: Language, visitor: Visitor, one: Listed, name: str) -> Html:
        allowed = [element("li", meaning(language, scope)) for scope in one.scopes or ()]
        remove = element(
            "button",
            words(language, "end-app"),
            type="submit",
            class_="plain",
            aria_label=f"{words(language, 'end-app')}: {name} {stamp(one.begun)}",
        )
        form = element(
            "form",
            self._desk.proof(visitor.secret),
            hidden("family", str(one.family)),
            remove,
            method="post",
            action=MANAGE,
        )
        role = next(
            (
                role_text(language, kind, reference)
                for kind, reference in visitor.roles
                if (kind, reference) == (one.kind, one.reference)
            ),
            one.reference,
        )
        since = words(language, "session-since", time=stamp(one.begun))
        return element(
            "li", element("strong", name), f", {role}, {since}", element("ul", *allowed), form
        )
