"""Rows of `presence`: which socket has whose chart open, for as long as its process says so."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final, LiteralString, NamedTuple
from uuid import UUID

from fhirserver.kernel.ports import Transaction
from subscriptions.worker.ports import Scan

_FIND: Final[LiteralString] = (
    "SELECT DISTINCT p.tenant, p.patient, p.viewer FROM presence p"
    " JOIN unnest(%s::int[], %s::text[]) AS chart (tenant, patient)"
    " ON p.tenant = chart.tenant AND p.patient = chart.patient WHERE p.until > %s"
)


class Chart(NamedTuple):
    """The record of one patient."""

    tenant: int
    patient: str


async def keep(tx: Transaction, opened: Mapping[UUID, tuple[str, str]], until: datetime) -> None:
    """Say of each socket of `opened` who (a reference) looks at which patient, `until` then."""
    sockets = sorted(opened)
    await tx.execute(
        "INSERT INTO presence (tenant, socket, viewer, patient, until)"
        " SELECT %s, one.socket, one.viewer, one.patient, %s"
        " FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS one (socket, viewer, patient)"
        " ON CONFLICT (tenant, socket)"
        " DO UPDATE SET patient = excluded.patient, until = excluded.until",
        (
            tx.tenant,
            until,
            sockets,
            [opened[one][0] for one in sockets],
            [opened[one][1] for one in sockets],
        ),
    )


async def drop(tx: Transaction, sockets: Collection[UUID]) -> None:
    """Forget `sockets`, and those nobody speaks of any more."""
    await tx.execute(
        "DELETE FROM presence WHERE tenant = %s AND (socket = ANY(%s::uuid[]) OR until <= %s)",
        (tx.tenant, sorted(sockets), tx.now),
    )


async def viewers(
    scan: Scan, charts: Sequence[Chart], now: datetime
) -> dict[Chart, frozenset[str]]:
    """Return who has which of `charts` open `now`, in whatever process."""
    rows = await scan(_FIND, ([one.tenant for one in charts], [one.patient for one in charts], now))
    found: dict[Chart, set[str]] = {}
    for tenant, patient, viewer in rows:
        found.setdefault(Chart(tenant, patient), set()).add(viewer)
    return {chart: frozenset(whose) for chart, whose in found.items()}
