"""What is kept of secrets that are random: bearer tokens, codes, passwords of devices, names of sessions.

Nobody guesses 80 random bits or more, so a plain hash cannot be searched; a slow one would only slow us down. Passwords
of people are another matter (`fhirserver.accounts.passwords`).
"""

from hashlib import sha256


def secret_digest(secret: str) -> bytes:
    """Return the 32 bytes that a random `secret` is found and compared by."""
    return sha256(secret.encode()).digest()
