"""How fast PostgreSQL alone takes the same rows: the yardstick for the server's own rate.

Method. The newest rows of the fullest Observation partition are exported in COPY's binary format
and cut into batches in memory, so that no client work but sending is measured. They are copied into
an ordinary, logged table made LIKE that partition with its defaults, storage settings and indexes
(a temporary table would write no log and make the comparison unfair), one transaction a batch, with
the database's own synchronous_commit, over one connection, as the server writes. Columns with a
default are left to it, as the server leaves them. The batch size is the mean of the server's own
transactions (rows per distinct xmin) unless given. The table starts empty, its indexes are
therefore shallower than the partition's, which favours the raw copy and lowers the ratio. It is
truncated between rounds and dropped at the end. `seconds` is the time spent in COPY and COMMIT
alone; processor time is that of all of PostgreSQL's processes while copying, as it is for the
server's own run, so it holds what an idle server asks its database meanwhile.

https://www.postgresql.org/docs/18/sql-copy.html (binary format)
"""

import struct
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, LiteralString
from urllib.parse import quote

import psycopg
from psycopg import sql

TABLE: Final = sql.Identifier("conformance_raw_copy")
MOST_ROWS: Final = 60_000
MOST_ROUNDS: Final = 20
_HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + struct.pack("!ii", 0, 0)
_TRAILER: Final = struct.pack("!h", -1)
_FULLEST: Final[LiteralString] = """
  SELECT c.oid::regclass::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
  WHERE i.inhparent = 'current_observation'::regclass
  ORDER BY pg_relation_size(c.oid) DESC LIMIT 1
"""
_COLUMNS: Final[LiteralString] = """
  SELECT attname FROM pg_attribute
  WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND NOT atthasdef
  ORDER BY attnum
"""


@dataclass(frozen=True, slots=True)
class RawCopy:
    """What was measured: `rows` in `seconds`, `batch` rows a transaction."""

    rows: int
    seconds: float
    batch: int
    bytes_a_row: float
    index_bytes_a_row: float
    synchronous_commit: str
    cpu_s: float | None

    @property
    def rows_per_s(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds


def embedded_url(data: Path, database: str = "fhirserver") -> str:
    """Return the URL of the embedded database's superuser, from the files an operator has in DATA.

    Raises FileNotFoundError when `data` holds no embedded database.
    """
    password = (data / "secrets" / "postgres-password").read_text().strip()
    port = (data / "run" / "postgres-port").read_text().strip()
    return f"postgresql://postgres:{quote(password, safe='')}@127.0.0.1:{port}/{database}"


def split_rows(content: bytes) -> Iterator[bytes]:
    """Yield the rows of a binary COPY without header and trailer; raises ValueError for others."""
    if not content.startswith(_HEADER[:11]):
        raise ValueError("not COPY's binary format")
    (extension,) = struct.unpack_from("!i", content, 15)
    at = 19 + extension
    while True:
        (fields,) = struct.unpack_from("!h", content, at)
        if fields == -1:
            return
        start = at
        at += 2
        for _ in range(fields):
            (length,) = struct.unpack_from("!i", content, at)
            at += 4 + max(length, 0)
        yield content[start:at]


def measure(
    database_url: str, *, batch: int | None, seconds: float, cpu: Callable[[], float] | None
) -> RawCopy:
    """Copy for about `seconds` seconds (at most `MOST_ROUNDS` times all rows); raises psycopg.Error.

    `cpu` returns the processor seconds PostgreSQL has used so far, where they can be known. Raises
    ValueError when there are no Observations to copy.
    """
    with psycopg.connect(database_url, autocommit=True) as connection:
        leaf = _one(connection, _FULLEST)
        if leaf is None:
            raise ValueError("there is no partition of Observation")
        columns = [row[0] for row in connection.execute(_COLUMNS, (leaf,))]
        rows = _export(connection, leaf, columns)
        size = batch or _mean_batch(connection, leaf)
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(TABLE))
        connection.execute(
            sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(TABLE, _table(leaf))
        )
        try:
            return _measure(connection, columns, _batches(rows, size), seconds, cpu)
        finally:
            connection.execute(sql.SQL("DROP TABLE {}").format(TABLE))


def _measure(
    connection: psycopg.Connection[Any],
    columns: Sequence[str],
    batches: Sequence[tuple[int, bytes]],
    seconds: float,
    cpu: Callable[[], float] | None,
) -> RawCopy:
    statement = _copy("COPY {} ({}) FROM STDIN (FORMAT BINARY)", TABLE, columns)
    copied, spent = 0, 0.0
    used = None if cpu is None else cpu()
    for _ in range(MOST_ROUNDS):
        connection.execute(sql.SQL("TRUNCATE {}").format(TABLE))
        for count, content in batches:
            begun = time.perf_counter()
            with connection.cursor() as cursor, cursor.copy(statement) as copy:
                copy.write(content)
            spent += time.perf_counter() - begun
            copied += count
            if spent >= seconds:
                break
        if spent >= seconds:
            break
    if cpu is not None and used is not None:
        used = cpu() - used
    indexes = _one(connection, "SELECT pg_indexes_size('conformance_raw_copy')") or 0
    held = _one(connection, "SELECT count(*) FROM conformance_raw_copy") or 1
    return RawCopy(
        rows=copied,
        seconds=spent,
        batch=batches[0][0],
        bytes_a_row=sum(len(content) for _, content in batches) / sum(n for n, _ in batches),
        index_bytes_a_row=indexes / max(held, 1),
        synchronous_commit=str(_one(connection, "SHOW synchronous_commit")),
        cpu_s=used,
    )


def _batches(rows: Sequence[bytes], size: int) -> list[tuple[int, bytes]]:
    """Return complete COPY streams of `size` rows each, with their number of rows."""
    return [
        (len(chunk), _HEADER + b"".join(chunk) + _TRAILER)
        for chunk in (rows[at : at + size] for at in range(0, len(rows), size))
    ]


def _export(connection: psycopg.Connection[Any], leaf: str, columns: Sequence[str]) -> list[bytes]:
    source = sql.SQL("(SELECT {} FROM {} ORDER BY id DESC LIMIT {})").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)), _table(leaf), sql.Literal(MOST_ROWS)
    )
    statement = sql.SQL("COPY {} TO STDOUT (FORMAT BINARY)").format(source)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        rows = list(split_rows(b"".join(bytes(part) for part in copy)))
    if not rows:
        raise ValueError(f"{leaf} holds no rows to copy")
    # As they came: oldest first.
    return rows[::-1]


def _mean_batch(connection: psycopg.Connection[Any], leaf: str) -> int:
    mean = connection.execute(
        sql.SQL(
            "SELECT count(*) / count(DISTINCT x) FROM "
            "(SELECT xmin::text AS x FROM {} ORDER BY id DESC LIMIT {}) newest"
        ).format(_table(leaf), sql.Literal(MOST_ROWS))
    ).fetchone()
    return max(1, int(mean[0])) if mean else 1


def _copy(text: LiteralString, table: sql.Identifier, columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(text).format(table, sql.SQL(", ").join(map(sql.Identifier, columns)))


def _table(name: str) -> sql.Identifier:
    return sql.Identifier(*name.split("."))


def _one(connection: psycopg.Connection[Any], statement: LiteralString) -> Any:
    row = connection.execute(statement).fetchone()
    return None if row is None else row[0]
