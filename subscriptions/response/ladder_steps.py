"""Carries out one step of one incident's ladder: what `core.ladder` commands becomes rows and Tasks."""

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from fhirserver.kernel.ports import Transaction
from fhirserver.relations.on_call import reference_of
from subscriptions.core.alert import URGENCY, Alert
from subscriptions.core.grouping import root_cause
from subscriptions.core.incident_task import (
    SERVER_DEVICE,
    Incident,
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
from subscriptions.core.ladder_events import Ended, Event, Ring
from subscriptions.core.ladder_state import Ladder, Roster, is_unanswered
from subscriptions.response.pages import Pages
from subscriptions.response.ports import Alerts
from subscriptions.response.rosters import People, people_of, people_on_call
from subscriptions.response.story import Story
from subscriptions.store import alert_rows, ladder_rows, timer_rows
from subscriptions.store.ladder_rows import LadderRow, PersonTask

MakeEvent = Callable[[Roster, Ladder | None], Event]


@dataclass(slots=True)
class _Scene:
    """One incident while a step of it is carried out."""

    patient: str | None
    incident_id: UUID
    alerts: list[Alert]
    people: People
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
        cause = root_cause([alert for alert in self.alerts if alert.is_open] or self.alerts)
        teams = [reachable.contact.care_team for reachable in self.people.rows.values()]
        return Incident(
            id=self.incident_id,
            patient=self.patient,
            flag=cause.flag or lead.flag,
            care_team=teams[0] if teams else None,
            priority=lead.priority if self.ladder is None else self.ladder.priority,
            simulated=lead.simulated,
        )


class Steps:
    """Loads an incident, asks the ladder what to do, does it, and saves the state."""

    def __init__(self, alerts: Alerts, pages: Pages, story: Story) -> None:
        """Write Tasks by `pages`, move `alerts`, and tell `story`."""
        self._alerts = alerts
        self._pages = pages
        self._story = story

    async def run(
        self, tx: Transaction, patient: str | None, incident: UUID, make: MakeEvent
    ) -> Outcome | None:
        """Take one step with the event `make` builds; return what to tell whoever replied."""
        scene = await self._scene(tx, patient, incident)
        event = make(scene.people.roster, scene.ladder)
        if scene.ladder is None and not isinstance(event, Ring):
            return None
        await self._advance(tx, scene, event)
        if scene.ladder is not None and scene.ladder.phase != "closed":
            still = [alert for alert in scene.ladder.alerts if alert not in scene.closed]
            if not still:
                await self._advance(tx, scene, Ended(SERVER_DEVICE))
        return scene.outcome

    async def _scene(self, tx: Transaction, patient: str | None, incident: UUID) -> _Scene:
        row = await ladder_rows.lock(tx, patient, incident)
        alerts = await alert_rows.of_incident(tx, incident)
        if patient is not None:
            people = await people_of(tx, patient)
        else:
            people = await people_on_call(tx, await _owner(tx, alerts))
        return _Scene(
            patient=patient,
            incident_id=incident,
            alerts=alerts,
            people=people,
            row=row,
            ladder=None if row is None else row.ladder,
            tasks={} if row is None else dict(row.tasks),
            parent="" if row is None else row.parent,
        )

    async def _advance(self, tx: Transaction, scene: _Scene, event: Event) -> None:
        reopened = scene.ladder is None or scene.ladder.phase == "closed"
        before = dict(scene.tasks)
        ladder, commands = step(scene.ladder, event, tx.now)
        if ladder is None:
            return
        scene.ladder = ladder
        if reopened and ladder.phase != "closed":
            scene.parent = (await tx.put(parent_task(scene.incident, tx.now))).id
            scene.tasks = {}
        elif isinstance(event, Ring):
            await self._pages.refocus(tx, scene.parent, scene.incident)
        await self._save(tx, scene)
        for command in commands:
            await self._carry_out(tx, scene, command)
        await self._supersede(tx, scene, before)
        await self._save(tx, scene)

    async def _supersede(
        self, tx: Transaction, scene: _Scene, before: dict[str, PersonTask]
    ) -> None:
        """End the Tasks of earlier rounds: who is asked again is asked by another Task."""
        for member, task in before.items():
            if scene.ladder is not None and task.round < scene.ladder.round:
                await self._pages.mark(tx, task.id, "cancelled")
                if scene.tasks.get(member) == task:
                    del scene.tasks[member]

    async def _save(self, tx: Transaction, scene: _Scene) -> None:
        if scene.ladder is None:
            return
        unanswered = is_unanswered(scene.ladder) and not scene.lead.simulated
        row = LadderRow(
            scene.incident_id,
            scene.patient,
            scene.parent,
            scene.ladder,
            dict(scene.tasks),
            unanswered,
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
                await timer_rows.remove(tx, scene.incident_id, kind)
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
        reachable = scene.people.rows[page.member]
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
        if known is None:
            return
        await self._pages.mark(tx, known.id, mark.status)
        if mark.status == "cancelled":
            # Should they be told again, by another Task: this one is over.
            del scene.tasks[mark.member]

    async def _move(self, tx: Transaction, scene: _Scene, move: Move) -> None:
        if scene.ladder is None:
            return
        for alert in scene.ladder.alerts:
            if alert in scene.closed:
                continue
            after = await self._alerts.respond(tx, alert, scene.patient, move.transition, move.by)
            if not after.is_open:
                scene.closed.add(alert)


async def _owner(tx: Transaction, alerts: list[Alert]) -> str | None:
    """Return the id of the organization whose device raised `alerts`, None where nobody knows."""
    device = next((alert.device for alert in alerts if alert.device is not None), None)
    resource = None if device is None else await tx.get("Device", device)
    owner = "" if resource is None else reference_of(resource.get("owner"))
    return owner.partition("/")[2] if owner.startswith("Organization/") else None
