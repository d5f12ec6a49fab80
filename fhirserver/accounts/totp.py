"""Codes of authenticator apps: six digits, SHA-1, thirty seconds, which is what all of them know.

Spec: https://www.rfc-editor.org/rfc/rfc6238
"""

import base64
import hmac
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

SECRET_BYTES: Final = 20
DIGITS: Final = 6
STEP_SECONDS: Final = 30
# Clocks of telephones, and people, are late: one step each way (RFC 6238 section 5.2).
_TOLERANCE: Final = 1


def accepted_step(secret: bytes, code: str, now: datetime, last_step: int) -> int | None:
    """Return the step that `code` is the code of, None when it is wrong or of a step not after `last_step`.

    Keep what is returned as the new `last_step`: no code works twice (RFC 6238 section 5.2).
    """
    digits = "".join(code.split())
    if len(digits) != DIGITS or not digits.isascii() or not digits.isdigit():
        return None
    current = int(now.timestamp()) // STEP_SECONDS
    found = None
    for step in range(current - _TOLERANCE, current + _TOLERANCE + 1):
        if hmac.compare_digest(code_of(secret, step), digits) and step > last_step:
            found = step
    return found


def code_of(secret: bytes, step: int) -> str:
    """Return the code of one step of thirty seconds, counted from 1970."""
    return TOTP(secret, DIGITS, SHA1(), STEP_SECONDS).generate(step * STEP_SECONDS).decode()  # noqa: S303 - HMAC-SHA1 is what authenticator apps speak


def written(secret: bytes) -> str:
    """Return `secret` as people type it into an app: base32 in groups of four."""
    text = base64.b32encode(secret).decode()
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def address(secret: bytes, login: str, issuer: str) -> str:
    """Return the ``otpauth:`` address that apps read from a QR code."""
    return TOTP(secret, DIGITS, SHA1(), STEP_SECONDS).get_provisioning_uri(login, issuer)  # noqa: S303 - HMAC-SHA1 is what authenticator apps speak
