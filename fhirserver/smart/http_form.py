"""HTTP around the protocol: forms in, JSON out.

Spec: https://www.rfc-editor.org/rfc/rfc6749#section-5.1, https://www.rfc-editor.org/rfc/rfc6749#section-5.2
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from authlib.oauth2.rfc6749.errors import InvalidRequestError, OAuth2Error
from starlette.requests import Request
from starlette.responses import Response

from fhirserver.smart import form

NOT_KEPT: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}


async def read_body(request: Request, media_type: str) -> bytes:
    """Return the body. Raises `InvalidRequestError` when it is too large or of another media type."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != media_type:
        raise InvalidRequestError(f"The body must be {media_type}.")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > form.LARGEST:
            raise InvalidRequestError("The body is too large.")
    return body


async def read_form(request: Request) -> Mapping[str, str]:
    """Return the parameters of a posted form. Raises `InvalidRequestError`."""
    body = await read_body(request, form.FORM)
    return form.read(body.decode("utf-8", "replace"))


def answered(content: Mapping[str, Any], status: int = 200) -> Response:
    """Return `content` as JSON that nobody may keep."""
    return Response(orjson.dumps(content), status, NOT_KEPT, "application/json")


def refused(error: OAuth2Error) -> Response:
    """Return the error as JSON, with the challenge that goes with 401."""
    answer = answered(dict(error.get_body()), error.status_code)
    if error.status_code == 401:
        answer.headers["WWW-Authenticate"] = 'Basic realm="fhirserver"'
    return answer
