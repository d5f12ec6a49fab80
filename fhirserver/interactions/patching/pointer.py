"""JSON Pointers: places inside a JSON value.

Spec: https://www.rfc-editor.org/rfc/rfc6901
"""

from typing import Any, Final

from fhirserver.kernel.errors import BadRequest, Unprocessable

MAX_LENGTH: Final = 2000
_MAX_DIGITS: Final = 9


def parsed(text: object, where: str) -> tuple[str, ...]:
    """Return the steps of a pointer, () for the whole. Raises `BadRequest` naming the place `where`."""
    if not isinstance(text, str) or len(text) > MAX_LENGTH or (text and text[0] != "/"):
        raise BadRequest(f"{where} is no JSON Pointer (RFC 6901).")
    if "~" in text.replace("~0", "").replace("~1", ""):
        raise BadRequest(f"{where} has a '~' that escapes nothing.")
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:])


def child(value: Any, step: str, where: str) -> Any:
    """Return what is at `step` of `value`. Raises `Unprocessable` when there is nothing."""
    if isinstance(value, list):
        return value[index(step, len(value) - 1, where)]
    if isinstance(value, dict) and step in value:
        return value[step]
    raise Unprocessable(f"{where} leads to nothing in this resource.")


def index(step: str, most: int, where: str) -> int:
    """Return `step` as an index from 0 to `most`. Raises `Unprocessable`."""
    is_number = step.isascii() and step.isdigit() and len(step) <= _MAX_DIGITS
    if not is_number or (step != "0" and step[0] == "0") or int(step) > most:
        raise Unprocessable(
            f"{where} leads to nothing in this resource: {_shown(step)} is no index."
        )
    return int(step)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 32 else text[:32] + "...")
