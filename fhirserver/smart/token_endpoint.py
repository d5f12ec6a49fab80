"""``POST /auth/token``: a code, a refresh token or a proof becomes an access token.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-access-token,
https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html#obtain-access-token
"""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from authlib.oauth2.rfc6749.errors import InvalidGrantError, InvalidRequestError, OAuth2Error
from starlette.requests import Request
from starlette.responses import Response

from fhirserver.auth.scopes import Scopes, read_scopes
from fhirserver.crypto.secret_digest import secret_digest
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Principal
from fhirserver.smart import answers, token_request
from fhirserver.smart.client import AUTHORIZATION_CODE, CLIENT_CREDENTIALS, Client
from fhirserver.smart.client_authentication import unproved
from fhirserver.smart.family import (
    ACCESS_LIFETIME,
    BACKEND_LIFETIME,
    REFRESH_LIFETIME,
    Family,
    Known,
    Refresh,
)
from fhirserver.smart.http_form import answered, read_form, refused
from fhirserver.smart.id_token import OPENID, id_token
from fhirserver.smart.server import AuthorizationServer
from fhirserver.store import clients, grants

_SECRET_BYTES: Final = 32


class TokenEndpoint:
    """One of the edges of an `AuthorizationServer`."""

    def __init__(self, server: AuthorizationServer) -> None:
        """Answer for `server`."""
        self._server = server
        self._store = server.store

    async def __call__(self, request: Request) -> Response:
        """Answer with tokens, or with the error of RFC 6749 section 5.2."""
        form: Mapping[str, str] = {}
        try:
            form = await read_form(request)
            asked = token_request.grant_type(form)
            client = await self._server.proof.client(request, form)
            token_request.permit(client, asked)
            if asked == AUTHORIZATION_CODE:
                answer = await self._of_code(client, form)
            elif asked == CLIENT_CREDENTIALS:
                answer = await self._of_client(client, form)
            else:
                answer = await self._of_refresh(client, form)
        except OAuth2Error as error:
            named = await self._server.proof.named(request, form)
            await self._server.tell_token_refused(request, named, error)
            return refused(error)
        await self._server.tell_token_issued(request, client, asked, answer)
        return answered(answer)

    async def _of_code(self, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
        text, redirect_uri, verifier = token_request.code_form(form)
        async with self._store.transaction(client.tenant) as tx:
            # A code is spent by the first try, whatever comes of it.
            code = await grants.take_code(tx, secret_digest(text))
            if code is not None and code.used is None:
                try:
                    family = token_request.redeem(code, client, redirect_uri, verifier, tx.now)
                except InvalidGrantError as problem:
                    failure = problem
                else:
                    scopes = read_scopes(family.scopes)
                    return await self._issue(tx, client, family, scopes)
            elif code is not None:
                await grants.end_grants(tx, family=code.family.id)
                failure = InvalidGrantError("The code was used before.")
            else:
                failure = InvalidGrantError("The code is not known.")
        raise failure

    async def _of_refresh(self, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
        if "refresh_token" not in form:
            raise InvalidRequestError("refresh_token is missing.")
        digest = secret_digest(form["refresh_token"])
        await self._require_session(client, digest)
        async with self._store.transaction(client.tenant) as tx:
            refresh = await grants.find_refresh(tx, digest)
            if refresh is None:
                raise InvalidGrantError("The refresh token is not known.")
            if refresh.used is None:
                family = token_request.renew(refresh, client, tx.now)
                scopes = token_request.asked_again(family.scopes, form.get("scope"))
                await grants.use_refresh(tx, digest)
                return await self._issue(tx, client, replace(family, nonce=None), scopes)
            # Two have it: nobody can tell which of them is the app.
            await grants.end_grants(tx, family=refresh.family.id)
        raise InvalidGrantError("The refresh token was used before.")

    async def _require_session(self, client: Client, digest: bytes) -> None:
        """Raise `InvalidGrantError` where refreshing ends with a session that has ended."""
        async with self._store.transaction(client.tenant) as tx:
            refresh: Refresh | None = await grants.find_refresh(tx, digest)
        if refresh is None or not token_request.ends_with_session(refresh.family.scopes):
            return
        if not await self._server.people.is_alive(client.tenant, refresh.family.session):
            raise InvalidGrantError("The session has ended.")

    async def _of_client(self, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
        scopes = token_request.backend_scopes(client, form.get("scope"))
        holder = Principal(client.tenant, "client", client.id)
        token = secrets.token_urlsafe(_SECRET_BYTES)
        async with self._store.transaction(client.tenant) as tx:
            # Whoever disables it now finds the token, or was first.
            if not await clients.hold_enabled(tx, client.id):
                raise unproved("The client is not known.")
            expires = tx.now + BACKEND_LIFETIME
            known = Known(holder, scopes.texts(), None, client.id, None, tx.now, expires, None)
            await grants.add_access(tx, secret_digest(token), known)
        return answers.issued(token, BACKEND_LIFETIME, scopes.text(), None)

    async def _issue(
        self, tx: Transaction, client: Client, family: Family, scopes: Scopes
    ) -> dict[str, Any]:
        token, refresh, identity = secrets.token_urlsafe(_SECRET_BYTES), None, None
        known = Known(
            family.principal,
            scopes.texts(),
            family.patient,
            client.id,
            family.account,
            tx.now,
            tx.now + ACCESS_LIFETIME,
            family,
        )
        await grants.add_access(tx, secret_digest(token), known)
        if token_request.is_refreshable(read_scopes(family.scopes), client):
            refresh = secrets.token_urlsafe(_SECRET_BYTES)
            until = min(tx.now + REFRESH_LIFETIME, family.expires)
            await grants.add_refresh(tx, secret_digest(refresh), family, until)
        if scopes.has(OPENID):
            at = self._server.at
            key = await self._server.keys.signing()
            identity = id_token(family, at.issuer, at.fhir_base, key, tx.now)
        return answers.issued(
            token, ACCESS_LIFETIME, scopes.text(), family, refresh=refresh, identity=identity
        )
