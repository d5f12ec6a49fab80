"""The secret a client gives with its Subscription so that its receiver can tell our POSTs from others.

An extension of Subscription.channel. It is written and never read: the record stores a fingerprint
in its place, and the secret lies sealed beside the delivery cursor.
"""

from typing import Any, Final

from fhirserver.kernel.canonical import BASE
from fhirserver.kernel.resource import Json

CHANNEL_SECRET: Final = BASE + "StructureDefinition/channel-secret"
# Not shorter than the hash (RFC 2104, section 3), and printable so that it survives every form.
SHORTEST_SECRET: Final = 32
LONGEST_SECRET: Final = 256


def secret_of(channel: Json) -> str | None:
    """Return the secret in a Subscription.channel as a client sent it, None without one."""
    found = (e.get("valueString") for e in _extensions(channel) if e.get("url") == CHANNEL_SECRET)
    secret = next(found, None)
    return None if secret is None else str(secret)


def secret_fault(secret: str) -> str | None:
    """Return why `secret` cannot be used, None when it can."""
    if not SHORTEST_SECRET <= len(secret) <= LONGEST_SECRET:
        return f"a channel secret has {SHORTEST_SECRET} to {LONGEST_SECRET} characters"
    if not (secret.isascii() and secret.isprintable()):
        return "a channel secret is printable ASCII"
    return None


def _extensions(channel: Json) -> list[Json]:
    found: Any = channel.get("extension", [])
    return [e for e in found if isinstance(e, dict)] if isinstance(found, list) else []
