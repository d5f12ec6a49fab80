"""Sends test pages: the way of an alarm, without an alarm."""

from collections.abc import Sequence
from uuid import UUID

from fhirserver.kernel.ports import Transaction
from subscriptions.core.ladder_commands import Page, TaskStatus
from subscriptions.core.test_page import parent_of, shows_arrival, test_incident, test_task
from subscriptions.response.pages import Pages
from subscriptions.response.rosters import People
from subscriptions.store import session_rows


class TestPages:
    """Writes the Tasks of test pages."""

    __test__ = False

    def __init__(self, pages: Pages) -> None:
        """Write by `pages`."""
        self._pages = pages

    async def send(
        self, tx: Transaction, patient: str, people: People, members: Sequence[str]
    ) -> UUID:
        """Ask each of `members`, who stand on the roster, to acknowledge; return what their Tasks share."""
        teams = [people.rows[member].contact.care_team for member in members]
        incident = test_incident(UUID(tx.new_id(patient)), patient, teams[0] if teams else None)
        parent = (await tx.put(test_task(incident, tx.now))).id
        for member in members:
            contact = people.roster.find(member)
            if contact is None:
                continue
            page = Page(member, "test", contact.media[:1], 1, 0)
            task = await self._pages.page(
                tx, incident, parent, None, page, people.rows[member].contact, None
            )
            await session_rows.begin_test(tx, patient, incident.id, member, task)
        await self.close(tx, patient, but=incident.id)
        return incident.id

    async def close(self, tx: Transaction, patient: str, but: UUID | None = None) -> None:
        """Close the Tasks of test pages that count no more, except those of the incident `but`."""
        parents: dict[str, TaskStatus] = {}
        for id_ in await session_rows.take_tests(tx, patient, but):
            task = await tx.get("Task", id_)
            if task is None:
                continue
            status: TaskStatus = "completed" if shows_arrival(task) else "cancelled"
            await self._pages.mark(tx, id_, status)
            parent = parent_of(task)
            if parent is not None and parents.get(parent) != "completed":
                parents[parent] = status
        for parent, status in parents.items():
            await self._pages.mark(tx, parent, status)
