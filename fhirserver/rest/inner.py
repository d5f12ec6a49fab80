"""Requests inside requests: the entries of a batch, the reads of a transaction, what was handed in to be done later.

Each runs through the same table as a request of its own, with the rights of whoever asked.
"""

from typing import Final, Protocol

from fhirserver.interactions.bundle import Entry
from fhirserver.kernel.errors import BadRequest, FhirError
from fhirserver.rest import replies
from fhirserver.rest.failures import failed
from fhirserver.rest.replies import Reply
from fhirserver.rest.requests import Message, Receive, Request
from fhirserver.wire import fhir_json

_JSON: Final = b"application/fhir+json"
_HEADERS: Final = {
    "ifNoneMatch": b"if-none-match",
    "ifModifiedSince": b"if-modified-since",
    "ifMatch": b"if-match",
    "ifNoneExist": b"if-none-exist",
}


class Door(Protocol):
    """The API as one caller may use it."""

    async def answer(self, request: Request, path: str) -> Reply:
        """Return the answer to `request` on `path` (below the base). Raises `FhirError`."""

    def count(self, requests: int) -> None:
        """Count `requests` more of this caller. Raises `TooManyRequests`."""

    def is_safe(self, method: str, path: str) -> bool:
        """Return whether such a request changes nothing. Raises `NotFound` when nothing is there."""


def request_of(entry: Entry, prefer: bytes | None) -> Request:
    """Return `entry` as a request; it prefers what the whole bundle does."""
    headers = {_HEADERS[name]: value.encode() for name, value in entry.conditions.items()}
    if prefer is not None:
        headers[b"prefer"] = prefer
    content = b""
    if entry.resource is not None:
        headers[b"content-type"] = _JSON
        content = fhir_json.write(entry.resource)
    return Request(entry.method, headers, entry.query.encode(), received(content))


def received(content: bytes) -> Receive:
    """Return what a request reads its body from."""

    async def receive() -> Message:
        return {"type": "http.request", "body": content, "more_body": False}

    return receive


async def answered(door: Door, entry: Entry, prefer: bytes | None) -> Reply:
    """Return the answer to `entry`, its refusal included."""
    request = request_of(entry, prefer)
    if entry.path == "" and entry.method == "POST":
        return replies.refusal(BadRequest("A batch cannot hold a batch."))
    try:
        return await door.answer(request, entry.path)
    except FhirError as error:
        return replies.refusal(error)
    except Exception as error:  # noqa: BLE001 - one entry's fault must not take the others' answers
        return failed(error, {"method": entry.method, "type": "bundle"})
