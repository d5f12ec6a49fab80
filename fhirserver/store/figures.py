"""What was measured in a stretch of time, summed up or value by value, from the index: nothing is decrypted.

A treatment of four hours has 170 000 Observations; their values lie in `resource_range` for search
anyway, and PostgreSQL adds them up where they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, LiteralString

from fhirserver.crypto.blind_index import BlindIndex
from fhirserver.kernel.canonical import MDC
from fhirserver.kernel.figures import Figures
from fhirserver.kernel.measured import Measured
from fhirserver.kernel.ports import Transaction
from fhirserver.search.term import CUT, Term
from fhirserver.store.component_ranges import VALUES, number
from fhirserver.store.rows import asked_keys, parameter_number

_OBSERVATION: Final = "Observation"
# The ranges are looked up row by row: a join could choose to walk those of everybody.
_MEASURED: Final[LiteralString] = (
    "FROM resource r JOIN unnest(%(keys)s::bigint[], %(params)s::bigint[], %(codes)s::text[]) AS m(key, param, code) "
    "ON r.keys @> ARRAY[m.key] "
    "CROSS JOIN LATERAL (SELECT v.lo FROM resource_range v WHERE v.type = %(type)s AND v.param = m.param "
    "AND v.id = r.id AND v.lo = v.hi OFFSET 0) g "
    "WHERE r.type = %(type)s AND r.tenant = %(tenant)s AND NOT r.deleted AND r.patient = %(patient)s "
    "AND r.time >= %(since)s AND r.time < %(until)s "
)
_SUMS: Final[LiteralString] = (
    "SELECT m.code, count(*), min(g.lo), max(g.lo), avg(g.lo) " + _MEASURED + "GROUP BY m.code"
)
_SERIES: Final[LiteralString] = (
    "SELECT r.time, m.code, g.lo " + _MEASURED + "ORDER BY r.time, m.code, r.id LIMIT %(most)s"
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
    asked = _asked(tx, blinds, patient, codes, (since, until))
    found = await tx.execute(_SUMS, asked)
    return {code: Figures(*numbers) for code, *numbers in found}


async def series(
    tx: Transaction,
    blinds: Sequence[BlindIndex],
    patient: str,
    codes: Mapping[str, str | None],
    since: datetime,
    until: datetime,
    most: int,
) -> list[Measured]:
    """Return the first `most` values of `codes` in [since, until), in the order of their times.

    `codes` and values as in `figures`.
    """
    asked = _asked(tx, blinds, patient, codes, (since, until)) | {"most": most}
    return [Measured(*row) for row in await tx.execute(_SERIES, asked)]


def _asked(
    tx: Transaction,
    blinds: Sequence[BlindIndex],
    patient: str,
    codes: Mapping[str, str | None],
    stretch: tuple[datetime, datetime],
) -> dict[str, Any]:
    rows = [row for code, panel in codes.items() for row in _rows(blinds, code, panel)]
    keys, params, names = ([row[column] for row in rows] for column in range(3))
    return {
        "keys": keys,
        "params": params,
        "codes": names,
        "type": tx.definitions.type_number(_OBSERVATION),
        "tenant": tx.tenant,
        "patient": blinds[0].own(f"Patient/{patient}"),
        "since": stretch[0],
        "until": stretch[1],
    }


def _rows(
    blinds: Sequence[BlindIndex], code: str, panel: str | None
) -> Iterator[tuple[int, int, str]]:
    """Yield the keys Observations of `code` are found by, each with the number of the ranges its values have."""
    term = Term("code", f"b{MDC}{CUT}{panel or code}")
    values = parameter_number(_OBSERVATION, "value-quantity")
    param = values if panel is None else number(blinds[0], VALUES, code)
    for key in asked_keys(blinds, _OBSERVATION, term):
        yield key, param, code
