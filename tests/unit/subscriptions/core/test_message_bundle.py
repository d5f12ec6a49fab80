"""A notification as a FHIR message: valid R4, and the same id for the same events."""

from datetime import UTC, datetime
from uuid import UUID

from fhirserver.validation import validate
from subscriptions.core.message_bundle import message_bundle
from subscriptions.core.notification import StatusHeader, notification

AT = datetime(2026, 8, 1, 12, tzinfo=UTC)
ID = UUID("018f0000-0000-7000-8000-000000000001")


def test_the_message() -> None:
    header = StatusHeader("https://us.example/fhir", "s1", "https://t.example", "active", 0)
    inner = notification(header, "handshake", "id-only", [], at=AT, entry_id=ID)
    message = message_bundle(
        inner,
        message_id=ID,
        source="https://us.example/fhir",
        destination="https://them.example/fhir",
        at=AT,
    )
    assert [p for p in validate(message) if p.severity in ("error", "fatal")] == []
    first, second = message["entry"]
    assert message["type"] == "message"
    assert first["resource"]["resourceType"] == "MessageHeader"
    assert first["fullUrl"] == f"urn:uuid:{ID}"
    assert first["resource"]["focus"] == [{"reference": second["fullUrl"]}]
    assert first["resource"]["source"]["endpoint"] == "https://us.example/fhir"
    assert first["resource"]["destination"] == [{"endpoint": "https://them.example/fhir"}]
    assert second["resource"] is inner
