"""Signed tree heads: what the server says of its log after each batch.

A head names the log, the number of the batch, how many leaves the tree has then, its root, and the root and size before,
so that heads form a chain. It is signed as a JWS with detached content; `Head.line` is how it leaves the house.

Spec: https://www.rfc-editor.org/rfc/rfc9162#section-4.10, https://www.rfc-editor.org/rfc/rfc7515#appendix-F
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Self

from fhirserver.auditing.merkle import HASH_BYTES


def digest_of_parts(parts: Sequence[tuple[int, bytes]]) -> bytes:
    """Return the digest of how many events each part of a batch has, and its receipt; empty without parts."""
    if not parts:
        return b""
    digest = sha256()
    for events, receipt in parts:
        digest.update(b"%d|%d|%b" % (events, len(receipt), receipt))
    return digest.digest()


class NotAHeadError(ValueError):
    """The text is no signed head."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What is signed: after batch `number` (from 1) the tree of `log` has `size` leaves and the root `root`.

    `parts` is the digest of its parts and their receipts, empty in heads from before there were any.
    """

    log: str
    number: int
    size: int
    root: bytes
    size_before: int
    root_before: bytes
    at: datetime
    parts: bytes = b""

    def to_bytes(self) -> bytes:
        """Return the bytes that are signed: JSON without white space, its members in order."""
        content = {
            "at": self.at.isoformat(timespec="milliseconds"),
            "log": self.log,
            "number": self.number,
            "root": self.root.hex(),
            "rootBefore": self.root_before.hex(),
            "size": self.size,
            "sizeBefore": self.size_before,
        }
        if self.parts:
            content["parts"] = self.parts.hex()
        return json.dumps(content, separators=(",", ":"), sort_keys=True).encode()

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Return what `to_bytes` wrote. Raises `NotAHeadError`."""
        try:
            data: dict[str, Any] = json.loads(content)
            statement = cls(
                str(data["log"]),
                int(data["number"]),
                int(data["size"]),
                bytes.fromhex(data["root"]),
                int(data["sizeBefore"]),
                bytes.fromhex(data["rootBefore"]),
                datetime.fromisoformat(data["at"]),
                bytes.fromhex(data.get("parts", "")),
            )
        except (ValueError, KeyError, TypeError) as defect:
            message = f"not a statement about a log: {defect}"
            raise NotAHeadError(message) from defect
        if len(statement.root) != HASH_BYTES or len(statement.root_before) != HASH_BYTES:
            message = "a root has 32 bytes"
            raise NotAHeadError(message)
        return statement


@dataclass(frozen=True, slots=True)
class Head:
    """A statement, as the bytes that were signed, and the signature."""

    content: bytes
    signature: str

    @property
    def statement(self) -> Statement:
        """What it says. Raises `NotAHeadError`."""
        return Statement.of(self.content)

    def line(self) -> str:
        """Return the head as one line of text."""
        return json.dumps(
            {"statement": self.content.decode(), "signature": self.signature},
            separators=(",", ":"),
        )

    @classmethod
    def of_line(cls, line: str) -> Self:
        """Return the head that `line` wrote. Raises `NotAHeadError`."""
        try:
            data = json.loads(line)
            return cls(str(data["statement"]).encode(), str(data["signature"]))
        except (ValueError, KeyError, TypeError) as defect:
            message = f"not a line of heads: {defect}"
            raise NotAHeadError(message) from defect
