"""The websocket channel as a Subscription names it: what it needs to say, and what it must not.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#websockets. Nothing is verified
when it is created, so it is active at once; its client comes to the server with a token. What goes
over the sockets is the business of `subscriptions.channels.sockets`.
"""

from collections.abc import Iterator
from typing import Final

from fhirserver.kernel.errors import Problem
from subscriptions.core.channel_kind import fault, payload_faults, signature_fault
from subscriptions.core.client_subscription import Wishes
from subscriptions.core.endpoint import EndpointPolicy

CODE: Final = "websocket"


class Websocket:
    """Implements `subscriptions.core.channel_kind.ChannelKind`."""

    code = CODE
    custom = False
    needs_handshake = False

    def faults(self, wishes: Wishes, policy: EndpointPolicy) -> Iterator[Problem]:
        """Yield everything about the channel that this server cannot do."""
        if wishes.plain:
            yield fault("type", "a websocket needs a topic; plain criteria go with a rest-hook")
        if wishes.endpoint is not None:
            message = "a websocket has no endpoint: $get-ws-binding-token says where to connect"
            yield fault("endpoint", message)
        if wishes.headers:
            yield fault("header", "notifications over a websocket have no headers")
        if wishes.timeout is not None:
            yield fault("extension", "backport-timeout means nothing for a websocket")
        yield from signature_fault(wishes)
        yield from payload_faults(wishes)


WEBSOCKET: Final = Websocket()
