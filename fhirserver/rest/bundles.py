"""Bundles as bytes: matches, versions, and the answers to the entries of a batch or transaction.

The content of the record is spliced in as it is stored; it is parsed only where the caller asked
for parts of it.

Spec: https://hl7.org/fhir/R4/bundle.html, https://hl7.org/fhir/R4/search.html#return,
https://hl7.org/fhir/R4/http.html#history
"""

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Final, Protocol
from urllib.parse import quote

import orjson

from fhirserver.kernel.errors import Problem
from fhirserver.kernel.instant import instant
from fhirserver.kernel.keys import row_of
from fhirserver.kernel.outcome import outcome
from fhirserver.kernel.resource import Page, Stored
from fhirserver.rest.replies import CONTENT_TYPE, Reply, ready_made
from fhirserver.rest.shapes import Shape
from fhirserver.search.asked import Query
from fhirserver.search.asked import Shape as Wanted
from fhirserver.wire import fhir_json

Pairs = Sequence[tuple[str, str]]

WHOLE: Final = Wanted()
# Commas, bars and colons mean something in a search; escaping them would only hide it.
_LEGIBLE: Final = ":,|/$"
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.~:,|/$-]*")


class Found(Protocol):
    """What a search gives: one page of it."""

    @property
    def entries(self) -> Sequence[Stored]:
        """The matches of this page."""

    @property
    def included(self) -> Sequence[Stored]:
        """What was asked to come along with them."""

    @property
    def outcome(self) -> Sequence[Problem]:
        """What the caller shall be told beside them, such as parameters that were ignored."""

    @property
    def total(self) -> int | None:
        """How many match in all, None where that was not counted."""

    @property
    def cursor(self) -> str | None:
        """Opens the next page, None on the last one."""


def searchset(page: Found, base: str, path: str, query: Query) -> Reply:
    """Return a Bundle of matches and what comes with them, in the shape `query` asks for.

    `path` is where the search was asked, below `base`: ``Patient``, ``Patient/x/Observation``, or
    "" for the whole record. The links name the parameters that counted.
    """
    shape = Shape(query.shape.summary, query.shape.elements) if query.shape != WHOLE else None
    entries = _entries(base, page.entries, shape, b"match")
    entries += _entries(base, page.included, shape, b"include")
    if page.outcome:
        told = fhir_json.write(outcome(page.outcome))
        entries.append(b'{"resource":%b,"search":{"mode":"outcome"}}' % told)
    return ready_made(
        _bundle(
            b"searchset",
            f"{base}/{path}".rstrip("/"),
            query.applied,
            page.cursor,
            entries,
            page.total,
        )
    )


def history_bundle(page: Page, base: str, path: str, pairs: Pairs) -> Reply:
    """Return a Bundle of versions, newest first.

    `path` is below `base`: ``Patient/x/_history``, ``Patient/_history`` or ``_history``.
    """
    entries = [_version(base, stored) for stored in page.entries]
    return ready_made(_bundle(b"history", f"{base}/{path}", pairs, page.cursor, entries, None))


def responses(kind: str, replies: Iterable[Reply]) -> Reply:
    """Return the Bundle that answers a batch or transaction, one entry per reply, in their order.

    `kind` is ``batch-response`` or ``transaction-response``.
    """
    head = b'{"resourceType":"Bundle","type":%b' % orjson.dumps(kind)
    joined = b",".join([_response(reply) for reply in replies])
    return ready_made(b'%b,"entry":[%b]}' % (head, joined) if joined else head + b"}")


def _bundle(
    kind: bytes,
    here: str,
    pairs: Pairs,
    cursor: str | None,
    entries: Sequence[bytes],
    total: int | None,
) -> bytes:
    whole, rest = _query(pairs), None
    if any(name == "_cursor" for name, _ in pairs):
        rest = _query([pair for pair in pairs if pair[0] != "_cursor"])
    links = [{"relation": "self", "url": _url(here, whole)}]
    if rest is not None:
        links.append({"relation": "first", "url": _url(here, rest)})
    if cursor is not None:
        others = whole if rest is None else rest
        joined = f"{others}&" if others else ""
        links.append({"relation": "next", "url": _url(here, f"{joined}_cursor={_escaped(cursor)}")})
    count = b"" if total is None else b'"total":%d,' % total
    head = b'{"resourceType":"Bundle","type":"%b",%b"link":%b' % (kind, count, orjson.dumps(links))
    # FHIR JSON has no empty arrays.
    return b'%b,"entry":[%b]}' % (head, b",".join(entries)) if entries else head + b"}"


def _entries(base: str, found: Sequence[Stored], shape: Shape | None, mode: bytes) -> list[bytes]:
    end = b',"search":{"mode":"%b"}}' % mode
    return [
        b'{"fullUrl":"%b","resource":%b%b'
        % (
            f"{base}/{one.type}/{one.id}".encode(),
            one.content if shape is None else shape.apply(one.content),
            end,
        )
        for one in found
    ]


def _version(base: str, stored: Stored) -> bytes:
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
    return b'{"fullUrl":"%b/%b",%b"request":%b,"response":%b}' % (
        base.encode(),
        stored.reference.encode(),
        content,
        request,
        response,
    )


def _response(reply: Reply) -> bytes:
    told: dict[str, str] = {"status": _status(reply.status)}
    is_resource = False
    for name, value in reply.headers:
        if name == b"location":
            told["location"] = value.decode()
        elif name == b"etag":
            told["etag"] = value.decode()
        elif (name, value) == CONTENT_TYPE:
            is_resource = True
    if reply.modified is not None:
        told["lastModified"] = instant(reply.modified)
    response = orjson.dumps(told)
    if not (is_resource and reply.body):
        return b'{"response":%b}' % response
    if reply.is_outcome:
        return b'{"response":%b,"outcome":%b}}' % (response[:-1], reply.body)
    return b'{"resource":%b,"response":%b}' % (reply.body, response)


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _url(here: str, query: str) -> str:
    return f"{here}?{query}" if query else here


def _query(pairs: Pairs) -> str:
    return "&".join([f"{_escaped(name)}={_escaped(value)}" for name, value in pairs])


def _escaped(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else quote(text, safe=_LEGIBLE)
