"""Writes the run sheets of treatments that are over."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from decimal import Decimal

from fhirserver.kernel.figures import Figures
from fhirserver.kernel.ports import Transaction
from subscriptions.core.run_sheet import CODES, Sheet, report, report_id
from subscriptions.core.treatment_plan import dry_weight, goals_of
from subscriptions.core.treatment_procedure import with_report
from subscriptions.store import alert_rows, session_rows
from subscriptions.store.session_rows import Treatment

# (tenant, patient, MDC codes with their panels, since, until) -> what was measured, by code
FiguresOf = Callable[
    [int, str, Mapping[str, str | None], datetime, datetime], Awaitable[Mapping[str, Figures]]
]


async def write(
    tx: Transaction, treatment: Treatment, ended: datetime, figures: Mapping[str, Figures]
) -> bool:
    """Write the run sheet of a `treatment` that was over at `ended`; False when somebody else has."""
    session = treatment.session
    if not await session_rows.lock_owed(tx, session.patient, session.procedure):
        return False
    sheet = Sheet(
        patient=session.patient,
        started=session.started,
        ended=ended,
        figures=figures,
        alerts=await alert_rows.present_between(tx, session.patient, session.started, ended),
        dry_weight=await _dry_weight(tx, session.patient),
        simulated=session.simulated,
    )
    identity = report_id(session.procedure)
    known = await tx.get("DiagnosticReport", identity, lock=True)
    await tx.put(report(sheet, tx.now, amends=known is not None), id_=identity)
    procedure = await tx.get("Procedure", session.procedure, lock=True)
    if procedure is not None:
        await tx.put(with_report(procedure, identity), id_=session.procedure)
    await session_rows.reported(tx, session)
    return True


async def figures_of(
    measured: FiguresOf, tenant: int, treatment: Treatment, ended: datetime
) -> Mapping[str, Figures]:
    """Return what was measured in a treatment. It may take a second, and holds no lock."""
    session = treatment.session
    return await measured(tenant, session.patient, CODES, session.started, ended)


async def _dry_weight(tx: Transaction, patient: str) -> Decimal | None:
    plan = (await session_rows.planned_seconds(tx, [patient])).get(patient)
    care_plan = None if plan is None else await tx.get("CarePlan", plan[1])
    for goal in () if care_plan is None else goals_of(care_plan):
        resource = await tx.get("Goal", goal)
        weight = None if resource is None else dry_weight(resource)
        if weight is not None:
            return weight
    return None
