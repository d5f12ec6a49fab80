"""Places between two matches of a sorted result, sealed for the caller and the search they were made for.

A cursor carries the sort values and the row id of the last match of a page; the next page begins behind it, whatever was
written in the meantime. It is stateless: a small message under a key of the tenant (AES-256-GCM) whose associated data
are the tenant, the caller and the search, so it can neither be read, nor changed, nor used for anything else.
"""

import base64
import binascii
import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fhirserver.crypto import envelope
from fhirserver.crypto.blind_index import BlindIndex
from fhirserver.kernel.errors import BadRequest
from fhirserver.kernel.principal import Principal
from fhirserver.search.period import as_datetime, microseconds
from fhirserver.search.query import Query

Value = int | Decimal | str | datetime | None
_WORDS: Final = 4


@dataclass(frozen=True, slots=True)
class Position:
    """The last match of a page: its sort values without the row id (None where it has none), and its row id."""

    values: tuple[Value, ...]
    row: UUID


def encode(position: Position, query: Query, caller: Principal, blind: BlindIndex) -> str:
    """Return the text of the `next` link."""
    body = json.dumps([[_told(one) for one in position.values], position.row.hex])
    nonce = secrets.token_bytes(envelope.NONCE_BYTES)
    sealed = envelope.seal(_cipher(blind), nonce, _place(query, caller), body.encode())
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def decode(text: str, query: Query, caller: Principal, blind: BlindIndex) -> Position:
    """Return the position. Raises `BadRequest` for a cursor that is forged, of another caller or of another search."""
    try:
        sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        body = envelope.unseal(_cipher(blind), _place(query, caller), sealed)
        values, row = json.loads(body)
        return Position(tuple(_read(one) for one in values), UUID(row))
    except (binascii.Error, envelope.Tampered, ValueError):
        pass
    msg = "parameter _cursor: not a cursor of this search; start again from its first page"
    raise BadRequest(msg)


def _told(value: Value) -> Any:
    match value:
        case None | str():
            return value
        case datetime():
            return {"t": microseconds(value)}
        case int():
            return {"i": value}
        case Decimal():
            return {"d": str(value)}


def _read(value: Any) -> Value:
    match value:
        case None | str():
            return value
        case {"t": int(moment)}:
            return as_datetime(moment)
        case {"i": int(number)}:
            return number
        case {"d": str(number)}:
            return Decimal(number)
    msg = "not a sort value"
    raise ValueError(msg)


def _place(query: Query, caller: Principal) -> bytes:
    # A search that was not made from a URL is told by what it asks.
    asked = query.identity if query.applied else repr((query.wanted, query.sort))
    return "|".join(("cursor", str(caller.tenant), caller.kind, caller.reference, asked)).encode()


@lru_cache(maxsize=256)
def _cipher(blind: BlindIndex) -> AESGCM:
    """Return the cipher of a tenant's cursors, whose key only the holder of its index key can make."""
    words = (blind.hash("cursor-key", str(word)) for word in range(_WORDS))
    return AESGCM(b"".join(word.to_bytes(8, "big", signed=True) for word in words))
