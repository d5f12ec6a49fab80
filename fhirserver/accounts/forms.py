"""Form bodies of strangers, bounded.

Spec: https://url.spec.whatwg.org/#application/x-www-form-urlencoded
"""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qs

from starlette.requests import Request

LARGEST_FORM: Final = 64 * 1024
_MOST_FIELDS: Final = 200

Form = Mapping[str, Sequence[str]]


async def read_form(request: Request) -> Form | None:
    """Return the fields of a form with their values in order; None when it is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            return None
    try:
        return parse_qs(
            body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        return None


def first(form: Form, name: str) -> str:
    """Return the first value of a field, "" when it is not there."""
    return form.get(name, ("",))[0]
