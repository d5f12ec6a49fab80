"""The routes of the authorization server."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fhirserver.kernel.errors import FhirError
from fhirserver.smart.authorize_endpoint import DECIDE, PATH, AuthorizeEndpoint
from fhirserver.smart.discovery_endpoint import DiscoveryEndpoint
from fhirserver.smart.http_form import answered
from fhirserver.smart.register_endpoint import RegisterEndpoint
from fhirserver.smart.server import AuthorizationServer
from fhirserver.smart.token_endpoint import TokenEndpoint
from fhirserver.smart.token_information_endpoint import TokenInformationEndpoint

Endpoint = Callable[[Request], Awaitable[Response]]


def routes(server: AuthorizationServer) -> list[Route]:
    """Return the routes, those of the discovery documents below the FHIR base among them."""
    authorize, discovery = AuthorizeEndpoint(server), DiscoveryEndpoint(server)
    information = TokenInformationEndpoint(server)
    found = [
        _route(PATH, authorize.ask, "GET", "POST"),
        _route(DECIDE, authorize.decide, "POST"),
        _route("/auth/token", TokenEndpoint(server).__call__, "POST"),
        _route("/auth/introspect", information.introspect, "POST"),
        _route("/auth/revoke", information.revoke, "POST"),
        _route("/auth/jwks", discovery.keys, "GET"),
        _route("/.well-known/smart-configuration", discovery.smart, "GET"),
        _route("/fhir/.well-known/smart-configuration", discovery.smart, "GET"),
        _route("/.well-known/openid-configuration", discovery.openid, "GET"),
        _route("/.well-known/oauth-authorization-server", discovery.openid, "GET"),
    ]
    if server.registers:
        found.append(_route("/auth/register", RegisterEndpoint(server).__call__, "POST"))
    return found


def _route(path: str, endpoint: Endpoint, *methods: str) -> Route:
    async def guarded(request: Request) -> Response:
        try:
            return await endpoint(request)
        except FhirError as error:
            # The record cannot do it now: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1
            code = "temporarily_unavailable" if error.status == 503 else "server_error"
            return answered({"error": code, "error_description": error.message}, error.status)

    return Route(path, guarded, methods=list(methods))
