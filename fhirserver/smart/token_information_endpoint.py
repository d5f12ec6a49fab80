"""``POST /auth/introspect`` and ``/auth/revoke``: what a token is still good for, and the end of it.

Spec: https://www.rfc-editor.org/rfc/rfc7662, https://www.rfc-editor.org/rfc/rfc7009,
https://hl7.org/fhir/smart-app-launch/STU2.2/token-introspection.html
"""

from collections.abc import Mapping

from authlib.oauth2.rfc6749.errors import InvalidGrantError, InvalidRequestError, OAuth2Error
from starlette.requests import Request
from starlette.responses import Response

from fhirserver.crypto.secret_digest import secret_digest
from fhirserver.kernel.ports import Transaction
from fhirserver.smart import answers
from fhirserver.smart.client_authentication import unproved
from fhirserver.smart.family import Known, Refresh
from fhirserver.smart.http_form import answered, read_form, refused
from fhirserver.smart.server import AuthorizationServer
from fhirserver.store import grants


class TokenInformationEndpoint:
    """Two of the edges of an `AuthorizationServer`."""

    def __init__(self, server: AuthorizationServer) -> None:
        """Answer for `server`."""
        self._server = server
        self._store = server.store

    async def introspect(self, request: Request) -> Response:
        """Tell a client of its own tokens, and one that may, or an administrator, of all."""
        form: Mapping[str, str] = {}
        try:
            form = await read_form(request)
            administrator = await self._server.administrator(request)
            if administrator is not None:
                tenant, only = administrator.principal.tenant, None
            else:
                client = await self._server.proof.client(request, form)
                if not client.is_confidential:
                    raise unproved("Introspection needs a client that proves who it is.")
                tenant, only = client.tenant, None if client.introspects else client.id
            if "token" not in form:
                raise InvalidRequestError("token is missing.")
        except OAuth2Error as error:
            return await self._refused(request, form, error)
        async with self._store.transaction(tenant) as tx:
            found = await _find(tx, secret_digest(form["token"]))
        if found is None or not (only is None or _client_of(found) == only):
            return answered(answers.INACTIVE)
        return answered(answers.introspected(found, self._server.at))

    async def revoke(self, request: Request) -> Response:
        """End a token of the client that asks: an access token alone, a refresh token with all that came of it."""
        form: Mapping[str, str] = {}
        try:
            form = await read_form(request)
            client = await self._server.proof.client(request, form)
            if "token" not in form:
                raise InvalidRequestError("token is missing.")
            digest = secret_digest(form["token"])
            async with self._store.transaction(client.tenant) as tx:
                found = await _find(tx, digest)
                if found is not None and _client_of(found) != client.id:
                    raise InvalidGrantError("The token was given to another client.")
                if isinstance(found, Refresh):
                    await grants.end_grants(tx, family=found.family.id)
                elif found is not None:
                    await grants.end_access(tx, digest)
        except OAuth2Error as error:
            return await self._refused(request, form, error)
        if found is not None:
            await self._server.tell_revoked(request, client)
        return answered({})

    async def _refused(
        self, request: Request, form: Mapping[str, str], error: OAuth2Error
    ) -> Response:
        named = await self._server.proof.named(request, form)
        await self._server.tell_token_refused(request, named, error)
        return refused(error)


async def _find(tx: Transaction, digest: bytes) -> Known | Refresh | None:
    """Return the token that is good now."""
    access = await grants.find_access(tx, digest)
    if access is not None:
        return access
    refresh = await grants.find_refresh(tx, digest)
    if refresh is None or refresh.used is not None or refresh.family.revoked is not None:
        return None
    return refresh if min(refresh.expires, refresh.family.expires) > tx.now else None


def _client_of(token: Known | Refresh) -> str:
    return token.client if isinstance(token, Known) else token.family.client
