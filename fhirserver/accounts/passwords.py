"""Passwords: which are good enough, and how they are kept.

Length and a refusal of what everybody guesses first, no rules about kinds of characters, no expiry: NIST SP 800-63B-4
section 3.1.1.2. Kept as Argon2id (https://www.rfc-editor.org/rfc/rfc9106) with one lane, so that who guesses keeps one core
busy at most: https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#argon2id
"""

import unicodedata
from typing import Final, Literal

from argon2 import low_level
from argon2.exceptions import VerificationError

Weakness = Literal["short", "long", "common", "personal"]

LEAST_LENGTH: Final = 12
MOST_LENGTH: Final = 128
SALT_BYTES: Final = 16
_TIME_COST: Final = 1
_MEMORY_KIB: Final = 46 * 1024
_LANES: Final = 1
_HASH_BYTES: Final = 32
_FEWEST_DIFFERENT: Final = 5
_LEAST_PERSONAL: Final = 4
# What is left when digits and signs at both ends are gone: the middle of most passwords that are guessed first.
_COMMON: Final = frozenset(
    {
        "password", "passw0rd", "contrasena", "contraseña", "welcome", "bienvenido", "letmein",
        "administrator", "administrador", "changeme", "dialysis", "dialisis", "hemodialysis", "hospital",
        "nurse", "enfermera", "doctor", "patient", "paciente", "iloveyou", "sunshine", "princess",
        "football", "monkey", "qwertyuiop", "qwertyuiopasdfghjkl", "asdfghjkl", "asdfghjklzxcvbnm",
        "qazwsxedc", "qazwsxedcrfv", "superman", "trustno", "correcthorse", "correcthorsebatterystaple",
        "passwordpassword",
    }
)  # fmt: skip
_RUNS: Final = ("0123456789" * 3, "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm")
# Checked for names that have no account, so that they take as long as those that have. Nobody knows a password of it.
NOBODY: Final = (
    "$argon2id$v=19$m=47104,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)


def weakness(password: str, *personal: str) -> Weakness | None:
    """Return why `password` is refused, None when it is good; `personal` are names it must not be made of."""
    text = _same(password)
    if len(text) < LEAST_LENGTH:
        return "short"
    if len(text) > MOST_LENGTH:
        return "long"
    folded = text.casefold()
    middle = folded.strip("0123456789 !?.,;:-_#*+$%&/()=@")
    if (
        len(set(folded)) < _FEWEST_DIFFERENT
        or middle in _COMMON
        or any(folded in run or folded[::-1] in run for run in _RUNS)
    ):
        return "common"
    for name in personal:
        known = _same(name).casefold()
        if (
            len(known) >= _LEAST_PERSONAL
            and known in folded
            and len(folded) - len(known) < len(known)
        ):
            return "personal"
    return None


def hashed(password: str, salt: bytes) -> str:
    """Return what is kept of `password`; `salt` is `SALT_BYTES` random bytes."""
    return low_level.hash_secret(
        _same(password).encode(),
        salt,
        time_cost=_TIME_COST,
        memory_cost=_MEMORY_KIB,
        parallelism=_LANES,
        hash_len=_HASH_BYTES,
        type=low_level.Type.ID,
    ).decode()


def matches(kept: str, password: str) -> bool:
    """Return whether `kept` was made of `password`. Takes some fifty milliseconds of one core and 46 MiB."""
    try:
        return low_level.verify_secret(
            kept.encode(), _same(password)[:MOST_LENGTH].encode(), low_level.Type.ID
        )
    except VerificationError:
        return False


def is_outdated(kept: str) -> bool:
    """Return whether `kept` was made with other costs than those of today."""
    return f"m={_MEMORY_KIB},t={_TIME_COST},p={_LANES}" not in kept


def _same(text: str) -> str:
    """Return `text` as every keyboard writes it (Unicode NFKC)."""
    return unicodedata.normalize("NFKC", text)
