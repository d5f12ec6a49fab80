"""Takes answers to test pages: they have no ladder, only Tasks."""

from uuid import UUID

from fhirserver.kernel.ports import Transaction
from subscriptions.core.ladder_commands import Outcome
from subscriptions.core.ladder_state import Answer
from subscriptions.core.test_page import STATUSES
from subscriptions.response.pages import Pages
from subscriptions.store import session_rows


async def answered(
    tx: Transaction, pages: Pages, patient: str | None, incident: UUID, member: str, answer: Answer
) -> Outcome | None:
    """Write an answer to a test page down; None when `incident` is none.

    The change of the Task arms monitoring: an app that sets its status does the same.
    """
    task = None
    if patient is not None:
        task = await session_rows.test_task(tx, patient, incident, member)
    if task is None:
        return None
    await pages.mark(tx, task, STATUSES[answer])
    return "test-declined" if answer == "n" else "tested"
