"""Identity: buckets and row ids.

Every row belongs to one of 1024 buckets, decided by its patient when it has exactly one and by its own identity
otherwise; the bucket is part of every key, so that a store of several servers can be cut along it without a change.
A row id is a UUIDv7 (RFC 9562 section 5.7: 48 bits of Unix milliseconds first) whose last ten bits are the
bucket: an id made by the server therefore says where its row is, and a read needs no look-up.
"""

import re
from datetime import UTC, datetime
from hashlib import blake2b
from uuid import UUID

BUCKETS = 1024
_BUCKET_BITS = 10
_ROW = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_SEPARATOR = "\x1f"


def bucket_of(tenant: int, kind: str, identity: str) -> int:
    """Return the bucket (0..1023) of ``kind/identity`` in `tenant`; for patient-scoped rows that is the patient.

    An identity that carries a bucket (a row id) keeps it, so that a patient and everything of hers share one.
    """
    row = row_of(identity)
    if row is not None:
        return bucket_of_row(row)
    text = _SEPARATOR.join((str(tenant), kind, identity))
    return int.from_bytes(blake2b(text.encode(), digest_size=2).digest(), "big") % BUCKETS


def row_id(unix_ms: int, bucket: int, random_bits: int) -> UUID:
    """Return a UUIDv7 for `unix_ms` carrying `bucket`; `random_bits` supplies the remaining 64 bits."""
    return UUID(bytes=row_bytes(unix_ms, bucket, random_bits))


def row_bytes(unix_ms: int, bucket: int, random_bits: int) -> bytes:
    """Return the sixteen bytes of `row_id`, for who makes many."""
    rand_a = random_bits & 0xFFF
    rand_b = (random_bits >> 12) & ((1 << (62 - _BUCKET_BITS)) - 1)
    value = (unix_ms & 0xFFFFFFFFFFFF) << 80
    value |= 0x7 << 76
    value |= rand_a << 64
    value |= 0b10 << 62
    value |= rand_b << _BUCKET_BITS
    value |= bucket
    return value.to_bytes(16, "big")


def row_text(row: bytes) -> str:
    """Return the resource id that the bytes of a row id are written as."""
    digits = row.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def id_of(row: UUID) -> str:
    """Return the resource id that `row` is written as."""
    digits = f"{row.int:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def bucket_of_row(row: UUID) -> int:
    """Return the bucket that `row_id` placed in `row`."""
    return row.int & (BUCKETS - 1)


def row_of(fhir_id: str) -> UUID | None:
    """Return the row id when `fhir_id` is one of ours (lower-case UUIDv7), else None: then a look-up is needed."""
    return UUID(fhir_id) if _ROW.fullmatch(fhir_id) else None


def unix_ms(moment: datetime) -> int:
    """Return `moment` (aware) as whole milliseconds since 1970-01-01T00:00:00Z, exact for any date."""
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return delta.days * 86_400_000 + delta.seconds * 1000 + delta.microseconds // 1000


def first_row_at(moment: datetime) -> UUID:
    """Return the smallest possible row id of `moment`'s millisecond: the bound of a time partition."""
    return UUID(int=(unix_ms(moment) & 0xFFFFFFFFFFFF) << 80)
