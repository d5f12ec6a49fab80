"""Versions in the order they were written, newest first: of one resource, of a type, of everything.

The history of one resource is ordered by version. That of a type or of everything is ordered by time, ends at the
horizon (see `fhirserver.store.horizon`), and its pages go on from the last version shown.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, LiteralString
from uuid import UUID

from fhirserver.crypto.blind_index import BlindIndex
from fhirserver.definitions.patient_of import belongs_to
from fhirserver.kernel import keys
from fhirserver.kernel.errors import BadRequest, NotFound
from fhirserver.kernel.history import HistoryQuery
from fhirserver.kernel.principal import Access
from fhirserver.kernel.resource import Page, Stored
from fhirserver.store.connection import Query, Row
from fhirserver.store.horizon import OLDEST, horizon
from fhirserver.store.read import ReadContext, Reader

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# The types with millions of rows are indexed by blocks of time, not row by row: they are looked through in windows
# that grow until a page is full.
_BY_BLOCKS: Final = frozenset({"Observation", "AuditEvent"})
_WINDOWS: Final = tuple(timedelta(seconds=16**power) for power in range(7))
_COLUMNS: Final[LiteralString] = (
    "type, id, fhir_id, version, updated, deleted, key_id, content, patient, tenant, bucket"
)
_VERSIONS: Final[LiteralString] = (
    "SELECT type, id, fhir_id, version, updated, deleted, key_id, content FROM ("
    "SELECT " + _COLUMNS + ", true AS latest FROM resource "
    "UNION ALL SELECT " + _COLUMNS + ", false FROM resource_history) v WHERE tenant = %s"
)
# A version was current until the next one was written.
_STILL_CURRENT: Final[LiteralString] = (
    " AND updated < %s AND (latest OR NOT EXISTS (SELECT 1 FROM resource r WHERE r.type = v.type "
    "AND r.bucket = v.bucket AND r.id = v.id AND r.version = v.version + 1 AND r.updated <= %s) "
    "AND NOT EXISTS (SELECT 1 FROM resource_history h WHERE h.type = v.type AND h.bucket = v.bucket "
    "AND h.id = v.id AND h.version = v.version + 1 AND h.updated <= %s))"
)
_BY_TIME: Final[LiteralString] = " ORDER BY updated DESC, id DESC, version DESC LIMIT %s"


@dataclass(frozen=True, slots=True)
class Position:
    """The last version of a page."""

    updated: datetime
    row: UUID
    version: int


class Histories:
    """Answers history questions of one caller after another."""

    def __init__(self, reader: Reader, context: ReadContext, clock: Callable[[], datetime]) -> None:
        """Read through `reader`, whose `context` it shares."""
        self._reader = reader
        self._context = context
        self._clock = clock

    async def page(self, access: Access, asked: HistoryQuery) -> Page:
        """Return one page, newest first.

        Raises `NotFound` when the history is that of a resource without rows for this caller, `BadRequest` for a cursor
        of another history or caller.
        """
        tenant = access.principal.tenant
        blind = (await self._context.keys.tenant(tenant)).blind
        signer = _Signer(blind, access, asked)
        position = None if asked.cursor is None else signer.decoded(asked.cursor)
        if asked.type is not None and asked.id is not None:
            rows = await self._of_resource(access, asked.type, asked.id, asked, position)
        else:
            rows = await self._of_many(access, asked, position, blind)
        entries = [stored for _, stored in rows[: asked.count]]
        more = len(rows) > asked.count
        return Page(tuple(entries), signer.encoded(rows[asked.count - 1][0]) if more else None)

    async def _of_resource(
        self, access: Access, type_: str, id_: str, asked: HistoryQuery, position: Position | None
    ) -> list[tuple[Position, Stored]]:
        row = await self._reader.located(access, type_, id_)
        if row is None:
            msg = f"{type_}/{id_} is not known"
            raise NotFound(msg)
        number = self._context.definitions.type_number(type_)
        where: LiteralString = " AND type = %s AND bucket = %s AND id = %s"
        args: list[Any] = [number, keys.bucket_of_row(row), row]
        if position is not None:
            where += " AND version < %s"
            args.append(position.version)
        more, bounds = _times(asked)
        rows = await self._reader.rows(
            access,
            Query(
                _VERSIONS + where + more + " ORDER BY version DESC LIMIT %s",
                (access.principal.tenant, *args, *bounds, asked.count + 1),
            ),
        )
        return [
            (position, stored)
            for position, stored in await self._opened(access, rows)
            if stored.id == id_
        ]

    async def _of_many(
        self, access: Access, asked: HistoryQuery, position: Position | None, blind: BlindIndex
    ) -> list[tuple[Position, Stored]]:
        clause, args = self._scope(access, asked, blind)
        more, bounds = _times(asked)
        where: LiteralString = clause + more
        args += bounds
        if position is not None:
            where += " AND (updated, id, version) < (%s, %s, %s)"
            args += [position.updated, position.row, position.version]
        now = self._clock()
        anchor = now if position is None else position.updated
        ((oldest,),) = await self._reader.rows(access, OLDEST)
        where += " AND updated <= %s AND updated >= %s" + _BY_TIME
        args.append(horizon(oldest, now))
        rows: Sequence[Row] = ()
        for since in _windows(asked, anchor):
            # Planned for its own times: whether the window or the order is the better way in depends on them.
            values = (access.principal.tenant, *args, since, asked.count + 1)
            rows = await self._reader.rows(access, Query(_VERSIONS + where, values, prepare=False))
            if len(rows) > asked.count:
                break
        return await self._opened(access, rows)

    def _scope(
        self, access: Access, asked: HistoryQuery, blind: BlindIndex
    ) -> tuple[LiteralString, list[Any]]:
        """Return which rows the caller may meet: of the types asked for, and of the caller's patients."""
        number = self._context.definitions.type_number
        types = sorted(asked.types) if asked.type is None else [asked.type]
        clause: LiteralString = " AND type = ANY (%s::smallint[])"
        if access.everything or access.tenant_wide:
            return clause, [[number(one) for one in types]]
        own = [number(one) for one in types if belongs_to(one).kind == "patient"]
        others = [number(one) for one in types if belongs_to(one).kind != "patient"]
        patients = sorted(blind.own(f"Patient/{one}") for one in access.patients)
        clause = (
            " AND (patient = ANY (%s::bigint[]) AND type = ANY (%s::smallint[])"
            " OR (patient IS NULL OR patient = ANY (%s::bigint[])) AND type = ANY (%s::smallint[]))"
        )
        return clause, [patients, own, patients, others]

    async def _opened(self, access: Access, rows: Sequence[Any]) -> list[tuple[Position, Stored]]:
        found = []
        for number, *row in rows:
            type_ = self._context.definitions.type_name(number)
            (stored,) = await self._reader.opened(access.principal.tenant, type_, [row])
            found.append((Position(row[3], row[0], row[2]), stored))
        return found


def _times(asked: HistoryQuery) -> tuple[LiteralString, list[Any]]:
    clause: LiteralString = ""
    args: list[Any] = []
    if asked.since is not None:
        clause += " AND updated >= %s"
        args.append(asked.since)
    if asked.at is not None:
        begin, end = asked.at
        clause += _STILL_CURRENT
        args += [end, begin, begin]
    return clause, args


def _windows(asked: HistoryQuery, anchor: datetime) -> Iterator[datetime]:
    """Yield the beginnings of ever longer windows that end at `anchor`; the last one holds everything asked for."""
    first = asked.since or _EPOCH
    by_window = bool(_BY_BLOCKS & (asked.types if asked.type is None else {asked.type}))
    for width in _WINDOWS if by_window else ():
        begin = anchor - width
        if begin <= first:
            break
        yield begin
    yield first


class _Signer:
    """Makes and reads cursors that only the caller they were made for can use, and only for the same history."""

    def __init__(self, blind: BlindIndex, access: Access, asked: HistoryQuery) -> None:
        caller = access.principal
        question = repr((asked.type, asked.id, asked.since, asked.at))
        self._parts = (str(caller.tenant), caller.kind, caller.reference, question)
        self._blind = blind

    def encoded(self, position: Position) -> str:
        microseconds = (position.updated - _EPOCH) // timedelta(microseconds=1)
        body = json.dumps([microseconds, position.row.hex, position.version])
        return base64.urlsafe_b64encode(f"{body}.{self._sign(body)}".encode()).decode().rstrip("=")

    def decoded(self, text: str) -> Position:
        try:
            plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
            body, _, signature = plain.rpartition(".")
            if signature == self._sign(body):
                microseconds, row, version = json.loads(body)
                return Position(_EPOCH + timedelta(microseconds=microseconds), UUID(row), version)
        except (binascii.Error, UnicodeError, ValueError):
            pass
        msg = "parameter _cursor: not a cursor of this history; start again from its first page"
        raise BadRequest(msg)

    def _sign(self, body: str) -> str:
        one = self._blind.hash("history-cursor-1", *self._parts, body)
        other = self._blind.hash("history-cursor-2", *self._parts, body)
        return f"{one:x}{other:x}"
