"""Form bodies of strangers, bounded."""

from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

LARGEST_FORM: Final = 64 * 1024
_MOST_FIELDS: Final = 200


async def read_form(request: Request) -> list[tuple[str, str]] | None:
    """Return the fields of a form; None when it is too large."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            return None
    try:
        return parse_qsl(
            body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        return None
