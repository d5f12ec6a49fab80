"""A frame taken apart into messages that each know what they mean."""

from datetime import UTC, datetime

import pytest

from adapters.hl7v2 import sites
from adapters.hl7v2.coming import messages_in
from adapters.hl7v2.committing import warnings_of
from adapters.hl7v2.sites import Peer
from tests.unit.adapters.hl7v2.machine_messages import MACHINE, PATIENT, header, message, venous

NOW = datetime(2026, 8, 1, 10, tzinfo=UTC)
ONE = message(header(), PATIENT, MACHINE, venous())


@pytest.mark.parametrize(("told", "warned"), [("1", False), ("2", True), ("", False)])
def test_a_batch_that_lost_messages_is_taken_with_a_warning(told: str, warned: bool) -> None:
    frame = f"BHS|^~\\&|S\r{ONE}BTS|{told}\r".encode()
    (coming,) = messages_in(frame, NOW, Peer("127.0.0.1"), sites.load(unknown="accept"))
    assert coming.refusal is None
    assert coming.found is not None
    faults = warnings_of(coming.found)
    assert [(one.severity, one.place and one.place.segment) for one in faults] == (
        [("W", "BTS")] if warned else []
    )
