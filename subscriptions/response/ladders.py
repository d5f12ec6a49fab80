"""Runs the ladders: loads the state, asks `core.ladder` what to do, and writes it down.

Everything happens in the caller's transaction. The order of locks is the same as in evaluation:
alert rows of the patient, then the ladder, then Tasks.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Final
from uuid import UUID

from fhirserver.kernel.changes import Change
from fhirserver.kernel.errors import Problem, Unprocessable
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from fhirserver.relations.fhir_period import period
from subscriptions.core.alert import Alert, Cause
from subscriptions.core.incident_task import SERVER_DEVICE, incident_of, is_ours, operator_task
from subscriptions.core.ladder_commands import Outcome
from subscriptions.core.ladder_events import (
    Due,
    Ended,
    Paused,
    Replied,
    Ring,
    RosterChanged,
    Unreached,
)
from subscriptions.core.ladder_state import Answer
from subscriptions.core.ladder_turn import why_not_pause
from subscriptions.core.life_cycle import ENDED_BY_A_PERSON_ONLY
from subscriptions.core.timing import EVERYONE_CODES, PAUSE_AT_MOST
from subscriptions.response import test_answers
from subscriptions.response.ladder_steps import MakeEvent, Steps
from subscriptions.response.pages import Pages
from subscriptions.response.ports import Alerts
from subscriptions.response.story import Story
from subscriptions.store import alert_rows, ladder_rows, timer_rows

RosterListener = Callable[[Transaction, str], Awaitable[None]]

_RINGING: Final = frozenset[Cause](("raised", "priority-raised", "rang-again"))
# What a client's change of a page Task says, in the letters of a reply.
_STATUS_ANSWERS: Final[dict[str, Answer]] = {
    "received": "a",
    "accepted": "y",
    "rejected": "n",
    "completed": "h",
}
_OVER: Final = ("completed", "cancelled")


class Ladders:
    """The ladders of all patients. `pages` writes the Tasks by which people are told."""

    def __init__(self, alerts: Alerts, pages: Pages, story: Story) -> None:
        """Work with `alerts` (the alert rows) and tell `story` what happens."""
        self._alerts = alerts
        self._story = story
        self._pages = pages
        self._steps = Steps(alerts, pages, story)
        self._roster_listeners: list[RosterListener] = []
        # Moving an alert may report back to us inside the same step; that is no news to the ladder.
        self._acting: set[tuple[int, UUID]] = set()

    async def alert_changed(
        self, tx: Transaction, alert: Alert, previous: Alert | None, cause: Cause
    ) -> None:
        """Ring for `alert`, or notice that it was closed."""
        if (id(tx), alert.incident) in self._acting or alert.priority == "PL":
            return
        if alert.patient is None and cause == "raised" and not alert.delayed:
            # Those on call are told like anybody else; whoever runs the server finds out whose it is.
            await tx.put(operator_task(None, "unbound-device", tx.now))
        if not alert.pages:
            return
        if not alert.is_open:
            await self._ended(tx, alert.patient, alert.incident, SERVER_DEVICE)
            return
        if cause not in _RINGING:
            return
        self._story(
            "alert",
            alert=str(alert.id),
            incident=str(alert.incident),
            code=alert.code,
            priority=alert.priority,
            rule=alert.rule_version,
            cause=cause,
            raised=previous is None,
        )
        await self._step(
            tx,
            alert.patient,
            alert.incident,
            lambda roster, _: Ring(
                alert.id,
                alert.priority,
                alert.family in ENDED_BY_A_PERSON_ONLY,
                cause != "raised",
                roster,
                alert.code in EVERYONE_CODES,
            ),
        )

    async def timers_due(self, tx: Transaction, patient: str | None, incident: UUID) -> int:
        """Carry out what is due of one ladder; return how many timers there were."""
        present = _present(await _hold(tx, patient, incident), incident)
        claimed = await timer_rows.claim(tx, incident)
        for round_ in sorted({timer.generation for timer in claimed}):
            await self._step(tx, patient, incident, _due(round_, present=present))
        return len(claimed)

    async def replied(
        self, tx: Transaction, patient: str | None, incident: UUID, member: str, answer: Answer
    ) -> Outcome:
        """Act on a member's answer; return what to tell them."""
        tested = await test_answers.answered(tx, self._pages, patient, incident, member, answer)
        if tested is not None:
            self._story("tested", incident=str(incident), member=member, answer=answer)
            return tested
        present = _present(await _hold(tx, patient, incident), incident)
        outcome = await self._step(
            tx,
            patient,
            incident,
            lambda roster, _: Replied(member, answer, present, roster),
        )
        self._story("reply", incident=str(incident), member=member, answer=answer, outcome=outcome)
        return outcome or "ended"

    async def unreached(
        self, tx: Transaction, patient: str | None, incident: UUID, member: str, reason: str
    ) -> None:
        """Ring the next rung: what was sent to `member` did not arrive."""
        await self._step(tx, patient, incident, lambda roster, _: Unreached(member, reason, roster))

    async def acknowledged(
        self, tx: Transaction, patient: str | None, alert_id: UUID, by: str
    ) -> None:
        """Write down that somebody acknowledged an alert at another system: nobody here is rung less for it."""
        incident = (await self._alerts.load(tx, patient, alert_id)).incident
        await _hold(tx, patient, incident)
        with self._guard(tx, incident):
            alert = await self._alerts.respond(tx, alert_id, patient, "acknowledge", by)
        if not alert.is_open:
            await self._ended(tx, patient, incident, by)

    async def delivered(self, tx: Transaction, patient: str | None, incident: UUID) -> None:
        """Note on the alerts of an incident that a message about them has arrived."""
        with self._guard(tx, incident):
            for alert in await _hold(tx, patient, incident):
                if alert.incident == incident and alert.response in ("none", "notifying"):
                    await self._alerts.respond(tx, alert.id, patient, "deliver", SERVER_DEVICE)

    def tell_rosters(self, listener: RosterListener) -> None:
        """Let `listener` know of every patient for whom others are there now, or can be reached."""
        self._roster_listeners.append(listener)

    async def roster_changed(self, tx: Transaction, patient: str) -> None:
        """Bring every open ladder of `patient` in line with who is there and can be reached."""
        for incident in await ladder_rows.open_incidents(tx, patient):
            await self._step(tx, patient, incident, lambda roster, _: RosterChanged(roster))
        for told in self._roster_listeners:
            await told(tx, patient)

    async def on_call_changed(self, tx: Transaction) -> None:
        """Bring the open ladders of devices of nobody in line with who is on call."""
        for incident in await ladder_rows.open_incidents(tx, None):
            await self._step(tx, None, incident, lambda roster, _: RosterChanged(roster))

    async def task_changed(self, tx: Transaction, change: Change) -> None:
        """Act on a client's change of an incident's Task as on a reply or a nurse's closing."""
        task, previous = change.resource, change.previous
        if task is None or previous is None or task.get("status") == previous.get("status"):
            return
        incident, patient = incident_of(task), change.patient
        if incident is None or await self._is_settled(tx, task, change, patient):
            return
        if is_ours(task, "incident"):
            if task["status"] in _OVER:
                await self._close(tx, patient, incident, _last_author(task))
        elif is_ours(task, "page") and task["status"] in _STATUS_ANSWERS:
            member = str(task["owner"]["reference"])
            await self.replied(tx, patient, incident, member, _STATUS_ANSWERS[task["status"]])
        elif is_ours(task, "page") and task["status"] == "on-hold":
            await self._pause(tx, patient, incident, task)

    async def _pause(
        self, tx: Transaction, patient: str | None, incident: UUID, task: Json
    ) -> None:
        """Silence an incident as a client asked by its Task. Raises `Unprocessable`."""
        member = str(task["owner"]["reference"])
        _, asked = period(task.get("restriction", {}).get("period"))
        until = asked or tx.now + PAUSE_AT_MOST
        row = await ladder_rows.lock(tx, patient, incident)
        if row is None:
            return
        refusal = why_not_pause(row.ladder, member, until, tx.now)
        if refusal is not None:
            problem = Problem("error", "business-rule", "Task.status", refusal)
            raise Unprocessable(refusal, problems=[problem])
        await self._step(tx, patient, incident, lambda roster, _: Paused(member, until, roster))
        self._story("paused", incident=str(incident), member=member)

    async def _is_settled(
        self, tx: Transaction, task: Json, change: Change, patient: str | None
    ) -> bool:
        """Return whether the ladder knows already: it was the one who changed the Task."""
        incident = incident_of(task)
        if incident is None:
            return True
        await _hold(tx, patient, incident)
        row = await ladder_rows.lock(tx, patient, incident)
        if row is None or row.ladder.phase == "closed":
            return True
        if change.id == row.parent:
            return False
        member = str(task.get("owner", {}).get("reference", ""))
        known = row.tasks.get(member)
        if known is None or known.id != change.id:
            return True
        if task["status"] == "on-hold":
            return False
        answer = _STATUS_ANSWERS.get(task["status"])
        return answer is None or row.ladder.person(member).answer == answer

    async def _close(self, tx: Transaction, patient: str | None, incident: UUID, by: str) -> None:
        with self._guard(tx, incident):
            for alert in await alert_rows.of_incident(tx, incident):
                if alert.is_open:
                    await self._alerts.respond(tx, alert.id, patient, "close", by)
        await self._ended(tx, patient, incident, by)

    async def _ended(self, tx: Transaction, patient: str | None, incident: UUID, by: str) -> None:
        alerts = await alert_rows.of_incident(tx, incident)
        if any(alert.is_open and alert.pages and alert.priority != "PL" for alert in alerts):
            return
        await self._step(tx, patient, incident, lambda _roster, _ladder: Ended(by))

    @contextmanager
    def _guard(self, tx: Transaction, incident: UUID) -> Iterator[None]:
        mark = (id(tx), incident)
        held = mark in self._acting
        self._acting.add(mark)
        try:
            yield
        finally:
            if not held:
                self._acting.discard(mark)

    async def _step(
        self, tx: Transaction, patient: str | None, incident: UUID, make: MakeEvent
    ) -> Outcome | None:
        with self._guard(tx, incident):
            return await self._steps.run(tx, patient, incident, make)


async def _hold(tx: Transaction, patient: str | None, incident: UUID) -> list[Alert]:
    """Lock and return the open alerts of a patient, or those of an incident of nobody."""
    if patient is not None:
        return await alert_rows.of_patients(tx, [patient], timedelta(0))
    return await alert_rows.of_incident(tx, incident, lock=True)


def _present(alerts: Sequence[Alert], incident: UUID) -> bool:
    """Return whether what is wrong in an incident still is, or may be."""
    return any(a.incident == incident and a.is_open and a.condition != "absent" for a in alerts)


def _due(round_: int, *, present: bool) -> MakeEvent:
    return lambda roster, _: Due(round_, roster, present)


def _last_author(task: Json) -> str:
    notes = task.get("note", [])
    reference = notes[-1].get("authorReference", {}).get("reference") if notes else None
    return str(reference) if reference else SERVER_DEVICE
