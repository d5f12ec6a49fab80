"""Positions between two rows of a sorted result, signed so that only the caller they were made for can use them. Pure.

A cursor carries the sort values and the row id of the last row of a page; the next page begins after it, whatever was
written in the meantime. The signature covers tenant, caller and query.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from uuid import UUID

from fhirserver.crypto.blind_index import BlindIndex
from fhirserver.kernel.errors import BadRequest
from fhirserver.kernel.principal import Principal
from fhirserver.search.query import Query


@dataclass(frozen=True, slots=True)
class Position:
    """The last row of a page: its sort values (microseconds since 1970, None where it has none) and its row id."""

    values: tuple[int | None, ...]
    row: UUID


def encode(position: Position, query: Query, caller: Principal, blind: BlindIndex) -> str:
    """Return the text of the `next` link."""
    body = json.dumps([list(position.values), position.row.hex], separators=(",", ":"))
    text = f"{body}.{_signature(body, query, caller, blind)}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(text: str, query: Query, caller: Principal, blind: BlindIndex) -> Position:
    """Return the position. Raises `BadRequest` for a cursor that is forged, of another caller or of another query."""
    try:
        body, _, signature = (
            base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().rpartition(".")
        )
        if signature == _signature(body, query, caller, blind):
            values, row = json.loads(body)
            return Position(tuple(values), UUID(row))
    except (binascii.Error, UnicodeDecodeError, ValueError, TypeError):
        pass
    msg = "parameter _cursor: not a cursor of this search; start again from its first page"
    raise BadRequest(msg)


def _signature(body: str, query: Query, caller: Principal, blind: BlindIndex) -> str:
    asked = repr((query.type, query.conditions, query.sort))
    parts = (str(caller.tenant), caller.kind, caller.reference, asked, body)
    # Two 64-bit keyed hashes in different domains make 128 bits that cannot be had without the tenant's key.
    return f"{blind.hash('cursor-1', *parts):x}{blind.hash('cursor-2', *parts):x}"
