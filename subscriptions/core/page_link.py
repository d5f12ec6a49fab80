"""The link at the end of a text message: which message it belongs to, and proof that we made it.

``https://host/a/{token}``: letters only, so that a text has no digits but its code. The token holds
the tenant, the attempt (one message to one telephone) and a keyed hash of both, under a key of the
tenant that never leaves the record. Who has the link has the message: it says nothing else, and it
answers for that telephone only.
"""

from typing import Final
from uuid import UUID

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TENANT_BYTES: Final = 4
_BYTES: Final = _TENANT_BYTES + 16 + 8
LENGTH: Final = 40
PURPOSE: Final = "page-link"

# Tenant, attempt, seal.
Link = tuple[int, UUID, int]


def sealed_text(tenant: int, attempt: UUID) -> str:
    """Return what the keyed hash of a link is made over."""
    return f"{tenant}\x1f{attempt}"


def token(tenant: int, attempt: UUID, seal: int) -> str:
    """Return the token of a link; `seal` is the keyed hash (64 bits, signed) of `sealed_text`."""
    number = int.from_bytes(
        tenant.to_bytes(_TENANT_BYTES, "big")
        + attempt.bytes
        + seal.to_bytes(8, "big", signed=True),
        "big",
    )
    letters = []
    for _ in range(LENGTH):
        number, place = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[place])
    return "".join(reversed(letters))


def read(text: str) -> Link | None:
    """Return tenant, attempt and seal of a token as they stand, None for anything else."""
    if len(text) != LENGTH or not set(text) <= set(_ALPHABET):
        return None
    number = 0
    for letter in text:
        number = number * len(_ALPHABET) + _ALPHABET.index(letter)
    if number.bit_length() > 8 * _BYTES:
        return None
    data = number.to_bytes(_BYTES, "big")
    return (
        int.from_bytes(data[:_TENANT_BYTES], "big"),
        UUID(bytes=data[_TENANT_BYTES : _TENANT_BYTES + 16]),
        int.from_bytes(data[-8:], "big", signed=True),
    )
