"""A `Reply` onto an ASGI connection: in the form the caller wants, and packed where that pays.

Spec: https://hl7.org/fhir/R4/http.html#mime-type, https://www.rfc-editor.org/rfc/rfc9110#section-8.4,
https://asgi.readthedocs.io/en/latest/specs/www.html
"""

import asyncio
import base64
import binascii
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import msgspec

from fhirserver.kernel.errors import FhirError
from fhirserver.rest import replies
from fhirserver.rest.negotiation import JSON, Representation
from fhirserver.rest.replies import CONTENT_TYPE, Reply
from fhirserver.rest.requests import Request, Send
from fhirserver.wire import fhir_json, fhir_xml, gzipped

PACK_FROM: Final = 4096
"""Bytes from which an answer is packed; below, the network gains less than we lose."""

_ASIDE_FROM: Final = 256 * 1024
"""Bytes from which the work leaves the event loop, so that others do not wait for it."""

_BODILESS: Final = (204, 304)
_MEDIA_TYPE: Final = re.compile(
    r"[\w.+*-]{1,100}/[\w.+*-]{1,100}(?:;[\x20-\x7e]{1,100})?", re.ASCII
)


Work = Callable[[Reply, Representation], Reply]


async def deliver(reply: Reply, request: Request, send: Send) -> None:
    """Send `reply` in the form `request` wants."""
    wanted = request.wanted
    if wanted is not JSON and reply.body and CONTENT_TYPE in reply.headers:
        if wanted.is_xml or wanted.is_pretty or wanted.is_native:
            reply = await _aside(_formed, reply, wanted)
        else:
            place = reply.headers.index(CONTENT_TYPE)
            reply.headers[place] = (b"content-type", wanted.media_type)
    if len(reply.body) >= PACK_FROM and _takes_gzip(request.headers.get(b"accept-encoding")):
        reply = await _aside(_packed, reply, wanted)
    await send_reply(reply, send, with_body=request.method != "HEAD")


async def send_reply(reply: Reply, send: Send, *, with_body: bool) -> None:
    """Send `reply` as it is; without body (HEAD) the headers are those of the whole answer."""
    headers = reply.headers
    if reply.status not in _BODILESS:
        headers.append((b"content-length", b"%d" % len(reply.body)))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body if with_body else b""})


async def _aside(work: Work, reply: Reply, wanted: Representation) -> Reply:
    if len(reply.body) < _ASIDE_FROM:
        return work(reply, wanted)
    return await asyncio.to_thread(work, reply, wanted)


def _formed(reply: Reply, wanted: Representation) -> Reply:
    if wanted.is_native:
        return _native(reply)
    try:
        body = _body(reply.body, wanted)
    except FhirError as error:
        return replies.refusal(error)
    return _with(reply, (b"content-type", wanted.media_type), body)


def _body(content: bytes, wanted: Representation) -> bytes:
    if wanted.is_xml:
        return fhir_xml.write(fhir_json.read_own(content), pretty=wanted.is_pretty)
    return msgspec.json.format(content, indent=2) if wanted.is_pretty else content


def _native(reply: Reply) -> Reply:
    """Return the content of a Binary in its own type; any other answer as it is."""
    resource = fhir_json.read_own(reply.body)
    if resource.get("resourceType") != "Binary" or reply.is_outcome:
        return reply
    try:
        content = base64.b64decode(str(resource.get("data", "")))
    except binascii.Error:
        return reply
    media_type = str(resource.get("contentType", ""))
    if not _MEDIA_TYPE.fullmatch(media_type):
        media_type = "application/octet-stream"
    made = _with(reply, (b"content-type", media_type.encode()), content)
    # Somebody uploaded this: a browser shall save it, not run it.
    made.headers += [
        (b"content-disposition", b"attachment"),
        (b"content-security-policy", b"default-src 'none'; sandbox; frame-ancestors 'none'"),
    ]
    return made


def _packed(reply: Reply, _wanted: Representation) -> Reply:
    packed = Reply(reply.status, list(reply.headers), gzipped.pack(reply.body))
    packed.headers.append((b"content-encoding", b"gzip"))
    return packed


def _with(reply: Reply, content_type: tuple[bytes, bytes], body: bytes) -> Reply:
    headers = [one if one != CONTENT_TYPE else content_type for one in reply.headers]
    return Reply(reply.status, headers, body, reply.is_outcome, reply.modified)


@lru_cache(maxsize=256)
def _takes_gzip(accept_encoding: bytes | None) -> bool:
    if accept_encoding is None:
        return False
    for part in accept_encoding.decode("latin-1").lower().split(","):
        coding, _, weight = part.partition(";")
        if coding.strip() in ("gzip", "x-gzip", "*"):
            return re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", weight) is None
    return False
