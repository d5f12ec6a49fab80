"""Codes that people type once: to set a first or new password, and to get in without their second factor.

Written in Crockford's base 32, which has no letters that look alike: https://www.crockford.com/base32.html
"""

from typing import Final

from fhirserver.crypto.secret_digest import secret_digest

START_BYTES: Final = 16
RECOVERY_BYTES: Final = 10
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SAME: Final = str.maketrans({"O": "0", "I": "1", "L": "1"})
_GROUP: Final = 5
_BITS: Final = 5


def written(random: bytes) -> str:
    """Return `random` as a code in groups of five: 16 bytes make 26 letters, 10 bytes 16."""
    bits = len(random) * 8
    places = -(-bits // _BITS)
    number = int.from_bytes(random, "big") << (places * _BITS - bits)
    letters = "".join(
        _ALPHABET[number >> (at * _BITS) & (len(_ALPHABET) - 1)] for at in reversed(range(places))
    )
    return "-".join(letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP))


def digest(code: str) -> bytes:
    """Return what is kept of a code, the same however it is typed: in small letters, with spaces, O for 0."""
    letters = "".join(one for one in code.upper().translate(_SAME) if one in _ALPHABET)
    return secret_digest(letters)
