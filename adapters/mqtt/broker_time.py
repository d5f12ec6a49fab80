"""When the broker stored a message, as it says so itself."""

from datetime import UTC, datetime
from typing import Final

_ACK_TOKENS: Final = 9


def in_reply(reply: str) -> datetime:
    """Return the time in an acknowledgement subject
    ``$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<nanoseconds>.<pending>``.
    """
    parts = reply.split(".")
    nanoseconds = int(parts[-2] if len(parts) == _ACK_TOKENS else parts[-4])
    return datetime.fromtimestamp(nanoseconds // 1_000_000 / 1000, tz=UTC)


def in_words(text: str) -> datetime:
    """Return a time as answers of the broker have it, with nanoseconds: ``2026-08-01T09:00:00.123456789Z``."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{(fraction + '000000')[:6]}").replace(tzinfo=UTC)
