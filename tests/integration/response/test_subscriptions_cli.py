"""`fhirserver subscriptions`: what an administrator sees and does at a terminal."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fhirserver.__main__ import app
from fhirserver.command_database import RefusedError
from subscriptions.channels.egress import Answer
from tests.conftest import Database
from tests.integration.response.conftest import Place
from tests.integration.response.test_engine import flags, numbers, posting
from tests.integration.response.test_rest_hook import URL, subscribe, subscription
from tests.terminal import at_terminal


@pytest.fixture
def server_machine(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A DATA directory whose secrets are those of the test's database and record."""
    at_terminal(tmp_path, database, monkeypatch)


async def run(place: Place, *arguments: str) -> Result:
    """Run the command in a thread: it brings an event loop of its own."""
    command = ["subscriptions", *arguments, "--tenant", place.name]
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, command))


@pytest.mark.usefixtures("server_machine")
async def test_list_show_and_replay(place: Place) -> None:
    await subscribe(place, subscription())
    await flags(place, 3)
    refusing: set[int] = {2}
    posting(place, lambda held: Answer(413) if refusing & set(held) else None)
    await place.work()
    refusing.clear()

    table = await run(place, "list")
    assert table.exit_code == 0, table.output
    line = next(line for line in table.output.splitlines() if line.startswith("s1 "))
    assert line.split()[1:6] == ["active", "rest-hook", "3", "3", "0"]
    rows = {
        one["subscription"]: one for one in json.loads((await run(place, "list", "--json")).output)
    }
    assert rows["s1"]["openDeadLetters"] == 1

    shown = await run(place, "show", "s1")
    assert f"endpoint: {URL}" in shown.output
    assert "events 2 to 2, set aside: " in shown.output
    said: Any = json.loads((await run(place, "show", "s1", "--json")).output)
    assert said["deadLetters"][0]["first"] == 2
    assert "secret" not in shown.output

    again = await run(place, "replay", "s1")
    assert "1 set aside" in again.output
    place.now = datetime.now(UTC)  # the command's clock is the real one
    await place.work()
    assert numbers(place) == [1, 3, 2]
    await run(place, "replay", "s1", "--since", "3")
    place.now = datetime.now(UTC)
    await place.work()
    assert numbers(place) == [1, 3, 2, 3]


@pytest.mark.usefixtures("server_machine")
async def test_what_is_not_there_is_refused_in_words(place: Place) -> None:
    for command in (["show", "nobody"], ["replay", "nobody"]):
        refused = await run(place, *command)
        assert isinstance(refused.exception, RefusedError)
        assert "nobody" in str(refused.exception)


def test_help_explains_the_columns() -> None:
    answer = CliRunner().invoke(app, ["subscriptions", "list", "--help"])
    assert answer.exit_code == 0
    assert "DELIVERED" in answer.output
