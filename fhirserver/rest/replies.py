"""Single answers as bytes: resources and outcomes, with their headers. Bundles: `rest.bundles`.

Stored content is copied into answers as it is, byte for byte: it was validated when it came in, and
parsing it again would cost more than everything else a read does.

Spec: https://hl7.org/fhir/R4/http.html
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Final

from fhirserver.kernel.errors import FhirError, Problem, TooManyRequests, Unauthenticated
from fhirserver.kernel.outcome import outcome, outcome_of
from fhirserver.kernel.resource import Json, Stored
from fhirserver.rest.negotiation import FHIR_JSON, Return, has_version, is_unmodified
from fhirserver.rest.requests import Request
from fhirserver.wire import fhir_json

Header = tuple[bytes, bytes]

CONTENT_TYPE: Final[Header] = (b"content-type", FHIR_JSON)


@dataclass(slots=True)
class Reply:
    """One HTTP answer. A body under `CONTENT_TYPE` is FHIR JSON and may still become XML.

    `headers` has no content-length: the sender adds it. `is_outcome`: the body tells how the
    request went, it is not what was asked for. `modified` is when the version in the answer was
    written.
    """

    status: int
    headers: list[Header]
    body: bytes = b""
    is_outcome: bool = False
    modified: datetime | None = None


def read_answer(request: Request, stored: Stored) -> Reply:
    """Return the answer to a read or vread: 200, or 304 when the caller has this version already.

    Raises `BadRequest` for parameters beside _summary and _elements.
    """
    shape = request.shape() if request.query else None
    headers = request.headers
    if b"if-none-match" in headers:
        if has_version(headers[b"if-none-match"], stored.version):
            return not_modified(stored)
    elif b"if-modified-since" in headers and is_unmodified(
        headers[b"if-modified-since"], stored.last_updated
    ):
        return not_modified(stored)
    if shape is None:
        return representation(stored)
    return Reply(
        200,
        [CONTENT_TYPE, *_version_headers(stored)],
        shape.apply(stored.content),
        modified=stored.last_updated,
    )


def representation(stored: Stored) -> Reply:
    """Return the 200 answer to a read."""
    etag, modified = _version_headers(stored)
    return Reply(200, [CONTENT_TYPE, etag, modified], stored.content, modified=stored.last_updated)


def not_modified(stored: Stored) -> Reply:
    """Return the 304 answer: the caller has this version already."""
    return Reply(304, _version_headers(stored))


def written(
    stored: Stored, *, created: bool, base: str, wish: Return, warnings: Sequence[Problem] = ()
) -> Reply:
    """Return the answer to a create (201) or update (200) in the form the caller prefers.

    `warnings` are shown where an OperationOutcome is what the caller prefers.
    """
    headers = _version_headers(stored)
    if created:
        location = f"{base}/{stored.type}/{stored.id}/_history/{stored.version}"
        headers.append((b"location", location.encode()))
    status = 201 if created else 200
    if wish == "minimal":
        return Reply(status, headers, modified=stored.last_updated)
    headers.append(CONTENT_TYPE)
    if wish == "representation":
        return Reply(status, headers, stored.content, modified=stored.last_updated)
    verb = "Created" if created else "Updated"
    told = f"{verb} {stored.type}/{stored.id}, version {stored.version}."
    return Reply(status, headers, _informational(told, warnings), True, stored.last_updated)


def deleted(tombstone: Stored | None, wish: Return) -> Reply:
    """Return the answer to a delete; None is a delete of what was not there."""
    headers = [_etag(tombstone)] if tombstone is not None else []
    if wish != "OperationOutcome":
        return Reply(204, headers)
    told = (
        f"Deleted {tombstone.reference}."
        if tombstone is not None
        else "There was nothing to delete."
    )
    return Reply(200, [*headers, CONTENT_TYPE], _informational(told), is_outcome=True)


def accepted(location: str, progress: str | None = None, retry_after: int = 1) -> Reply:
    """Return the 202 answer to a request that goes on by itself, or to a look at how far it is.

    `location` is where to look, `progress` a few words, `retry_after` seconds.
    """
    headers = [(b"content-location", location.encode())]
    if progress is not None:
        headers += [
            (b"x-progress", progress.encode("ascii", "replace")[:100]),
            (b"retry-after", b"%d" % retry_after),
        ]
    return Reply(202, headers)


def resource(content: Json, status: int = 200) -> Reply:
    """Return `content`, a resource the server itself made, as an answer."""
    return Reply(status, [CONTENT_TYPE], fhir_json.write(content))


def ready_made(content: bytes) -> Reply:
    """Return `content`, a resource as JSON, as an answer."""
    return Reply(200, [CONTENT_TYPE], content)


def refusal(error: FhirError) -> Reply:
    """Return what a caller is told about `error`."""
    headers = [CONTENT_TYPE]
    if isinstance(error, Unauthenticated):
        headers.append((b"www-authenticate", b'Bearer realm="fhir"'))
    elif isinstance(error, TooManyRequests):
        headers.append((b"retry-after", b"%d" % error.retry_after))
    return Reply(error.status, headers, fhir_json.write(outcome_of(error)), is_outcome=True)


def failure(problem: Problem) -> Reply:
    """Return the 500 answer: `problem` says nothing about the cause."""
    return Reply(500, [CONTENT_TYPE], fhir_json.write(outcome([problem])), is_outcome=True)


def _version_headers(stored: Stored) -> list[Header]:
    return [_etag(stored), (b"last-modified", _http_date(stored.last_updated))]


@lru_cache(maxsize=1024)
def _http_date(moment: datetime) -> bytes:
    return format_datetime(moment.astimezone(UTC), usegmt=True).encode()


def _etag(stored: Stored) -> Header:
    return b"etag", b'W/"%d"' % stored.version


def _informational(told: str, warnings: Sequence[Problem] = ()) -> bytes:
    return fhir_json.write(outcome([Problem("information", "informational", "", told), *warnings]))
