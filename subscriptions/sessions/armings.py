"""Keeps whether monitoring is armed, and everything that follows from time passing in a treatment.

`settle` is the one place: it looks at a patient's treatments, test page, roster and orders as they
are now, and brings rows, alerts and Procedures in line. Whoever learns of a change only makes it due,
or calls it.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from fhirserver.kernel.changes import Change
from fhirserver.kernel.errors import Problem, Unprocessable
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from subscriptions.core import arming
from subscriptions.core.arming import UNARMED, Arming
from subscriptions.core.constants import TEST_PAGE_AGAIN_AFTER
from subscriptions.core.incident_task import incident_of
from subscriptions.core.ladder_state import Roster
from subscriptions.core.ports import AlertListener
from subscriptions.core.test_page import is_test, shows_arrival
from subscriptions.core.treatment_watch import judged
from subscriptions.evaluation import alerts
from subscriptions.evaluation.rule_book import has_own_order
from subscriptions.response.rosters import people_of, roster_of
from subscriptions.sessions.test_pages import TestPages
from subscriptions.sessions.treatments import Treatments
from subscriptions.store import alert_rows, evaluation_rows, session_rows
from subscriptions.store.session_rows import ArmingRow

_AGAIN_AFTER: Final = timedelta(seconds=TEST_PAGE_AGAIN_AFTER.value)


class Armings:
    """Arms, lapses and tells.

    `required` False: nobody is told that monitoring is not armed.
    """

    def __init__(
        self,
        listener: AlertListener,
        treatments: Treatments,
        test_pages: TestPages,
        *,
        required: bool,
    ) -> None:
        """Tell alerts to `listener`."""
        self._listener = listener
        self._treatments = treatments
        self._test_pages = test_pages
        self._required = required

    async def ask(self, tx: Transaction, patient: str) -> ArmingRow:
        """Send a test page to everybody of tier 1 who counts, and return how monitoring stands.

        Asked again within half a minute it sends nothing; where nobody counts it cannot. Raises
        `Unprocessable` when the patient may not be armed.
        """
        await _serialize(tx, patient)
        row = await session_rows.arming_of(tx, patient, lock=True)
        if _was_just_asked(row.arming, tx.now):
            return row
        if not await self._allowed(tx, patient):
            raise _refused("under 18 or of unknown age: only under a clinician's own order")
        people = await people_of(tx, patient)
        members = arming.able(people.roster)
        after = arming.asked(row.arming, people.roster, tx.now)
        incident = (
            await self._test_pages.send(tx, patient, people, members) if members else row.incident
        )
        await self._save(tx, patient, ArmingRow(after, incident), people.roster, in_session=False)
        await self.settle(tx, patient)
        return await session_rows.arming_of(tx, patient)

    async def task_changed(self, tx: Transaction, change: Change) -> None:
        """Arm when a person of tier 1 has acknowledged the test page."""
        task, before, patient = change.resource, change.previous, change.patient
        if task is None or before is None or patient is None or not is_test(task):
            return
        if not shows_arrival(task) or shows_arrival(before):
            return
        await alert_rows.of_patients(tx, [patient], timedelta(0))
        row = await session_rows.arming_of(tx, patient, lock=True)
        if row.incident != incident_of(task):
            return
        roster = await roster_of(tx, patient)
        member = str(task.get("owner", {}).get("reference", ""))
        allowed = await self._allowed(tx, patient)
        after = arming.acknowledged(row.arming, member, roster, tx.now, allowed=allowed)
        if after != row.arming:
            await self._save(tx, patient, ArmingRow(after, row.incident), roster, in_session=False)
            await self.settle(tx, patient)

    async def settle(self, tx: Transaction, patient: str) -> int:
        """Do what is due for `patient`; return how many findings came of it.

        The caller holds the patient's evaluation row, or is an answer to an alert.
        """
        await alert_rows.of_patients(tx, [patient], timedelta(0))
        going_on, over = await self._treatments.unsettled(tx, patient)
        row = await session_rows.arming_of(tx, patient, lock=True)
        for one in over:
            row = replace(row, arming=_after_treatment(row.arming, one.ended or tx.now))
            await session_rows.settled(tx, one.session)
        roster = await roster_of(tx, patient)
        allowed = row.arming.state not in ("testing", "armed") or await self._allowed(tx, patient)
        in_session = bool(going_on)
        looked = arming.looked_at(
            row.arming, roster, tx.now, allowed=allowed, in_session=in_session
        )
        incident = row.incident
        if looked.state == "unarmed" and looked.asked is None and incident is not None:
            await self._test_pages.close(tx, patient)
            incident = None
        await self._save(tx, patient, ArmingRow(looked, incident), roster, in_session=in_session)
        found = judged(
            going_on, [one.session for one in over], looked, tx.now, required=self._required
        )
        for treatment, due in found.going_on:
            await session_rows.save(tx, due, treatment)
        if found.findings:
            await alerts.apply(tx, self._listener, found.findings)
        return len(found.findings)

    async def _save(
        self,
        tx: Transaction,
        patient: str,
        row: ArmingRow,
        roster: Roster,
        *,
        in_session: bool,
    ) -> None:
        due = None
        if row.arming.state in ("testing", "armed"):
            until = arming.holds_until(row.arming, in_session=in_session)
            due = min((at for at in (until, roster.until) if at is not None), default=None)
        await session_rows.save_arming(tx, patient, row, due)

    async def _allowed(self, tx: Transaction, patient: str) -> bool:
        resource: Json = await tx.get("Patient", patient) or {}
        birth_date = resource.get("birthDate")
        if arming.may_be_armed(birth_date, tx.now, has_own_order=False):
            return True
        return await has_own_order(tx, patient)


async def _serialize(tx: Transaction, patient: str) -> None:
    """Hold what serializes the patient's evaluation: no two transactions raise the same alert."""
    await evaluation_rows.lock(tx, {patient: tx.bucket(patient, "Patient", patient)})


def _was_just_asked(known: Arming, now: datetime) -> bool:
    """Return whether a test page went out a moment ago; where nobody could be sent one, none did."""
    sent = known.asked if known.state in ("testing", "armed") else None
    return sent is not None and now - sent < _AGAIN_AFTER


def _after_treatment(known: Arming, ended: datetime) -> Arming:
    """Return the arming after a treatment: a test page that was for it says nothing of the next."""
    since = known.asked or known.armed
    return UNARMED if since is None or since <= ended else known


def _refused(reason: str) -> Unprocessable:
    message = f"monitoring cannot be armed: {reason}"
    return Unprocessable(message, problems=[Problem("error", "business-rule", "Patient", message)])
