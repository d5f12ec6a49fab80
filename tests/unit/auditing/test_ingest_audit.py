"""One happening for a connection and hour, about whoever the device is bound to."""

from datetime import UTC, datetime, timedelta

from fhirserver.kernel.telemetry import Binding, EnrolledDevice
from fhirserver.store.ingest_audit import Told, remember, untold

AT = datetime(2026, 3, 4, 10, 59, tzinfo=UTC)
DEVICES = {
    "A": EnrolledDevice("A", "cycler", (Binding("ann", AT - timedelta(days=1), None),)),
    "B": EnrolledDevice("B", "spare", ()),
}


def test_a_connection_is_told_of_once_an_hour() -> None:
    told: Told = {}
    first = untold(1, AT, [("A", "boot-1"), ("B", "boot-1")], DEVICES, told)
    assert [(one.objects, one.patients) for one in first.values()] == [
        (("Device/cycler",), frozenset({"ann"})),
        (("Device/spare",), frozenset()),
    ]
    remember(told, first, AT)
    assert not untold(1, AT + timedelta(seconds=59), [("A", "boot-1")], DEVICES, told)
    assert untold(1, AT + timedelta(minutes=1), [("A", "boot-1")], DEVICES, told)
    assert untold(1, AT, [("A", "boot-2")], DEVICES, told)
    assert untold(2, AT, [("A", "boot-1")], DEVICES, told)


def test_what_was_not_committed_is_told_again() -> None:
    told: Told = {}
    assert untold(1, AT, [("A", "b")], DEVICES, told) == untold(1, AT, [("A", "b")], DEVICES, told)
    assert not untold(1, AT, [("unknown", "b")], DEVICES, told)
