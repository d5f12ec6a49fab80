"""The sessions part as the composite observer knows it: treatments, and whether monitoring is armed."""

from collections.abc import Sequence

from fhirserver.kernel.changes import Change
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.readings import Contact
from subscriptions.core import check_in
from subscriptions.core.check_in import CheckIn
from subscriptions.core.ports import AlertListener
from subscriptions.evaluation import alerts
from subscriptions.response.pages import Pages
from subscriptions.sessions import plans
from subscriptions.sessions.armings import Armings
from subscriptions.sessions.test_pages import TestPages
from subscriptions.sessions.treatments import Treatments
from subscriptions.store import evaluation_rows, session_rows


class Sessions:
    """Follows treatments and who would hear an alarm in them.

    `required` False: a treatment without an acknowledged test page is no alarm.
    """

    def __init__(self, listener: AlertListener, pages: Pages, *, required: bool) -> None:
        """Tell alerts to `listener`; test pages are written by `pages`."""
        self._treatments = Treatments()
        self._listener = listener
        self.armings = Armings(listener, self._treatments, TestPages(pages), required=required)

    async def changed(self, tx: Transaction, changes: Sequence[Change]) -> None:
        """Follow Procedures, bindings, plans, and answers to test pages."""
        for change in changes:
            match change.type:
                case "Procedure":
                    await self._treatments.procedure_changed(tx, change)
                case "DeviceUseStatement":
                    await self._treatments.binding_changed(tx, change)
                case "CarePlan":
                    await plans.follow(tx, change)
                case "Task" if change.action == "update":
                    await self.armings.task_changed(tx, change)

    async def contacts(self, tx: Transaction, contacts: Sequence[Contact]) -> None:
        """Follow what devices say of their mode of operation."""
        await self._treatments.hear(tx, contacts)

    async def roster_changed(self, tx: Transaction, patient: str) -> None:
        """Look again whether monitoring is armed: somebody may be lost, or nobody reachable."""
        row = await session_rows.arming_of(tx, patient)
        if row.arming.state in ("testing", "armed"):
            await self.armings.settle(tx, patient)

    async def settle(self, tx: Transaction, patient: str) -> int:
        """Do what is due for `patient`; return how many findings came of it."""
        await evaluation_rows.lock(tx, {patient: tx.bucket(patient, "Patient", patient)})
        return await self.armings.settle(tx, patient)

    async def check_in(
        self,
        tx: Transaction,
        said: CheckIn,
        *,
        patient: str,
        by: str | None,
        note: str | None,
        simulated: bool,
    ) -> bytes:
        """Record what `by` (a reference) says about `patient`, and call somebody for "not well".

        Returns the Observation as it was stored.
        """
        await evaluation_rows.lock(tx, {patient: tx.bucket(patient, "Patient", patient)})
        treatments = await session_rows.going_on(tx, patient)
        stored = await tx.put(
            check_in.observation(
                said,
                patient=patient,
                by=by,
                note=note,
                procedure=treatments[-1] if treatments else None,
                simulated=simulated,
                now=tx.now,
            )
        )
        found = check_in.findings(
            said,
            patient=patient,
            evidence=f"Observation/{stored.id}",
            simulated=simulated,
            now=tx.now,
        )
        await alerts.apply(tx, self._listener, found)
        return stored.content
