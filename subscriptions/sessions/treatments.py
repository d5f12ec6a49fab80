"""Begins, pauses and ends treatments: rows and Procedures, in the transaction that tells of them.

Called for every batch of device messages, so it only writes down what happened; what follows from
it (alerts, the run sheet) is due at once and done by `subscriptions.sessions.every_second`.
"""

from collections import deque
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
        told = _by_device(news)
        busy = await session_rows.of_devices(tx, sorted(told))
        moving = [
            device
            for device, said in told.items()
            if any(heard(busy.get(device), contact) != "nothing" for contact in said)
        ]
        if moving:
            locked = await session_rows.lock_of_devices(tx, moving)
            busy = {device: one for device, one in busy.items() if device not in moving} | locked
        while told:
            beginning: list[Contact] = []
            for device, said in list(told.items()):
                begins = await self._follow(tx, busy, said, is_stored=device not in moving)
                if begins is not None:
                    beginning.append(begins)
                if not said:
                    del told[device]
            busy |= await self._begin(tx, beginning) if beginning else {}

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
            going_on = (await session_rows.lock_of_devices(tx, [device])).get(device)
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

    async def _follow(
        self, tx: Transaction, busy: dict[str, Session], said: deque[Contact], *, is_stored: bool
    ) -> Contact | None:
        """Take from what one device `said`, and return what begins a treatment; None when nothing more does.

        `busy` are the treatments that go on, by device. `is_stored`: nothing of it is news.
        """
        while said:
            contact = said.popleft()
            known = busy.get(contact.device)
            step = heard(known, contact)
            if step == "nothing":
                if is_stored and (known is None or not treatment.is_late(known, contact)):
                    self._note(tx.tenant, contact)
                continue
            if known is not None and step in ("ends", "begins-another"):
                await self.end(tx, known, known.paused or said_at(contact))
                del busy[contact.device]
            elif known is not None:
                paused = step == "pauses"
                after = (
                    treatment.paused(known, said_at(contact))
                    if paused
                    else treatment.gone_on(known, contact)
                )
                # It is looked at as a whole in a moment.
                await session_rows.save(tx, tx.now, after)
                busy[contact.device] = after
            if step in ("begins", "begins-another"):
                return contact
        return None

    async def _begin(self, tx: Transaction, said: Sequence[Contact]) -> dict[str, Session]:
        """Begin the treatments that devices tell of, each of another device, and return them by device."""
        wanted = [(contact, _place(contact)) for contact in said]
        before = await session_rows.ended(tx, [place for _, place in wanted])
        # Where somebody said that it is over, neither the machine that is still on nor what it said
        # before, and arrives only now, begins it anew.
        begins = [
            (contact, place)
            for contact, place in wanted
            if (over := before.get(place[1])) is None
            or not (over[1] or said_at(contact) <= over[0])
        ]
        if not begins:
            return {}
        plans = await session_rows.planned_seconds(tx, sorted({place[0] for _, place in begins}))
        begun = [_begun(contact, *place, plans.get(place[0])) for contact, place in begins]
        await session_rows.save(tx, tx.now, *begun)
        await tx.lock(("Procedure", one.procedure) for one in begun)
        for one in begun:
            plan = plans.get(one.patient)
            known = None
            if one.procedure in before:
                known = await tx.get("Procedure", one.procedure, lock=True)
            content = (
                procedure_of(one, None if plan is None else plan[1])
                if known is None
                else taken_up_again(known)
            )
            await tx.put(content, id_=one.procedure)
        return {one.device: one for one in begun}

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


def _by_device(contacts: Sequence[Contact]) -> dict[str, deque[Contact]]:
    found: dict[str, deque[Contact]] = {}
    for contact in contacts:
        found.setdefault(contact.device, deque()).append(contact)
    return found


def _place(contact: Contact) -> tuple[str, str]:
    """Return the patient, and the id of the Procedure, of the treatment that begins with `contact`."""
    # What begins a treatment is about somebody.
    patient = contact.patient or ""
    therapy = contact.session or said_at(contact).isoformat()
    return patient, treatment_id(contact.device, patient, therapy)


def _begun(contact: Contact, patient: str, procedure: str, plan: tuple[int, str] | None) -> Session:
    started = said_at(contact)
    seconds = TREATMENT_PLANNED.value if plan is None else plan[0]
    return Session(
        procedure=procedure,
        patient=patient,
        device=contact.device,
        therapy=contact.session,
        started=started,
        planned_end=started + timedelta(seconds=seconds),
        live=treatment.is_live(contact),
        simulated=contact.simulated,
    )
