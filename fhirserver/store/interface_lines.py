"""Rows of ``interface_line``: how many connections of HL7 v2 each process has open, by our port or the receiver's address."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString

from fhirserver.kernel.hl7 import Line

Execute = Callable[[LiteralString, Sequence[Any]], Awaitable[list[tuple[Any, ...]]]]
# A process that has said nothing for so long is no more.
FORGOTTEN_AFTER: Final = timedelta(minutes=10)


async def tell(execute: Execute, process: str, lines: Mapping[Line, int], now: datetime) -> None:
    """Note that `process` has so many connections open of each of `lines`; what is gone is said by a count of 0."""
    await execute("DELETE FROM interface_line WHERE at < %s", (now - FORGOTTEN_AFTER,))
    if not lines:
        return
    columns = [list(column) for column in zip(*lines, strict=True)]
    await execute(
        "INSERT INTO interface_line (tenant, side, place, process, open, at)"
        " SELECT t, s, p, %s, n, %s FROM unnest(%s::int[], %s::text[], %s::text[], %s::int[]) AS new (t, s, p, n)"
        " ON CONFLICT (tenant, side, place, process) DO UPDATE SET open = excluded.open, at = excluded.at",
        (process, now, *columns, list(lines.values())),
    )
