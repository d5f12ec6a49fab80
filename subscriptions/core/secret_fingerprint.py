"""What the record keeps in the place of a channel's secret: a fingerprint that says which one it is.

A client that reads its Subscription, changes something and writes it back sends the fingerprint and
thereby keeps the secret; sending neither takes the secret away.
"""

from typing import Final

from fhirserver.kernel.canonical import BASE
from fhirserver.kernel.resource import Json
from subscriptions.core.channel_secret import CHANNEL_SECRET

FINGERPRINT: Final = BASE + "StructureDefinition/channel-secret-fingerprint"


def fingerprint_of(subscription: Json) -> str | None:
    """Return the fingerprint of the secret of `subscription`, None when it has none."""
    extensions = subscription.get("channel", {}).get("extension", [])
    found = (e.get("valueString") for e in extensions if e.get("url") == FINGERPRINT)
    text = next(found, None)
    return None if text is None else str(text)


def with_fingerprint(subscription: Json, fingerprint: str | None) -> Json:
    """Return `subscription` without its secret, and with this fingerprint alone."""
    channel: Json = subscription.get("channel", {})
    kept = [
        e for e in channel.get("extension", []) if e.get("url") not in (CHANNEL_SECRET, FINGERPRINT)
    ]
    if fingerprint is not None:
        kept.append({"url": FINGERPRINT, "valueString": fingerprint})
    bare = {name: value for name, value in channel.items() if name != "extension"}
    return {**subscription, "channel": {**bare, "extension": kept} if kept else bare}
