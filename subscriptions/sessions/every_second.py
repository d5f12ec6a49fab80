"""The tick of the sessions part: treatments that are over, ends that are missing, run sheets owed."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

import structlog

from fhirserver.kernel.errors import Conflict, Unavailable
from fhirserver.kernel.ports import Transactions
from subscriptions.sessions import run_sheets
from subscriptions.sessions.part import Sessions
from subscriptions.sessions.run_sheets import FiguresOf
from subscriptions.store import session_rows
from subscriptions.store.session_rows import Execute, Treatment

_PATIENTS_AT_ONCE: Final = 200
_SHEETS_AT_ONCE: Final = 20

_log = structlog.get_logger("sessions")


class SettleTreatments:
    """Call it every second, in as many processes as there are.

    `execute` reads due rows of every tenant, `transaction` opens a write transaction of one, `measured`
    sums up what was measured. Each patient has a transaction of their own, so that a thousand
    treatments that begin in one minute hold up nobody's alarm.
    """

    def __init__(
        self,
        sessions: Sessions,
        transaction: Transactions,
        execute: Execute,
        clock: Callable[[], datetime],
        measured: FiguresOf,
    ) -> None:
        """Settle by `sessions`."""
        self._sessions = sessions
        self._transaction = transaction
        self._execute = execute
        self._clock = clock
        self._measured = measured

    async def __call__(self) -> None:
        """Do everything that is due now; what is contended is left for the next second."""
        for tenant in await session_rows.due_tenants(self._execute, self._clock()):
            async with self._transaction(tenant) as tx:
                patients = await session_rows.due_patients(tx, _PATIENTS_AT_ONCE)
            for patient in patients:
                await _apart(self._settle(tenant, patient))
            async with self._transaction(tenant) as tx:
                owed = await session_rows.owed(tx, _SHEETS_AT_ONCE)
            for treatment in owed:
                await _apart(self._write_run_sheet(tenant, treatment))

    async def _settle(self, tenant: int, patient: str) -> None:
        async with self._transaction(tenant) as tx:
            await self._sessions.settle(tx, patient)

    async def _write_run_sheet(self, tenant: int, treatment: Treatment) -> None:
        ended = treatment.ended or self._clock()
        figures = await run_sheets.figures_of(self._measured, tenant, treatment, ended)
        async with self._transaction(tenant) as tx:
            await run_sheets.write(tx, treatment, ended, figures)


async def _apart(work: Awaitable[None]) -> None:
    """Do one patient's work; its failure is not the next one's."""
    try:
        await work
    except (Conflict, Unavailable) as problem:
        _log.info("to be tried again", problem=type(problem).__name__)
    except Exception as problem:  # noqa: BLE001 - one patient must not hold up the others
        _log.error("failed", problem=type(problem).__name__)
