"""The message channel: notifications as FHIR messages to another server's ``$process-message``.

https://hl7.org/fhir/R4/messageheader-operation-process-message.html. The endpoint is the FHIR base
URL of the receiver (the operation's own URL is understood too). The operation is called without
``async``; any 2xx means taken.
"""

from collections.abc import Iterator
from typing import Final

from fhirserver.kernel.errors import Problem
from fhirserver.kernel.resource import Json
from fhirserver.wire import fhir_json, fhir_xml
from subscriptions.channels.channel import Failure, Parcel
from subscriptions.channels.egress import Egress, EndpointFailed
from subscriptions.channels.http_answer import failure_of
from subscriptions.core.channel_kind import fault, http_faults, payload_faults
from subscriptions.core.client_subscription import Wishes
from subscriptions.core.endpoint import EndpointPolicy, header_pairs
from subscriptions.core.message_bundle import message_bundle
from subscriptions.core.notification_signature import signature_headers
from subscriptions.core.payload import FORMS, mime_of, render

_OPERATION: Final = "$process-message"


class Message:
    """Implements `Channel`. `base` is this server's FHIR base URL, without a slash at its end."""

    code = "message"
    custom = False
    needs_handshake = True

    def __init__(self, egress: Egress, base: str) -> None:
        """POST through `egress`, which belongs to whoever made it."""
        self._egress = egress
        self._base = base

    def faults(self, wishes: Wishes, policy: EndpointPolicy) -> Iterator[Problem]:
        """See `ChannelKind.faults`."""
        yield from http_faults(wishes, policy)
        yield from payload_faults(wishes)
        if wishes.endpoint is not None and "?" in wishes.endpoint:
            yield fault("endpoint", "the base URL of a FHIR server has no query")
        if wishes.payload is None and wishes.plain:
            yield fault("payload", "a FHIR message carries a resource: a payload type is required")

    def written_as(self, payload: str | None) -> str | None:
        """See `Channel.written_as`."""
        return payload

    async def deliver(self, parcel: Parcel) -> Failure | None:
        """See `Channel.deliver`."""
        mime = parcel.mime or "application/fhir+json"
        destination = parcel.endpoint.rstrip("/").removesuffix(_OPERATION).rstrip("/")
        content = message_bundle(
            _read(parcel.body, mime),
            message_id=parcel.message_id,
            source=self._base,
            destination=destination,
            at=parcel.at,
        )
        body = render(content, mime)
        headers = [*header_pairs(parcel.headers), ("Content-Type", mime)]
        if parcel.secret is not None:
            headers += signature_headers(parcel.secret, str(parcel.message_id), parcel.at, body)
        url = f"{destination}/{_OPERATION}"
        try:
            answer = await self._egress.post(url, headers, body, parcel.timeout_seconds)
        except EndpointFailed as problem:
            return Failure(str(problem))
        return failure_of(answer)

    async def close(self) -> None:
        """See `Channel.close`."""


def _read(body: bytes, mime: str) -> Json:
    return fhir_json.read_own(body) if FORMS[mime_of(mime)[0]] == "json" else fhir_xml.read(body)
