"""Runs the ladders: loads the state, asks `core.ladder` what to do, and writes it down.

Everything happens in the caller's transaction. The order of locks is the same as in evaluation:
alert rows of the patient, then the ladder, then Tasks.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

from fhirserver.kernel.changes import Change
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from subscriptions.core.alert import URGENCY, Alert, Cause
from subscriptions.core.care_team import is_professional
from subscriptions.core.incident_task import (
    SERVER_DEVICE,
    Incident,
    incident_of,
    is_ours,
    operator_task,
    parent_task,
)
from subscriptions.core.ladder import step
from subscriptions.core.ladder_commands import (
    Cancel,
    Command,
    Confirm,
    Finish,
    Mark,
    Move,
    Outcome,
    Page,
    Schedule,
    Skip,
    TellOperator,
)
from subscriptions.core.ladder_events import (
    Due,
    Ended,
    Event,
    Replied,
    Ring,
    RosterChanged,
    Unreached,
)
from subscriptions.core.ladder_state import Answer, Contact, Ladder, Roster
from subscriptions.core.life_cycle import ENDED_BY_A_PERSON_ONLY
from subscriptions.response.pages import Pages
from subscriptions.response.ports import Alerts
from subscriptions.response.story import Story
from subscriptions.store import alert_rows, contact_rows, ladder_rows, timer_rows
from subscriptions.store.contact_rows import Reachable
from subscriptions.store.ladder_rows import LadderRow, PersonTask

_RINGING: Final = frozenset[Cause](("raised", "priority-raised", "rang-again"))
_UNREACHABLE: Final = {"requested": "not-verified", "off": "stopped", "error": "number-dead"}
# What a client's change of a page Task says, in the letters of a reply.
_STATUS_ANSWERS: Final[dict[str, Answer]] = {
    "received": "a",
    "accepted": "y",
    "rejected": "n",
    "completed": "h",
}
_OVER: Final = ("completed", "cancelled")

MakeEvent = Callable[[Roster, Ladder | None], Event]


@dataclass(slots=True)
class _Scene:
    """One incident while a step of it is carried out."""

    patient: str
    incident_id: UUID
    alerts: list[Alert]
    people: dict[str, Reachable]
    row: LadderRow | None
    ladder: Ladder | None
    tasks: dict[str, PersonTask]
    parent: str
    outcome: Outcome | None = None
    closed: set[UUID] = field(default_factory=set)

    @property
    def lead(self) -> Alert:
        """Return the alert that speaks for the incident: the most urgent, then the oldest."""
        return min(self.alerts, key=lambda a: (-URGENCY[a.priority], a.raised, a.id))

    @property
    def incident(self) -> Incident:
        """Return what the incident's Tasks have in common."""
        lead = self.lead
        teams = [reachable.contact.care_team for reachable in self.people.values()]
        return Incident(
            id=self.incident_id,
            patient=self.patient,
            flag=lead.flag,
            care_team=teams[0] if teams else None,
            priority=lead.priority if self.ladder is None else self.ladder.priority,
            simulated=lead.simulated,
        )


class Ladders:
    """The ladders of all patients. `pages` writes the Tasks by which people are told."""

    def __init__(self, alerts: Alerts, pages: Pages, story: Story) -> None:
        """Work with `alerts` (the alert rows) and tell `story` what happens."""
        self._alerts = alerts
        self._pages = pages
        self._story = story
        # Moving an alert may report back to us inside the same step; that is no news to the ladder.
        self._acting: set[tuple[int, UUID]] = set()

    async def alert_changed(
        self, tx: Transaction, alert: Alert, previous: Alert | None, cause: Cause
    ) -> None:
        """Ring for `alert`, or notice that it was closed."""
        if (id(tx), alert.incident) in self._acting or not alert.pages or alert.priority == "PL":
            return
        if alert.patient is None:
            if cause in _RINGING and alert.is_open:
                await tx.put(operator_task(None, "unbound-device", tx.now))
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
            ),
        )

    async def timers_due(self, tx: Transaction, patient: str, incident: UUID) -> int:
        """Carry out what is due of one ladder; return how many timers there were."""
        await alert_rows.of_patients(tx, [patient], timedelta(0))
        claimed = await timer_rows.claim(tx, patient, incident)
        for round_ in sorted({timer.generation for timer in claimed}):
            await self._step(tx, patient, incident, _due(round_))
        return len(claimed)

    async def replied(
        self, tx: Transaction, patient: str, incident: UUID, member: str, answer: Answer
    ) -> Outcome:
        """Act on a member's answer; return what to tell them."""
        alerts = await alert_rows.of_patients(tx, [patient], timedelta(0))
        present = any(a.incident == incident and a.condition != "absent" for a in alerts)
        outcome = await self._step(
            tx,
            patient,
            incident,
            lambda roster, _: Replied(member, answer, present, roster),
        )
        self._story("reply", incident=str(incident), member=member, answer=answer, outcome=outcome)
        return outcome or "ended"

    async def unreached(
        self, tx: Transaction, patient: str, incident: UUID, member: str, reason: str
    ) -> None:
        """Ring the next rung: what was sent to `member` did not arrive."""
        await self._step(tx, patient, incident, lambda roster, _: Unreached(member, reason, roster))

    async def delivered(self, tx: Transaction, patient: str, incident: UUID) -> None:
        """Note on the alerts of an incident that a message about them has arrived."""
        with self._guard(tx, incident):
            for alert in await alert_rows.of_patients(tx, [patient], timedelta(0)):
                if alert.incident == incident and alert.response in ("none", "notifying"):
                    await self._alerts.respond(tx, alert.id, patient, "deliver", SERVER_DEVICE)

    async def roster_changed(self, tx: Transaction, patient: str) -> None:
        """Bring every open ladder of `patient` in line with who is there and can be reached."""
        for incident in await ladder_rows.open_incidents(tx, patient):
            await self._step(tx, patient, incident, lambda roster, _: RosterChanged(roster))

    async def task_changed(self, tx: Transaction, change: Change) -> None:
        """Act on a client's change of an incident's Task as on a reply or a nurse's closing."""
        task, previous = change.resource, change.previous
        if task is None or previous is None or task.get("status") == previous.get("status"):
            return
        incident, patient = incident_of(task), change.patient
        if incident is None or patient is None or await self._is_settled(tx, task, change, patient):
            return
        if is_ours(task, "incident"):
            if task["status"] in _OVER:
                await self._close(tx, patient, incident, _last_author(task))
        elif is_ours(task, "page") and task["status"] in _STATUS_ANSWERS:
            member = str(task["owner"]["reference"])
            await self.replied(tx, patient, incident, member, _STATUS_ANSWERS[task["status"]])

    async def _is_settled(self, tx: Transaction, task: Json, change: Change, patient: str) -> bool:
        """Return whether the ladder knows already: it was the one who changed the Task."""
        incident = incident_of(task)
        if incident is None:
            return True
        await alert_rows.of_patients(tx, [patient], timedelta(0))
        row = await ladder_rows.lock(tx, patient, incident)
        if row is None or row.ladder.phase == "closed":
            return True
        if change.id == row.parent:
            return False
        member = str(task.get("owner", {}).get("reference", ""))
        answer = _STATUS_ANSWERS.get(task["status"])
        person = row.ladder.person(member)
        known = row.tasks.get(member)
        return answer is None or person.answer == answer or known is None or known.id != change.id

    async def _close(self, tx: Transaction, patient: str, incident: UUID, by: str) -> None:
        with self._guard(tx, incident):
            for alert in await alert_rows.of_incident(tx, incident):
                if alert.is_open:
                    await self._alerts.respond(tx, alert.id, patient, "close", by)
        await self._ended(tx, patient, incident, by)

    async def _ended(self, tx: Transaction, patient: str, incident: UUID, by: str) -> None:
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
        self, tx: Transaction, patient: str, incident: UUID, make: MakeEvent
    ) -> Outcome | None:
        scene = await self._scene(tx, patient, incident)
        roster = _roster(scene.people)
        event = make(roster, scene.ladder)
        if scene.ladder is None and not isinstance(event, Ring):
            return None
        with self._guard(tx, incident):
            await self._advance(tx, scene, event)
            if scene.ladder is not None and scene.ladder.phase != "closed":
                still = [a for a in scene.ladder.alerts if a not in scene.closed]
                if not still:
                    await self._advance(tx, scene, Ended(SERVER_DEVICE))
        return scene.outcome

    async def _scene(self, tx: Transaction, patient: str, incident: UUID) -> _Scene:
        row = await ladder_rows.lock(tx, patient, incident)
        people: dict[str, Reachable] = {}
        for reachable in await contact_rows.of_patient(tx, patient):
            people.setdefault(reachable.contact.member, reachable)
        return _Scene(
            patient=patient,
            incident_id=incident,
            alerts=await alert_rows.of_incident(tx, incident),
            people=people,
            row=row,
            ladder=None if row is None else row.ladder,
            tasks={} if row is None else dict(row.tasks),
            parent="" if row is None else row.parent,
        )

    async def _advance(self, tx: Transaction, scene: _Scene, event: Event) -> None:
        reopened = scene.ladder is None or scene.ladder.phase == "closed"
        ladder, commands = step(scene.ladder, event, tx.now)
        if ladder is None:
            return
        scene.ladder = ladder
        if reopened and ladder.phase != "closed":
            scene.parent = (await tx.put(parent_task(scene.incident, tx.now))).id
            scene.tasks = {}
        await self._save(tx, scene)
        for command in commands:
            await self._carry_out(tx, scene, command)
        await self._save(tx, scene)

    async def _save(self, tx: Transaction, scene: _Scene) -> None:
        if scene.ladder is None:
            return
        row = LadderRow(
            scene.incident_id, scene.patient, scene.parent, scene.ladder, dict(scene.tasks)
        )
        if row != scene.row:
            await ladder_rows.save(tx, row)
            scene.row = row

    async def _carry_out(self, tx: Transaction, scene: _Scene, command: Command) -> None:
        match command:
            case Page():
                await self._page(tx, scene, command)
            case Skip():
                await self._skip(tx, scene, command)
            case Mark():
                await self._mark(tx, scene, command)
            case Schedule(kind, at, round_):
                await timer_rows.set_timer(tx, scene.patient, scene.incident_id, kind, at, round_)
            case Cancel(kind):
                await timer_rows.remove(tx, scene.patient, scene.incident_id, kind)
            case Move(transition, by):
                await self._move(tx, scene, Move(transition, by or SERVER_DEVICE))
            case Confirm():
                scene.outcome = command.outcome
            case TellOperator(reason):
                await tx.put(operator_task(scene.incident, reason, tx.now))
                self._story("operator", incident=str(scene.incident_id), reason=reason)
            case Finish():
                await self._pages.finish(tx, scene.parent)
                self._story("closed", incident=str(scene.incident_id), by=command.by)

    async def _page(self, tx: Transaction, scene: _Scene, page: Page) -> None:
        reachable = scene.people[page.member]
        known = scene.tasks.get(page.member)
        task = known.id if known is not None and known.round == page.round else None
        deadline = None if scene.ladder is None else scene.ladder.next_rung_at
        written = await self._pages.page(
            tx, scene.incident, scene.parent, task, page, reachable.contact, deadline
        )
        scene.tasks[page.member] = PersonTask(written, page.round)
        self._story(
            "told",
            incident=str(scene.incident_id),
            member=page.member,
            task=written,
            page=page.number,
            purpose=page.purpose,
            media="+".join(page.media),
        )

    async def _skip(self, tx: Transaction, scene: _Scene, skip: Skip) -> None:
        known, ladder = scene.tasks.get(skip.member), scene.ladder
        in_round = known is not None and ladder is not None and known.round == ladder.round
        task = known.id if known is not None and in_round else None
        await self._pages.skipped(tx, scene.incident, scene.parent, task, skip)
        self._story(
            "skipped", incident=str(scene.incident_id), member=skip.member, reason=skip.reason
        )

    async def _mark(self, tx: Transaction, scene: _Scene, mark: Mark) -> None:
        known = scene.tasks.get(mark.member)
        if known is not None:
            await self._pages.mark(tx, known.id, mark.status)

    async def _move(self, tx: Transaction, scene: _Scene, move: Move) -> None:
        if scene.ladder is None:
            return
        for alert in scene.ladder.alerts:
            if alert in scene.closed:
                continue
            after = await self._alerts.respond(tx, alert, scene.patient, move.transition, move.by)
            if not after.is_open:
                scene.closed.add(alert)


def _roster(people: dict[str, Reachable]) -> Roster:
    return tuple(
        Contact(
            member=member,
            tier=reachable.contact.tier,
            professional=is_professional(member),
            shares_with_patient=reachable.contact.shares_with_patient,
            unreachable=_unreachable(reachable),
        )
        for member, reachable in people.items()
    )


def _due(round_: int) -> MakeEvent:
    return lambda roster, _: Due(round_, roster)


def _unreachable(reachable: Reachable) -> str | None:
    if reachable.contact.phone_lookup is None:
        return "no-number"
    if reachable.status == "active":
        return None
    return _UNREACHABLE.get(reachable.status or "", "not-verified")


def _last_author(task: Json) -> str:
    notes = task.get("note", [])
    reference = notes[-1].get("authorReference", {}).get("reference") if notes else None
    return str(reference) if reference else SERVER_DEVICE
