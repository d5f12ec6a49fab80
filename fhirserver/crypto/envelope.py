"""Sealed bytes (AES-256-GCM, NIST SP 800-38D) bound to the place they were made for.

Layout: one format byte, a 96-bit nonce, ciphertext and tag. The associated data names the row the envelope belongs
to, so a ciphertext pasted into another row, version or tenant does not open.
"""

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES: Final = 12
KEY_BYTES: Final = 32
FORMAT_JSON: Final = 1
HEADER: Final = bytes([FORMAT_JSON])


class Tampered(Exception):
    """An envelope that was not made for this place, or was changed."""


def seal(cipher: AESGCM, nonce: bytes, associated: bytes, plaintext: bytes) -> bytes:
    """Return the envelope of `plaintext`; `nonce` (12 bytes) must never repeat under the same key."""
    return HEADER + nonce + cipher.encrypt(nonce, plaintext, associated)


def unseal(cipher: AESGCM, associated: bytes, envelope: bytes) -> bytes:
    """Return the plaintext of `envelope`.

    Raises `Tampered` when the format is unknown, a bit was changed, or `associated` is not what it was sealed with.
    """
    if envelope[:1] != HEADER:
        msg = "unknown envelope format"
        raise Tampered(msg)
    try:
        return cipher.decrypt(
            envelope[1 : 1 + NONCE_BYTES], envelope[1 + NONCE_BYTES :], associated
        )
    except InvalidTag:
        msg = "the envelope does not belong here or was changed"
        raise Tampered(msg) from None


def resource_place(tenant: int, type_: str, fhir_id: str, version: int, key_id: int) -> bytes:
    """Return the associated data of one version of one resource; the same in the current and the history table."""
    return f"resource|{tenant}|{type_}|{fhir_id}|{version}|{key_id}|{FORMAT_JSON}".encode()


def first_version_place(tenant: int, type_: str) -> bytes:
    """Return the same for the first version of any resource of a type: its id (UTF-8) and key id are still to be put in."""
    place = resource_place(tenant, type_, "\0", 1, 0)
    begins, _, _ = place.partition(b"\0")
    return begins.replace(b"%", b"%%") + b"%b|1|%d|" + str(FORMAT_JSON).encode()


def purpose_place(tenant: int, patient: str | None, purpose: str, key_id: int) -> bytes:
    """Return the associated data of an envelope outside the resource tables (phone numbers, window state)."""
    return f"purpose|{tenant}|{patient or ''}|{purpose}|{key_id}|{FORMAT_JSON}".encode()
