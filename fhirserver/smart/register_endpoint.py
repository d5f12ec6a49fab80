"""``POST /auth/register``: a client registers itself, where the operator lets it.

Spec: https://www.rfc-editor.org/rfc/rfc7591#section-3
"""

import orjson
from authlib.oauth2.rfc6749.errors import InvalidRequestError, OAuth2Error
from authlib.oauth2.rfc7591.errors import InvalidClientMetadataError
from starlette.requests import Request
from starlette.responses import Response

from fhirserver.smart import answers, registration
from fhirserver.smart.enrolment import enrolled
from fhirserver.smart.http_form import answered, read_body, refused
from fhirserver.smart.server import AuthorizationServer
from fhirserver.store import clients


class RegisterEndpoint:
    """One of the edges of an `AuthorizationServer`."""

    def __init__(self, server: AuthorizationServer) -> None:
        """Answer for `server`."""
        self._server = server

    async def __call__(self, request: Request) -> Response:
        """Answer with the client's id and, where it has one, its secret, which nobody sees again."""
        try:
            body = await read_body(request, "application/json")
        except InvalidRequestError as error:
            return refused(InvalidClientMetadataError(error.description))
        administrator = await self._server.administrator(request)
        if administrator is not None:
            tenant = administrator.principal.tenant
        elif self._server.registration == "open" and "authorization" not in request.headers:
            tenant = await self._server.tenant_of_strangers()
        else:
            answer = answered({"error": "invalid_token"}, 401)
            answer.headers["WWW-Authenticate"] = 'Bearer realm="fhirserver"'
            return answer
        try:
            metadata = orjson.loads(body)
            if not isinstance(metadata, dict):
                raise InvalidClientMetadataError("The metadata must be a JSON object.")
            wanted = registration.read(metadata, by_administrator=administrator is not None)
        except orjson.JSONDecodeError:
            return refused(InvalidClientMetadataError("The body is not JSON."))
        except OAuth2Error as error:
            return refused(error)
        client, secret = enrolled(wanted, tenant, self._server.store.now())
        async with self._server.store.transaction(tenant) as tx:
            await clients.add(tx, client)
        await self._server.tell_registered(request, client)
        return answered(answers.registered(client, secret), 201)
