"""What a caller sends and accepts: media types, version conditions, conditional reads.

JSON and XML are the two representations. An explicit wish for another one is refused (406, 415)
instead of answered with something the caller did not ask for.

Spec: https://hl7.org/fhir/R4/http.html#mime-type, https://hl7.org/fhir/R4/http.html#concurrency,
https://www.rfc-editor.org/rfc/rfc9110#section-12
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final, Literal

from fhirserver.kernel.errors import BadRequest, NotAcceptable, UnsupportedMediaType

FHIR_JSON: Final = b"application/fhir+json"
FHIR_XML: Final = b"application/fhir+xml"
FORM: Final = "application/x-www-form-urlencoded"

Return = Literal["minimal", "representation", "OperationOutcome"]
PatchKind = Literal["json-patch", "merge-patch", "fhirpath-patch"]
BodyFormat = Literal["json", "xml"]


@dataclass(frozen=True, slots=True)
class Representation:
    """The form an answer takes. `native` is the content of a Binary itself, in its own type."""

    media_type: bytes
    is_xml: bool = False
    is_pretty: bool = False
    is_native: bool = False


JSON: Final = Representation(FHIR_JSON)
XML: Final = Representation(FHIR_XML, is_xml=True)
NATIVE: Final = Representation(FHIR_JSON, is_native=True)

# A caller who asks for a general type gets that type; the first rows win where none is preferred.
_OFFERED: Final = {
    "application/fhir+json": JSON,
    "application/fhir+xml": XML,
    "application/json": Representation(b"application/json"),
    "application/xml": Representation(b"application/xml", is_xml=True),
    "text/json": Representation(b"text/json"),
    "text/xml": Representation(b"text/xml", is_xml=True),
    "application/json+fhir": JSON,
    "application/xml+fhir": XML,
}
# "+" in a query string means a blank, and callers forget to escape it.
_FORMATS: Final = {
    "json": JSON,
    "xml": XML,
    "application/fhir json": JSON,
    "application/fhir xml": XML,
    "application/json": JSON,
    "application/xml": XML,
    "text/json": JSON,
    "text/xml": XML,
    "application/fhir+json": JSON,
    "application/fhir+xml": XML,
}
_BODIES: Final[dict[str, BodyFormat]] = {
    name: "xml" if offered.is_xml else "json" for name, offered in _OFFERED.items()
}
_PATCHES: Final[dict[str, PatchKind]] = {
    "application/json-patch+json": "json-patch",
    "application/merge-patch+json": "merge-patch",
    "application/fhir+json": "fhirpath-patch",
    "application/fhir+xml": "fhirpath-patch",
}
_VERSIONS: Final = frozenset({"4.0", "4.0.1"})
_UTF8: Final = frozenset({"utf-8", "utf8"})
_ETAG: Final = re.compile(r'(?:W/)?"([1-9][0-9]{0,9})"')
_QUALITY: Final = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
_MAX_RANGES: Final = 64
_NOT_ACCEPTABLE: Final = (
    "This server answers in application/fhir+json and application/fhir+xml, FHIR version 4.0."
)


@lru_cache(maxsize=256)
def accepted(accept: bytes | None) -> Representation:
    """Return the representation an Accept header prefers, JSON where it leaves the choice.

    Raises `NotAcceptable` when it leaves room for none of ours.
    """
    if accept is None or not accept.strip():
        return JSON
    ranges = _ranges(accept)
    best: tuple[float, bool, int] = (0.0, False, 0)
    chosen: Representation | None = None
    for name, offered in _OFFERED.items():
        found = _weight(name, ranges)
        if found is not None and found[0] > 0 and (chosen is None or found > best):
            best, chosen = found, offered
    if chosen is None:
        raise NotAcceptable(_NOT_ACCEPTABLE)
    return chosen


def _ranges(accept: bytes) -> dict[str, tuple[float, int]]:
    """Return the weight and the (negative) place of each media range that suits FHIR R4."""
    ranges: dict[str, tuple[float, int]] = {}
    for place, part in enumerate(accept.decode("latin-1").lower().split(",")[:_MAX_RANGES]):
        media_type, parameters = _media_type(part)
        if parameters.get("fhirversion", "4.0") not in _VERSIONS:
            continue
        quality = parameters.get("q", "1")
        weight = float(quality) if _QUALITY.fullmatch(quality) else 1.0
        ranges.setdefault(media_type, (weight, -place))
    return ranges


def _weight(name: str, ranges: dict[str, tuple[float, int]]) -> tuple[float, bool, int] | None:
    """Return how much `name` is wanted: weight, whether it is named itself, place."""
    exact = ranges.get(name)
    if exact is not None:
        return exact[0], True, exact[1]
    loose = ranges.get(name.partition("/")[0] + "/*") or ranges.get("*/*")
    return (loose[0], False, 0) if loose is not None else None


def format_named(value: str) -> Representation:
    """Return what a _format parameter means; it overrides Accept. Raises `NotAcceptable`."""
    media_type, parameters = _media_type(value.lower())
    found = _FORMATS.get(media_type)
    if found is None or parameters.get("fhirversion", "4.0") not in _VERSIONS:
        raise NotAcceptable(_NOT_ACCEPTABLE + " Use _format=json or _format=xml.")
    return found


def indented(wanted: Representation, value: str) -> Representation:
    """Return `wanted` as the parameter _pretty has it. Raises `BadRequest`."""
    if value not in ("true", "false"):
        raise BadRequest("_pretty is true or false.")
    return replace(wanted, is_pretty=value == "true")


@lru_cache(maxsize=256)
def body_format(content_type: bytes | None) -> BodyFormat:
    """Return how a body is to be read. Raises `UnsupportedMediaType`."""
    media_type, parameters = _media_type((content_type or b"").decode("latin-1").lower())
    found = _BODIES.get(media_type)
    if found is None or not _is_ours(parameters):
        raise UnsupportedMediaType(
            "Send the body as application/fhir+json or application/fhir+xml in UTF-8."
        )
    return found


def is_fhir(content_type: bytes | None) -> bool:
    """Return whether `content_type` is one of those a resource is sent in."""
    return media_type_of(content_type) in _BODIES


def patch_kind(content_type: bytes | None) -> PatchKind | None:
    """Return the patch language of a body, None for plain JSON: then its shape tells.

    Raises `UnsupportedMediaType` naming those there are.
    """
    media_type, parameters = _media_type((content_type or b"").decode("latin-1").lower())
    if media_type == "application/json" and _is_ours(parameters):
        return None
    found = _PATCHES.get(media_type)
    if found is None or not _is_ours(parameters):
        raise UnsupportedMediaType(
            "Send a patch as application/json-patch+json, application/merge-patch+json, or as "
            "FHIRPath Patch in application/fhir+json or application/fhir+xml, in UTF-8."
        )
    return found


def is_form(content_type: bytes | None) -> bool:
    """Return whether `content_type` is that of an HTML form, as POST _search uses it."""
    return media_type_of(content_type) == FORM


def media_type_of(content_type: bytes | None) -> str:
    """Return the media type in lower case without parameters, "" without one."""
    return _media_type((content_type or b"").decode("latin-1").lower())[0]


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


def is_unmodified(if_modified_since: bytes | None, last_updated: datetime) -> bool:
    """Return whether nothing changed since the moment an If-Modified-Since header names.

    HTTP dates have whole seconds; a header that is no date is ignored, as HTTP says.
    """
    if if_modified_since is None:
        return False
    try:
        since = parsedate_to_datetime(if_modified_since.decode("latin-1"))
        return since.tzinfo is not None and last_updated.replace(microsecond=0) <= since
    except (ValueError, IndexError, OverflowError, TypeError):
        return False


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


def _is_ours(parameters: dict[str, str]) -> bool:
    return (
        parameters.get("fhirversion", "4.0") in _VERSIONS
        and parameters.get("charset", "utf-8") in _UTF8
    )


def _media_type(text: str) -> tuple[str, dict[str, str]]:
    media_type, *rest = text.split(";")
    parameters: dict[str, str] = {}
    for item in rest:
        name, _, value = item.partition("=")
        parameters[name.strip()] = value.strip().strip('"')
    return media_type.strip(), parameters
