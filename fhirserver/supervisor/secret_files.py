"""Secrets the supervisor makes for itself: one private file each, written once."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

PRIVATE_FILE: Final = 0o600
PRIVATE_DIRECTORY: Final = 0o700
SECRET_BYTES: Final = 32


def write_private(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all, on disk, readable by its owner alone."""
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def secret(path: Path, make: Callable[[bytes], str] = bytes.hex) -> str:
    """Return the secret kept in `path`; the first call makes one by `make` of 32 random bytes."""
    if path.exists():
        return path.read_text(encoding="utf-8").strip()
    path.parent.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    value = make(secrets.token_bytes(SECRET_BYTES))
    write_private(path, value + "\n")
    return value
