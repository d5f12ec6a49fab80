"""Writes the Tasks and Communications by which people are told, and gives out reply codes."""

from collections.abc import Callable
from datetime import datetime

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from subscriptions.core.incident_task import (
    PRIORITIES,
    Incident,
    PageInput,
    communication,
    not_done,
    page_task,
    with_page,
)
from subscriptions.core.ladder_commands import Page, Skip, TaskStatus
from subscriptions.core.timing import CODE_LIFETIME
from subscriptions.store import reply_code_rows
from subscriptions.store.contact_rows import ContactRow
from subscriptions.store.reply_code_rows import CodeOwner

_TRIES = 50
_TERMINAL = ("completed", "cancelled", "rejected", "failed")


class Pages:
    """Writes pages. `token` returns a fresh random reply code."""

    def __init__(self, token: Callable[[], str]) -> None:
        """Draw reply codes from `token`."""
        self._token = token

    async def page(
        self,
        tx: Transaction,
        incident: Incident,
        parent: str,
        task: str | None,
        page: Page,
        contact: ContactRow,
        deadline: datetime | None,
    ) -> str:
        """Ask for one page by creating or updating the person's Task; return the Task's id."""
        await self._code(tx, incident, contact)
        id_ = task or tx.new_id(incident.patient)
        messages = []
        for medium in page.media:
            message = await tx.put(communication(incident, id_, page.member, medium))
            messages.append((medium, message.id))
        wanted = PageInput(page.number, page.purpose, tuple(messages))
        current = None if task is None else await tx.get("Task", task, lock=True)
        if current is None:
            content = page_task(incident, parent, page.member, wanted, deadline, tx.now)
        else:
            content = with_page(current, wanted, deadline, tx.now)
        return (await tx.put(content, id_=id_)).id

    async def mark(self, tx: Transaction, task: str, status: TaskStatus) -> None:
        """Set the status of a person's Task; one that is over stays as it ended."""
        current = await tx.get("Task", task, lock=True)
        if current is None or current["status"] == status or current["status"] in _TERMINAL:
            return
        await tx.put({**current, "status": status}, id_=task)

    async def skipped(
        self, tx: Transaction, incident: Incident, parent: str, task: str | None, skip: Skip
    ) -> None:
        """Record that somebody was passed over, and why."""
        current = None if task is None else await tx.get("Task", task, lock=True)
        if current is not None and task is not None:
            await tx.put({**current, "statusReason": {"text": skip.reason}}, id_=task)
            return
        record = communication(incident, parent, skip.member, "sms")
        await tx.put(not_done(record, skip.reason))

    async def finish(self, tx: Transaction, parent: str) -> None:
        """Close the Task of the incident."""
        current: Json | None = await tx.get("Task", parent, lock=True)
        if current is not None and current["status"] not in _TERMINAL:
            await tx.put({**current, "status": "completed"}, id_=parent)

    async def refocus(self, tx: Transaction, parent: str, incident: Incident) -> None:
        """Let the Task of the incident be about what has turned out to be its cause."""
        current = await tx.get("Task", parent, lock=True)
        if current is None or incident.flag is None or current["status"] in _TERMINAL:
            return
        focus = {"reference": f"Flag/{incident.flag}"}
        urgency = PRIORITIES[incident.priority]
        if current.get("focus") != focus or current["priority"] != urgency:
            await tx.put({**current, "focus": focus, "priority": urgency}, id_=parent)

    async def _code(self, tx: Transaction, incident: Incident, contact: ContactRow) -> None:
        phone, subscription = contact.phone_lookup, contact.subscription
        if phone is None or subscription is None:
            return
        owner = CodeOwner(incident.id, incident.patient, contact.member, subscription)
        if await reply_code_rows.code_of(tx, phone, owner) is not None:
            return
        await issue_code(tx, self._token, phone, owner, tx.now + CODE_LIFETIME)


async def issue_code(
    tx: Transaction, token: Callable[[], str], phone: int, owner: CodeOwner, expires: datetime
) -> str:
    """Give `owner` a code no other open one of that telephone equals, and return it."""
    for _ in range(_TRIES):
        code = token()
        if await reply_code_rows.issue(tx, phone, code, owner, expires):
            return code
    raise RuntimeError(f"{_TRIES} random reply codes in a row were taken")
