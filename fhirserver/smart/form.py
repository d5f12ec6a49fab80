"""The parameters of a request, each at most once.

Spec: https://www.rfc-editor.org/rfc/rfc6749#section-3.1, https://www.rfc-editor.org/rfc/rfc6749#appendix-B
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from authlib.oauth2.rfc6749.errors import InvalidRequestError

FORM: Final = "application/x-www-form-urlencoded"
LARGEST: Final = 64 * 1024
_MOST_FIELDS: Final = 100


def read(text: str) -> Mapping[str, str]:
    """Return the parameters of a query or form; those without a value count as not sent.

    Raises `InvalidRequestError` when one is sent twice, or there are too many.
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as problem:
        raise InvalidRequestError("There are too many parameters.") from problem
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise InvalidRequestError("A parameter is sent more than once.")
        found[name] = value
    return {name: value for name, value in found.items() if value}
