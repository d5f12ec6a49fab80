"""`fhirserver audit`: what an operator runs every day, and what it says when somebody touched the log."""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fhirserver.__main__ import app
from tests.conftest import Database
from tests.integration.auditing.conftest import RING
from tests.integration.auditing.sealed_log import NEWEST, sealed, superuser
from tests.terminal import at_terminal


@pytest.fixture
def heads(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The second place of heads, with DATA beside it whose secrets are those of the test's database."""
    at_terminal(tmp_path / "data", database, monkeypatch, RING)
    monkeypatch.setenv("AUDIT_HEADS", str(tmp_path / "heads"))
    return tmp_path / "heads"


async def run(*arguments: str) -> Result:
    """Run the command in a thread: it brings an event loop of its own."""
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, ["audit", *arguments]))


async def test_verify_heads_and_export(database: Database, heads: Path) -> None:
    async with sealed(database, heads) as (house, _):
        genuine = await run("verify")
        assert genuine.exit_code == 0, genuine.output
        assert "in 3 batches, 3 exported heads" in genuine.output

        printed = await run("heads", "--after", "1")
        elsewhere = heads.parent / "printed.jsonl"
        elsewhere.write_text(printed.output)
        assert len(printed.output.splitlines()) == 2
        assert (await run("verify", "--heads", str(elsewhere))).exit_code == 0

        exported = await run("export", str(heads.parent / "copy"))
        assert "3 heads added" in exported.output
        assert "0 heads added" in (await run("export", str(heads.parent / "copy"))).output

        superuser(house, f"DELETE FROM resource WHERE id = ({NEWEST})")
        touched = await run("verify")
        assert touched.exit_code == 1
        assert "deleted: AuditEvent/" in touched.output
        assert "NOT GENUINE" in touched.output
