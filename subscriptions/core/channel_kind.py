"""What the server must know of a way out before it takes a client's Subscription.

The create-time half of a channel: its code, whether the endpoint must be proven by a handshake
first, and what is wrong with a Subscription.channel that wants it. Pure, so that it can run inside
the write transaction; sending is the other half (`channels.channel`).
"""

from collections.abc import Iterator, Mapping
from typing import Protocol

from fhirserver.kernel.errors import Problem
from subscriptions.core.channel_secret import secret_fault
from subscriptions.core.client_subscription import Wishes
from subscriptions.core.endpoint import EndpointPolicy, endpoint_fault, header_faults
from subscriptions.core.payload import payload_fault


class ChannelKind(Protocol):
    """A channel type that clients may ask for."""

    @property
    def code(self) -> str:
        """``rest-hook`` and so on; of a custom one ``system|code`` as in backport-channel-type."""

    @property
    def custom(self) -> bool:
        """Whether clients name it by the extension backport-channel-type."""

    @property
    def needs_handshake(self) -> bool:
        """Whether ``requested`` becomes ``active`` by a handshake only; False: at once."""

    def faults(self, wishes: Wishes, policy: EndpointPolicy) -> Iterator[Problem]:
        """Yield everything wrong with Subscription.channel, except limits and content level."""


ChannelKinds = Mapping[str, ChannelKind]


def fault(element: str, message: str) -> Problem:
    """Return the problem `message` of Subscription.channel.`element`."""
    return Problem("error", "business-rule", f"Subscription.channel.{element}", message)


def http_faults(wishes: Wishes, policy: EndpointPolicy) -> Iterator[Problem]:
    """Yield what is wrong for a channel that POSTs: endpoint, headers and secret."""
    if (reason := endpoint_fault(wishes.endpoint, policy)) is not None:
        yield fault("endpoint", reason)
    for reason in header_faults(wishes.headers):
        yield fault("header", reason)
    if wishes.secret is not None and (reason := secret_fault(wishes.secret)) is not None:
        yield fault("extension", reason)


def payload_faults(wishes: Wishes) -> Iterator[Problem]:
    """Yield what is wrong with a payload of FHIR; without a topic R4 lets it be left out."""
    if wishes.payload is None:
        if not wishes.plain:
            yield fault("payload", "a payload type is required")
    elif (reason := payload_fault(wishes.payload)) is not None:
        yield fault("payload", reason)


def signature_fault(wishes: Wishes) -> Iterator[Problem]:
    """Yield a problem when a secret is given to a channel that signs nothing."""
    if wishes.secret is not None:
        yield fault("extension", "this channel cannot be signed: leave channel-secret out")
