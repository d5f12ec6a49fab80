"""The load generator's snapshots, and what it finds wrong."""

from datetime import UTC, datetime

import pytest

from conformance.load.hl7v2.snapshot import MOST_LINES, Snapshot
from conformance.load.messages import NUMBER
from tests.unit.adapters.hl7v2.machine_messages import EUI, SITES

NOW = datetime(2026, 8, 1, 9, 0, 0, 120_000, tzinfo=UTC)


def test_a_snapshot_is_twenty_lines_with_its_number_and_ours_to_read() -> None:
    from adapters.hl7v2.routing import interpret
    from adapters.hl7v2.sites import Peer
    from fhirserver.wire.hl7v2.message import read

    text = Snapshot(EUI).message(7, "run-7", NOW).decode()
    assert text.count("\rOBX|") == 20
    message = read(text)
    sender = SITES.sender_of(message.header, Peer("10.0.0.1"))
    assert sender is not None
    found = interpret(message, sender, SITES.plans)
    assert found.refusal is None
    assert not found.report.refused
    assert not found.report.unread
    (report,) = found.devices
    (telemetry,) = report.telemetry
    assert (report.address, telemetry.mode, telemetry.dev_time) == (EUI, "TX", NOW)
    assert len(telemetry.samples[0].values) == 19
    assert telemetry.samples[0].values[NUMBER] == 7


@pytest.mark.parametrize("lines", [1, MOST_LINES + 1])
def test_a_snapshot_has_a_number_and_no_more_than_there_are_measures(lines: int) -> None:
    with pytest.raises(ValueError, match="OBX"):
        Snapshot(EUI, lines)
