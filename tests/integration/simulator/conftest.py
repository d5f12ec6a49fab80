"""A real broker for the transport."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.simulator.running_broker import RunningBroker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RunningBroker]:
    running = RunningBroker(tmp_path)
    running.start()
    yield running
    running.kill()
