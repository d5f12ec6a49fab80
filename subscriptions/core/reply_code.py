"""The short code that ties an answer to one alarm on one telephone.

A code is followed by one answer letter (``7Q2K`` + ``h``), so the letters that answer (a, y, n, h)
are not in its alphabet, and neither is anything easily mistaken for something else or able to spell
a word. Twenty characters and four places give 160 000 codes per telephone; only the open ones of
that telephone must differ.
"""

from typing import Final

ALPHABET: Final = "234679CDFGJKMPQRTVWX"
LENGTH: Final = 4
ANSWER_LETTERS: Final = "AYNH"


def code_from(random_bytes: bytes) -> str:
    """Return a code made of `random_bytes` (at least eight, so that no character is likelier)."""
    if len(random_bytes) < 2 * LENGTH:
        raise ValueError(f"a code needs {2 * LENGTH} random bytes, not {len(random_bytes)}")
    number = int.from_bytes(random_bytes, "big")
    characters = []
    for _ in range(LENGTH):
        number, index = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[index])
    return "".join(characters)


def is_code(text: str) -> bool:
    """Return whether `text` (upper case) could be a code."""
    return LENGTH <= len(text) <= LENGTH + 2 and all(c in ALPHABET for c in text)
