"""What anybody may read: the configuration of the server and its public keys."""

import orjson
from starlette.requests import Request
from starlette.responses import Response

from fhirserver.smart import discovery
from fhirserver.smart.server import AuthorizationServer


class DiscoveryEndpoint:
    """Three of the edges of an `AuthorizationServer`; pages of every origin may read them."""

    def __init__(self, server: AuthorizationServer) -> None:
        """Answer for `server`."""
        self._server = server

    async def smart(self, request: Request) -> Response:
        """Return the SMART configuration, as JSON whatever is asked for."""
        server = self._server
        return _json(discovery.smart_configuration(server.at, registers=server.registers))

    async def openid(self, request: Request) -> Response:
        """Return the configuration of the OpenID provider, which is that of the authorization server too."""
        server = self._server
        return _json(discovery.openid_configuration(server.at, registers=server.registers))

    async def keys(self, request: Request) -> Response:
        """Return the public keys that identity tokens are signed with."""
        return _json(await self._server.keys.public())


def _json(content: object) -> Response:
    return Response(orjson.dumps(content), 200, media_type="application/json")
