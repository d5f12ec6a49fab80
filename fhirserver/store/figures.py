"""Least, most and mean of what was measured in a stretch of time, from the index: nothing is decrypted.

A treatment of four hours has 170 000 Observations; their values lie in `resource_range` for search
anyway, and PostgreSQL adds them up where they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, LiteralString

from fhirserver.crypto.blind_index import BlindIndex
from fhirserver.kernel.canonical import MDC
from fhirserver.kernel.figures import Figures
from fhirserver.kernel.ports import Transaction
from fhirserver.search.term import CUT, Term
from fhirserver.store.component_ranges import VALUES, number
from fhirserver.store.rows import asked_keys, parameter_number

_OBSERVATION: Final = "Observation"
# The ranges are looked up row by row: a join could choose to walk those of everybody.
_SUMS: Final[LiteralString] = (
    "SELECT m.code, count(*), min(g.lo), max(g.lo), avg(g.lo) FROM resource r "
    "JOIN unnest(%(keys)s::bigint[], %(params)s::bigint[], %(codes)s::text[]) AS m(key, param, code) "
    "ON r.keys @> ARRAY[m.key] "
    "CROSS JOIN LATERAL (SELECT v.lo FROM resource_range v WHERE v.type = %(type)s AND v.param = m.param "
    "AND v.id = r.id AND v.lo = v.hi OFFSET 0) g "
    "WHERE r.type = %(type)s AND r.tenant = %(tenant)s AND NOT r.deleted AND r.patient = %(patient)s "
    "AND r.time >= %(since)s AND r.time < %(until)s GROUP BY m.code"
)


async def figures(
    tx: Transaction,
    blinds: Sequence[BlindIndex],
    patient: str,
    codes: Mapping[str, str | None],
    since: datetime,
    until: datetime,
) -> dict[str, Figures]:
    """Return by MDC code what was measured of `patient` in [since, until); a code without values is left out.

    `codes` maps each to the MDC code of the panel it is a component of, None where it is measured alone.
    Values are taken as written: of one code they have one unit.
    """
    rows = [row for code, panel in codes.items() for row in _rows(blinds, code, panel)]
    columns: list[Sequence[int | str]] = [list(column) for column in zip(*rows, strict=True)]
    found = await tx.execute(
        _SUMS,
        {
            "keys": columns[0],
            "params": columns[1],
            "codes": columns[2],
            "type": tx.definitions.type_number(_OBSERVATION),
            "tenant": tx.tenant,
            "patient": blinds[0].own(f"Patient/{patient}"),
            "since": since,
            "until": until,
        },
    )
    return {code: Figures(*numbers) for code, *numbers in found}


def _rows(
    blinds: Sequence[BlindIndex], code: str, panel: str | None
) -> Iterator[tuple[int, int, str]]:
    """Yield the keys Observations of `code` are found by, each with the number of the ranges its values have."""
    term = Term("code", f"b{MDC}{CUT}{panel or code}")
    values = parameter_number(_OBSERVATION, "value-quantity")
    param = values if panel is None else number(blinds[0], VALUES, code)
    for key in asked_keys(blinds, _OBSERVATION, term):
        yield key, param, code
