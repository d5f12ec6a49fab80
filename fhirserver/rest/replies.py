"""Answers as bytes: resources, bundles and outcomes, with their headers.

Stored content is copied into answers as it is, byte for byte: it was validated when it came in, and
parsing it again would cost more than everything else a read does.

Spec: https://hl7.org/fhir/R4/http.html, https://hl7.org/fhir/R4/bundle.html
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import urlencode

import orjson

from fhirserver.kernel.errors import FhirError, Problem, Unauthenticated
from fhirserver.kernel.keys import row_of
from fhirserver.kernel.outcome import outcome, outcome_of
from fhirserver.kernel.resource import Json, Page, Stored
from fhirserver.rest.negotiation import FHIR_JSON, Return

Header = tuple[bytes, bytes]

_CONTENT_TYPE: Header = (b"content-type", FHIR_JSON)


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer. `headers` has no content-length: the sender adds it."""

    status: int
    headers: list[Header]
    body: bytes = b""


def representation(stored: Stored) -> Reply:
    """Return the 200 answer to a read."""
    return Reply(200, [_CONTENT_TYPE, *_version_headers(stored)], stored.content)


def not_modified(stored: Stored) -> Reply:
    """Return the 304 answer: the caller has this version already."""
    return Reply(304, _version_headers(stored))


def written(stored: Stored, *, created: bool, base: str, wish: Return) -> Reply:
    """Return the answer to a create (201) or update (200) in the form the caller prefers."""
    headers = _version_headers(stored)
    if created:
        location = f"{base}/{stored.type}/{stored.id}/_history/{stored.version}"
        headers.append((b"location", location.encode()))
    status = 201 if created else 200
    if wish == "minimal":
        return Reply(status, headers)
    headers.append(_CONTENT_TYPE)
    if wish == "representation":
        return Reply(status, headers, stored.content)
    verb = "Created" if created else "Updated"
    told = f"{verb} {stored.type}/{stored.id}, version {stored.version}."
    return Reply(status, headers, _informational(told))


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
    return Reply(200, [*headers, _CONTENT_TYPE], _informational(told))


def resource(content: Json, status: int = 200) -> Reply:
    """Return `content`, a resource the server itself made (no decimals), as an answer."""
    return Reply(status, [_CONTENT_TYPE], orjson.dumps(content))


def ready_made(content: bytes) -> Reply:
    """Return `content`, a resource as JSON, as an answer."""
    return Reply(200, [_CONTENT_TYPE], content)


def refusal(error: FhirError) -> Reply:
    """Return what a caller is told about `error`."""
    headers = [_CONTENT_TYPE]
    if isinstance(error, Unauthenticated):
        headers.append((b"www-authenticate", b'Bearer realm="fhir"'))
    return Reply(error.status, headers, orjson.dumps(outcome_of(error)))


def failure(problem: Problem) -> Reply:
    """Return the 500 answer: `problem` says nothing about the cause."""
    return Reply(500, [_CONTENT_TYPE], orjson.dumps(outcome([problem])))


def searchset(page: Page, base: str, resource_type: str, pairs: Sequence[tuple[str, str]]) -> Reply:
    """Return a Bundle of matches. `pairs` are the search parameters as given, for the links."""
    here = f"{base}/{resource_type}"
    entries = (
        b'{"fullUrl":%b,"resource":%b,"search":{"mode":"match"}}'
        % (orjson.dumps(f"{here}/{stored.id}"), stored.content)
        for stored in page.entries
    )
    return ready_made(_bundle(b"searchset", here, pairs, page.cursor, entries))


def history_bundle(
    page: Page, base: str, resource_type: str, id_: str, pairs: Sequence[tuple[str, str]]
) -> Reply:
    """Return a Bundle of versions, newest first."""
    own = f"{base}/{resource_type}/{id_}"
    entries = (_version_entry(stored, own) for stored in page.entries)
    return ready_made(_bundle(b"history", f"{own}/_history", pairs, page.cursor, entries))


def _bundle(
    kind: bytes,
    here: str,
    pairs: Sequence[tuple[str, str]],
    cursor: str | None,
    entries: Iterable[bytes],
) -> bytes:
    links = [{"relation": "self", "url": _url(here, pairs)}]
    if cursor is not None:
        kept = [pair for pair in pairs if pair[0] != "_cursor"]
        links.append({"relation": "next", "url": _url(here, [*kept, ("_cursor", cursor)])})
    head = b'{"resourceType":"Bundle","type":"%b","link":%b' % (kind, orjson.dumps(links))
    joined = b",".join(entries)
    # FHIR JSON has no empty arrays.
    return b'%b,"entry":[%b]}' % (head, joined) if joined else head + b"}"


def _version_entry(stored: Stored, own: str) -> bytes:
    # How the first version came is not stored; an id the server made can only come from a create.
    if stored.deleted:
        method, status = "DELETE", "204"
    elif stored.version > 1:
        method, status = "PUT", "200"
    else:
        method, status = ("POST" if row_of(stored.id) is not None else "PUT"), "201"
    url = stored.type if method == "POST" else stored.reference
    request = orjson.dumps({"method": method, "url": url})
    response = orjson.dumps(
        {
            "status": status,
            "etag": f'W/"{stored.version}"',
            "lastModified": instant(stored.last_updated),
        }
    )
    content = b"" if stored.deleted else b'"resource":%b,' % stored.content
    return b'{"fullUrl":%b,%b"request":%b,"response":%b}' % (
        orjson.dumps(own),
        content,
        request,
        response,
    )


def instant(moment: datetime) -> str:
    """Return `moment` as a FHIR instant in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _url(here: str, pairs: Sequence[tuple[str, str]]) -> str:
    return f"{here}?{urlencode(pairs)}" if pairs else here


def _version_headers(stored: Stored) -> list[Header]:
    modified = format_datetime(stored.last_updated.astimezone(UTC), usegmt=True)
    return [_etag(stored), (b"last-modified", modified.encode())]


def _etag(stored: Stored) -> Header:
    return b"etag", b'W/"%d"' % stored.version


def _informational(told: str) -> bytes:
    return orjson.dumps(outcome([Problem("information", "informational", "", told)]))
