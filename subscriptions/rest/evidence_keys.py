"""``GET /.well-known/evidence-keys.json``: the public keys that evidence documents are signed with.

A JWK set (https://www.rfc-editor.org/rfc/rfc7517); public, because whoever is handed a document must
be able to check it.
"""

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

PATH: Final = "/.well-known/evidence-keys.json"


def route(public: Mapping[str, Any]) -> Route:
    """Return the route that answers with `public`."""

    async def answer(_: Request) -> JSONResponse:
        return JSONResponse(dict(public), media_type="application/jwk-set+json")

    return Route(PATH, answer, methods=["GET"])
