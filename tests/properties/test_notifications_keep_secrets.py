"""Whatever happened to a record and whoever is told: nothing hidden is named, and no number is missing."""

import asyncio
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fhirserver.kernel.principal import Access, Principal
from fhirserver.kernel.resource import Json, Stored
from fhirserver.validation import validate
from subscriptions.core.notification import Content
from subscriptions.response.notifications import Notifications
from subscriptions.store.event_rows import EventRow
from tests.unit.subscriptions.core.status_profile import faults
from tests.unit.subscriptions.response.test_notifications import (
    BASE_URL,
    SHAPED,
    Eyes,
    Record,
    subscription,
    told,
    topic,
)

IDS = ("f1", "f2", "f3")
PATIENTS = ("ann", "bea")


class Curtain(Eyes):
    """Hides single versions, by type, id and number."""

    def __init__(self, hidden_versions: set[tuple[str, str, int]]) -> None:
        super().__init__()
        self.hidden_versions = hidden_versions

    def sees(self, access: Access, stored: Stored) -> bool:
        hidden = (stored.type, stored.id, stored.version) in self.hidden_versions
        return not stored.deleted and not hidden


writes = st.lists(
    st.tuples(
        st.sampled_from(IDS), st.sampled_from(["write", "delete"]), st.sampled_from(PATIENTS)
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(
    writes=writes,
    hidden=st.sets(st.tuples(st.sampled_from(IDS), st.integers(1, 8)), max_size=8),
    hidden_patients=st.sets(st.sampled_from(PATIENTS)),
    purged=st.sets(st.tuples(st.sampled_from(IDS), st.integers(1, 8)), max_size=4),
    content=st.sampled_from(["empty", "id-only", "full-resource"]),
)
def test_nothing_hidden_is_named(
    writes: list[tuple[str, str, str]],
    hidden: set[tuple[str, int]],
    hidden_patients: set[str],
    purged: set[tuple[str, int]],
    content: Content,
) -> None:
    record = Record()
    for patient in PATIENTS:
        record.write({"resourceType": "Patient", "id": patient, "gender": "unknown"})
    rows = _happen(record, writes)
    if not rows:
        return
    record.purged = {("Flag", id_, number) for id_, number in purged}
    secret = {("Flag", id_, number) for id_, number in hidden}
    secret |= {("Patient", id_, 1) for id_ in hidden_patients}
    made = asyncio.run(_told(record, Curtain(secret), rows, content))
    assert [one for one in validate(made) if one.severity == "error"] == []
    status = made["entry"][0]["resource"]
    assert faults(status) == []
    numbers = [
        one["part"][0]["valueString"]
        for one in status["parameter"]
        if one["name"] == "notification-event"
    ]
    assert numbers == [str(row.number) for row in rows]
    text = json.dumps(made)
    for type_, id_, number in secret:
        assert f"marker-{type_}-{id_}-{number}" not in text
        current = record.versions_of.get((type_, id_), [None])[-1]
        if current is not None and current.version == number and not current.deleted:
            assert f"{BASE_URL}/{type_}/{id_}" not in text
    if content != "full-resource":
        assert "marker-" not in text
    if content == "empty":
        assert len(made["entry"]) == 1
        assert "Flag" not in text


def _happen(record: Record, writes: list[tuple[str, str, str]]) -> list[EventRow]:
    """Carry the writes out; return their events, numbered as a Subscription numbers them."""
    rows: list[EventRow] = []
    for id_, action, patient in writes:
        several = record.versions_of.get(("Flag", id_), [])
        gone = not several or several[-1].deleted
        if action == "delete" and gone:
            continue
        row = (
            record.delete("Flag", id_)
            if action == "delete"
            else record.write(_flag(record, id_, patient))
        )
        rows.append(
            EventRow(len(rows) + 1, row.action, "Flag", id_, row.focus_version, None, row.at)
        )
    return rows


def _flag(record: Record, id_: str, patient: str) -> Json:
    number = len(record.versions_of.get(("Flag", id_), [])) + 1
    return {
        "resourceType": "Flag",
        "id": id_,
        "status": "active",
        "code": {"text": f"marker-Flag-{id_}-{number}"},
        "subject": {"reference": f"Patient/{patient}"},
    }


async def _told(record: Record, eyes: Eyes, rows: list[EventRow], content: Content) -> Any:
    one = told(
        rows,
        subscription=subscription(content, Principal(1, "practitioner", "Practitioner/nurse")),
        topic=topic({"include": SHAPED["include"]}),
    )
    return await Notifications(base=BASE_URL, visibility=eyes).bundle(record.tx, one)
