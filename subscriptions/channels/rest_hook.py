"""The rest-hook channel: notifications by HTTP POST.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#rest-hook: the Content-Type is
channel.payload, every channel.header is a header of the request, and 2xx means taken. Plain R4
criteria (https://hl7.org/fhir/R4/subscription.html) without a payload are a POST without a body.
"""

from collections.abc import Iterator

from fhirserver.kernel.errors import Problem
from subscriptions.channels.channel import Failure, Parcel
from subscriptions.channels.egress import Egress, EndpointFailed
from subscriptions.channels.http_answer import failure_of
from subscriptions.core.channel_kind import http_faults, payload_faults
from subscriptions.core.client_subscription import Wishes
from subscriptions.core.endpoint import EndpointPolicy, header_pairs
from subscriptions.core.notification_signature import signature_headers


class RestHook:
    """Implements `Channel`."""

    code = "rest-hook"
    custom = False
    needs_handshake = True

    def __init__(self, egress: Egress) -> None:
        """POST through `egress`, which belongs to whoever made it."""
        self._egress = egress

    def faults(self, wishes: Wishes, policy: EndpointPolicy) -> Iterator[Problem]:
        """See `ChannelKind.faults`."""
        yield from http_faults(wishes, policy)
        yield from payload_faults(wishes)

    def written_as(self, payload: str | None) -> str | None:
        """See `Channel.written_as`."""
        return payload

    async def deliver(self, parcel: Parcel) -> Failure | None:
        """See `Channel.deliver`."""
        try:
            answer = await self._egress.post(
                parcel.endpoint, _headers(parcel), parcel.body, parcel.timeout_seconds
            )
        except EndpointFailed as problem:
            return Failure(str(problem))
        return failure_of(answer)

    async def close(self) -> None:
        """See `Channel.close`."""


def _headers(parcel: Parcel) -> list[tuple[str, str]]:
    headers = header_pairs(parcel.headers)
    if parcel.mime is not None:
        headers.append(("Content-Type", parcel.mime))
    if parcel.secret is not None:
        message = str(parcel.message_id)
        headers += signature_headers(parcel.secret, message, parcel.at, parcel.body)
    return headers
