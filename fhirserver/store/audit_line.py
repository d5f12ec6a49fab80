"""Lines of happenings that wait to be written out, and what shows that one was taken away before that.

A process remembers which of its lines it knows to be committed, and names them in its next one: they are witnessed.
Whoever writes a line out leaves a receipt with its events: which line it was, whom it witnessed, and the digest of the
leaves that were made of it. Receipts carry a keyed hash, so nobody makes or changes one in the database alone, and go
into the batch with the events. A line that was witnessed, does not wait any more and has no receipt was taken away.
"""

from collections.abc import Sequence
from hashlib import sha256
from hmac import compare_digest
from typing import Final
from uuid import UUID

import msgspec

from fhirserver.auditing.findings import Receipt
from fhirserver.crypto.blind_index import BlindIndex
from fhirserver.kernel.audit import Happening

# Lines that one line names at most; the rest are for the next one.
_NAMED: Final = 256
_PROOF_BYTES: Final = 8


class Line(msgspec.Struct, frozen=True):
    """What a line says: the happenings, and the ids of lines of the same process that were committed before."""

    happenings: list[Happening]
    witnessed: list[UUID] = []


class _Receipt(msgspec.Struct, frozen=True, array_like=True):
    line: UUID
    witnessed: list[UUID]
    digest: bytes


encode = msgspec.msgpack.Encoder(uuid_format="bytes").encode
_decode_receipt = msgspec.msgpack.Decoder(_Receipt).decode
_decode_line = msgspec.msgpack.Decoder(Line | list[Happening]).decode


def decode_line(content: bytes) -> Line:
    """Return what a line says; one that was written before lines had witnesses is a list of happenings."""
    found = _decode_line(content)
    return found if isinstance(found, Line) else Line(found)


def line_purpose(line: UUID) -> str:
    """Return what the content of a line is sealed for."""
    return f"audit-spool|{line}"


def receipt_of(blind: BlindIndex, line: UUID, witnessed: Sequence[UUID], leaves: bytes) -> bytes:
    """Return the receipt for a line of the tenant with this index that became events with these `leaves`."""
    content = encode(_Receipt(line, list(witnessed), sha256(leaves).digest()))
    return _proof(blind, content) + content


def opened(blind: BlindIndex, receipt: bytes, leaves: bytes) -> Receipt | None:
    """Return what a receipt says, None when it is not one for these `leaves` that was made here."""
    proof, content = receipt[:_PROOF_BYTES], receipt[_PROOF_BYTES:]
    if not compare_digest(proof, _proof(blind, content)):
        return None
    says = _decode_receipt(content)
    if says.digest != sha256(leaves).digest():
        return None
    return Receipt(says.line, says.witnessed)


def _proof(blind: BlindIndex, content: bytes) -> bytes:
    keyed = blind.hash("audit-receipt", content.hex())
    return keyed.to_bytes(_PROOF_BYTES, "big", signed=True)


class Witness:
    """The lines of this process that are committed and that no other has named yet."""

    def __init__(self) -> None:
        """Know of none."""
        self._lines: list[UUID] = []

    def taken(self) -> list[UUID]:
        """Return those that the next line names; none is returned twice, unless that line is not committed."""
        taken, self._lines = self._lines[:_NAMED], self._lines[_NAMED:]
        return taken

    def settled(self, line: UUID, named: Sequence[UUID], *, committed: bool) -> None:
        """Learn what became of a line that names others: in the database for good, or perhaps not."""
        if committed:
            self._lines.append(line)
        else:
            self._lines += named
