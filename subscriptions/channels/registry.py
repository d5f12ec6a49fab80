"""Which channels this process has: those of the product and those an operator added.

A channel of somebody else's is a factory named in the setting SUBSCRIPTION_CHANNELS, as
``package.module:factory``; it is called once with `Tools` and returns a `Channel`. What is wrong
with it stops the start: a server that silently lacks a channel would lose what it owes there.
"""

import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from subscriptions.channels.channel import Channel
from subscriptions.channels.client_certificate import ClientCertificate
from subscriptions.channels.egress import Egress
from subscriptions.channels.email import Email, MailServer
from subscriptions.channels.hl7v2 import HL7v2
from subscriptions.channels.message import Message
from subscriptions.channels.rest_hook import RestHook
from subscriptions.core.channel_kind import ChannelKind

_KindT = TypeVar("_KindT", bound=ChannelKind)


class BadChannel(Exception):
    """A configured channel cannot be used; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a channel of somebody else's may use of ours.

    `egress` POSTs to addresses of clients' choice safely; `base` is this server's FHIR base URL.
    """

    egress: Egress
    base: str


def shipped(
    tools: Tools, mail_server: MailServer | None, certificate: ClientCertificate | None = None
) -> tuple[Channel, ...]:
    """Return the product's own channels; email only where there is a mail server.

    `certificate` is shown to receivers of HL7 v2 who ask for one.
    """
    always: tuple[Channel, ...] = (
        RestHook(tools.egress),
        Message(tools.egress, tools.base),
        HL7v2(tools.egress, certificate),
    )
    return always if mail_server is None else (*always, Email(mail_server))


def custom(paths: Sequence[str], tools: Tools) -> tuple[Channel, ...]:
    """Return the channels that `paths` name. Raises `BadChannel`."""
    return tuple(_made(path, tools) for path in paths)


def by_code(*groups: Iterable[_KindT]) -> dict[str, _KindT]:
    """Return all channels by their code. Raises `BadChannel` when two have the same."""
    found: dict[str, _KindT] = {}
    for kind in (kind for group in groups for kind in group):
        if kind.code in found:
            raise BadChannel(f"two channels have the code {kind.code!r}")
        found[kind.code] = kind
    return found


def _made(path: str, tools: Tools) -> Channel:
    module, _, name = path.partition(":")
    try:
        factory = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as problem:
        raise BadChannel(f"{path!r} is no 'package.module:factory': {problem}") from problem
    channel: Channel = factory(tools)
    if not _is_channel(channel):
        raise BadChannel(f"{path!r} makes no channel: see subscriptions.channels.channel.Channel")
    if not channel.custom or "|" not in channel.code:
        raise BadChannel(f"{path!r}: a custom channel has custom = True and the code 'system|code'")
    return channel


def _is_channel(made: object) -> bool:
    names = ("code", "custom", "needs_handshake", "faults", "written_as", "deliver", "close")
    return all(hasattr(made, name) for name in names)
