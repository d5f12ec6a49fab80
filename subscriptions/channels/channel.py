"""The protocol of a channel: take one parcel to its endpoint and say what became of it.

A channel knows nothing of cursors, attempts or retries; one engine does that for all of them
(`worker.delivery`). To add a channel type of your own, implement `Channel` and name its factory in
the setting SUBSCRIPTION_CHANNELS (docs/subscriptions.md, "A channel type of your own").
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable
from uuid import NAMESPACE_URL, UUID, uuid5

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from subscriptions.core.channel_kind import ChannelKind
from subscriptions.core.notification import Content, Kind
from subscriptions.response.notifications import Told

Verdict = Literal["try-again", "never-this", "never-here"]


@dataclass(frozen=True, slots=True)
class Parcel:
    """One notification on its way, complete: sending needs nothing else.

    `endpoint`, `headers` and `mime` are Subscription.channel's endpoint, header and payload as they
    stand; `title` is the topic's and holds nothing of anybody's health; `first` and `last` are the
    event numbers inside and `happened` is when the first of them did, all None in a handshake and a
    heartbeat; `content` None means plain R4 criteria without topic. `timeout_seconds` bounds the
    whole exchange, name lookup included. `tenant` is whose Subscription it is. `enclosed` is what the
    channel asked the record for beside the notification (`Encloses`).
    """

    subscription: str
    attempt: UUID
    kind: Kind
    topic: str
    title: str
    content: Content | None
    endpoint: str
    headers: tuple[str, ...]
    mime: str | None
    body: bytes
    first: int | None
    last: int | None
    happened: datetime | None
    at: datetime
    timeout_seconds: float
    secret: str | None = field(default=None, repr=False)
    tenant: int = 0
    enclosed: object = field(default=None, repr=False)

    @property
    def message_id(self) -> UUID:
        """The same for every repetition of the same events, so that a receiver can tell.

        The time is part of it: a Subscription made anew under its old id counts from one again.
        """
        if self.first is None or self.last is None or self.happened is None:
            return self.attempt
        events = f"{self.first}-{self.last} {self.happened.isoformat()}"
        return uuid5(NAMESPACE_URL, f"{self.endpoint} {self.subscription} {events}")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a parcel was not handed over, and what that means for the next try.

    ``try-again``: it may work later. ``never-this``: this parcel will never be taken, others may.
    ``never-here``: nothing will be taken at this endpoint any more. `reason` is our own words,
    never the receiver's, and names nobody. `wait_seconds` is the pause the receiver asked for.
    """

    reason: str
    verdict: Verdict = "try-again"
    wait_seconds: float | None = None


class Channel(ChannelKind, Protocol):
    """One way out. One object serves every Subscription of the process, many at once."""

    def written_as(self, payload: str | None) -> str | None:
        """Return the MIME type `Parcel.body` is written in for Subscription.channel.payload.

        None: the body is empty. Most channels return `payload` itself.
        """

    async def deliver(self, parcel: Parcel) -> Failure | None:
        """Hand `parcel` over and return None, or why not.

        Never raises for a failed send; a cancellation passes through and leaves nothing open.
        """

    async def close(self) -> None:
        """Close what is kept open."""


@runtime_checkable
class TellsMore(Protocol):
    """What a `Channel` has as well whose form needs more than the topic's notification shape brings along."""

    def beside(self, resource: Json) -> Iterator[str]:
        """Yield what goes with a focus, or with what goes with it, as ``Type/id``; rights are asked for each."""


@runtime_checkable
class Encloses(Protocol):
    """What a `Channel` has as well that needs more of the record than a notification holds."""

    async def enclosed(self, tx: Transaction, told: Told, bundle: Json) -> object:
        """Return what goes with `bundle`, which tells `told`: it comes back as `Parcel.enclosed`.

        None: there is nothing to send.
        """
