"""What a caller sends and accepts: media types, preferences, version conditions.

JSON is the one representation. An explicit wish for another one is refused (406, 415) instead of
answered with something the caller did not ask for.

Spec: https://hl7.org/fhir/R4/http.html#mime-type, https://hl7.org/fhir/R4/http.html#concurrency
"""

import re
from functools import lru_cache
from typing import Final, Literal

from fhirserver.kernel.errors import BadRequest, NotAcceptable, UnsupportedMediaType

FHIR_JSON: Final = b"application/fhir+json"
FORM: Final = "application/x-www-form-urlencoded"

Return = Literal["minimal", "representation", "OperationOutcome"]

_JSON = frozenset({"application/fhir+json", "application/json", "text/json"})
_RANGES = frozenset({"*/*", "application/*"})
# "+" in a query string means a blank, and callers forget to escape it.
_FORMATS = _JSON | {"json", "application/fhir json"}
_VERSIONS = frozenset({"4.0", "4.0.1"})
_ETAG = re.compile(r'(?:W/)?"([1-9][0-9]{0,9})"')
_RETURN = re.compile(r"return\s*=\s*\"?([A-Za-z]+)\"?")


@lru_cache(maxsize=256)
def require_acceptable(accept: bytes | None) -> None:
    """Raise `NotAcceptable` unless `accept`, an Accept header, leaves room for FHIR R4 JSON."""
    if accept is None or not accept.strip():
        return
    for part in accept.decode("latin-1").lower().split(","):
        media_type, parameters = _media_type(part)
        if media_type not in _JSON and media_type not in _RANGES:
            continue
        if _refused_quality(parameters.get("q", "1")):
            continue
        if parameters.get("fhirversion", "4.0") in _VERSIONS:
            return
    message = "This server answers in application/fhir+json, FHIR version 4.0."
    raise NotAcceptable(message)


def require_format(value: str) -> None:
    """Raise `NotAcceptable` unless `value`, a _format parameter, means JSON.

    It overrides Accept.
    """
    media_type, parameters = _media_type(value.lower())
    if media_type not in _FORMATS or parameters.get("fhirversion", "4.0") not in _VERSIONS:
        message = (
            "This server answers in application/fhir+json, FHIR version 4.0: use _format=json."
        )
        raise NotAcceptable(message)


@lru_cache(maxsize=256)
def require_json_body(content_type: bytes | None) -> None:
    """Raise `UnsupportedMediaType` unless this Content-Type is FHIR R4 JSON in UTF-8."""
    media_type, parameters = _media_type((content_type or b"").decode("latin-1").lower())
    if (
        media_type not in _JSON
        or parameters.get("fhirversion", "4.0") not in _VERSIONS
        or parameters.get("charset", "utf-8") not in ("utf-8", "utf8")
    ):
        message = "Send the body as application/fhir+json in UTF-8."
        raise UnsupportedMediaType(message)


def is_form(content_type: bytes | None) -> bool:
    """Return whether `content_type` is that of an HTML form, as POST _search uses it."""
    return _media_type((content_type or b"").decode("latin-1").lower())[0] == FORM


def preferred_return(prefer: bytes | None) -> Return:
    """Return what a write shall answer with.

    The representation where the Prefer header says nothing we know.
    """
    if prefer is None:
        return "representation"
    found = _RETURN.search(prefer.decode("latin-1"))
    wish = found[1].lower() if found else ""
    if wish == "minimal":
        return "minimal"
    return "OperationOutcome" if wish == "operationoutcome" else "representation"


def version_in(etag: bytes | None) -> int | None:
    """Return the version an If-Match header names, None without one.

    Raises `BadRequest` when it names none.
    """
    if etag is None:
        return None
    found = _ETAG.fullmatch(etag.decode("latin-1").strip())
    if found is None:
        message = 'If-Match takes one version id, as in: W/"3".'
        raise BadRequest(message)
    return int(found[1])


def has_version(if_none_match: bytes | None, version: int) -> bool:
    """Return whether a read's If-None-Match lists `version` (weakly compared) or is ``*``."""
    if if_none_match is None:
        return False
    text = if_none_match.decode("latin-1").strip()
    return text == "*" or str(version) in _ETAG.findall(text)


def must_be_absent(if_none_match: bytes | None) -> bool:
    """Return whether an update may only create (If-None-Match: *).

    Raises `BadRequest` for any other value.
    """
    if if_none_match is None:
        return False
    if if_none_match.strip() != b"*":
        message = "An update understands If-None-Match: * and no other value."
        raise BadRequest(message)
    return True


def _media_type(text: str) -> tuple[str, dict[str, str]]:
    media_type, *rest = text.split(";")
    parameters: dict[str, str] = {}
    for item in rest:
        name, _, value = item.partition("=")
        parameters[name.strip()] = value.strip().strip('"')
    return media_type.strip(), parameters


def _refused_quality(quality: str) -> bool:
    return re.fullmatch(r"0(\.0{0,3})?", quality) is not None
