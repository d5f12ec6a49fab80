"""Begins, pauses and ends treatments: rows and Procedures, in the transaction that tells of them.

Called for every batch of device messages, so it only writes down what happened; what follows from
it (alerts, the run sheet) is due at once and done by `subscriptions.sessions.every_second`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from fhirserver.kernel.changes import Change
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.readings import Contact
from fhirserver.kernel.telemetry import treatment_id
from fhirserver.relations.fhir_period import period
from subscriptions.core import session as treatment
from subscriptions.core.constants import TREATMENT_NOTED_EVERY, TREATMENT_PLANNED
from subscriptions.core.session import Session, heard, said_at
from subscriptions.core.treatment_procedure import (
    ended,
    is_over,
    lost,
    procedure_of,
    taken_up_again,
)
from subscriptions.store import session_rows, silence_rows
from subscriptions.store.session_rows import Treatment

_REMEMBERED: Final = 50_000


class Treatments:
    """The treatments that go on, as one process hears of them."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._noted: dict[tuple[int, str], _Noted] = {}

    async def hear(self, tx: Transaction, contacts: Sequence[Contact]) -> None:
        """Follow what devices say of their mode of operation."""
        news = [contact for contact in contacts if self._is_news(tx.tenant, contact)]
        if not news:
            return
        devices = sorted({contact.device for contact in news})
        busy = await session_rows.of_devices(tx, devices)
        for contact in news:
            known = busy.get(contact.device)
            if heard(known, contact) == "nothing":
                if known is None or not treatment.is_late(known, contact):
                    self._note(tx.tenant, contact)
            else:
                after = await self._step(tx, contact)
                if after is None:
                    busy.pop(contact.device, None)
                else:
                    busy[contact.device] = after

    async def procedure_changed(self, tx: Transaction, change: Change) -> None:
        """End a treatment that somebody says is over."""
        if change.patient is None or not is_over(change.resource):
            return
        going_on = await session_rows.lock(tx, change.patient, change.id)
        if going_on is not None:
            said = period((change.resource or {}).get("performedPeriod"))[1]
            at = min(said, tx.now) if said is not None else tx.now
            await session_rows.end(tx, going_on, max(at, going_on.started), final=True)

    async def binding_changed(self, tx: Transaction, change: Change) -> None:
        """End the treatment of a device that its patient does not use any more."""
        for version in (change.resource, change.previous):
            reference = "" if version is None else version.get("device", {}).get("reference", "")
            if not reference.startswith("Device/"):
                continue
            device = reference.removeprefix("Device/")
            going_on = await session_rows.lock_of_device(tx, device)
            if going_on is not None and not await silence_rows.in_use(
                tx, device, going_on.patient, tx.now
            ):
                await self.end(tx, going_on, going_on.paused or tx.now)

    async def end(self, tx: Transaction, going_on: Session, at: datetime) -> None:
        """End a treatment because of what the machine says, or no longer says."""
        over, known = treatment.ended_at(going_on, at)
        await session_rows.end(tx, going_on, over, final=False)
        procedure = await tx.get("Procedure", going_on.procedure, lock=True)
        if procedure is not None:
            after = ended(procedure, over) if known else lost(procedure)
            await tx.put(after, id_=going_on.procedure)

    async def unsettled(
        self, tx: Transaction, patient: str
    ) -> tuple[list[Session], list[Treatment]]:
        """Lock and return the treatments of `patient` that go on, and those whose end was told nobody.

        Those that are over by now are ended.
        """
        going_on: list[Session] = []
        over: list[Treatment] = []
        for known in await session_rows.unsettled(tx, patient):
            one, at = known.session, treatment.over_at(known.session)
            if known.ended is not None:
                over.append(known)
            elif at is not None and at <= tx.now:
                ended_at = one.paused or tx.now
                await self.end(tx, one, ended_at)
                over.append(Treatment(one, ended_at))
            else:
                going_on.append(one)
        return going_on, over

    async def _step(self, tx: Transaction, contact: Contact) -> Session | None:
        going_on = await session_rows.lock_of_device(tx, contact.device)
        step = heard(going_on, contact)
        if going_on is not None and step in ("ends", "begins-another"):
            await self.end(tx, going_on, going_on.paused or said_at(contact))
            going_on = None
        elif going_on is not None and step == "pauses":
            going_on = treatment.paused(going_on, said_at(contact))
            await self._save(tx, going_on)
        elif going_on is not None and step in ("goes-on", "comes-live"):
            going_on = treatment.gone_on(going_on, contact)
            await self._save(tx, going_on)
        if step in ("begins", "begins-another"):
            return await self._begin(tx, contact)
        return going_on

    async def _save(self, tx: Transaction, going_on: Session) -> None:
        """Store it, to be looked at as a whole in a moment."""
        await session_rows.save(tx, going_on, tx.now)

    async def _begin(self, tx: Transaction, contact: Contact) -> Session | None:
        patient = contact.patient
        if patient is None:
            return None
        started = said_at(contact)
        therapy = contact.session or started.isoformat()
        procedure = treatment_id(contact.device, patient, therapy)
        before = await session_rows.ended(tx, patient, procedure)
        if before is not None and (before[1] or started <= before[0]):
            # Somebody said that it is over; neither the machine that is still on nor what it said
            # before, and arrives only now, begins it anew.
            return None
        plan = await session_rows.planned_seconds(tx, patient)
        seconds = TREATMENT_PLANNED.value if plan is None else plan[0]
        begun = Session(
            procedure=procedure,
            patient=patient,
            device=contact.device,
            therapy=contact.session,
            started=started,
            planned_end=started + timedelta(seconds=seconds),
            live=treatment.is_live(contact),
            simulated=contact.simulated,
        )
        await session_rows.save(tx, begun, tx.now)
        known = None if before is None else await tx.get("Procedure", procedure, lock=True)
        content = (
            procedure_of(begun, None if plan is None else plan[1])
            if known is None
            else taken_up_again(known)
        )
        await tx.put(content, id_=procedure)
        return begun

    def _is_news(self, tenant: int, contact: Contact) -> bool:
        """Return whether `contact` may say more of a treatment than what is stored."""
        if contact.mode is None:
            return False
        noted = self._noted.get((tenant, contact.device))
        return (
            noted is None
            or noted.said != _said(contact)
            or (contact.received - noted.at).total_seconds() >= TREATMENT_NOTED_EVERY.value
        )

    def _note(self, tenant: int, contact: Contact) -> None:
        """Remember that what `contact` says is stored already.

        What has just been written is not remembered: its transaction may still fail.
        """
        if len(self._noted) > _REMEMBERED:
            self._noted.clear()
        self._noted[tenant, contact.device] = _Noted(_said(contact), contact.received)


@dataclass(frozen=True, slots=True)
class _Noted:
    """What a device said of its treatment, and when it was last compared with what is stored."""

    said: tuple[str | None, str | None, str | None, bool]
    at: datetime


def _said(contact: Contact) -> tuple[str | None, str | None, str | None, bool]:
    return contact.mode, contact.session, contact.patient, treatment.is_live(contact)
