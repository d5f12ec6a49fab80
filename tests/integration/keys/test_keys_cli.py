"""`fhirserver keys`: what an administrator does to keys at a terminal, over a real database."""

import asyncio
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fhirserver.__main__ import app
from fhirserver.command_database import RefusedError
from fhirserver.crypto import keyring
from fhirserver.store.key_works import Hanging
from fhirserver.store.record import Record
from tests.conftest import Database
from tests.integration.keys.conftest import ADMIN, RING, asked, found, patient, put, weight
from tests.terminal import at_terminal


class Terminal:
    """A terminal on the machine of the server."""

    def __init__(self, data: Path) -> None:
        self.keyring = data / "secrets" / "keyring.json"

    async def run(self, *words: str) -> Result:
        """Run a command in a thread: it brings an event loop of its own."""
        return await asyncio.to_thread(lambda: CliRunner().invoke(app, ["keys", *words]))

    async def said(self, *words: str) -> str:
        done = await self.run(*words)
        assert done.exit_code == 0, (done.output, done.exception)
        return done.stdout

    async def refusal(self, *words: str) -> str:
        done = await self.run(*words)
        assert isinstance(done.exception, RefusedError), (done.output, done.exception)
        return str(done.exception)


@pytest.fixture
def terminal(
    record: Record, tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> Terminal:
    """A DATA directory whose secrets are those of the test's database and record."""
    at_terminal(tmp_path, database, monkeypatch, RING)
    # Nobody else is there to wait for.
    monkeypatch.setattr("fhirserver.parts.Hanging", partial(Hanging, settled_seconds=0.0))
    return Terminal(tmp_path)


def _lines(text: str) -> Sequence[str]:
    return [line.strip() for line in text.splitlines()]


async def test_every_command_says_what_it_is_for(terminal: Terminal) -> None:
    listed = await terminal.said("--help")
    for name in ("status", "rotate-root", "retire-root", "rotate", "rekey", "spread", "shred"):
        assert name in listed
        assert "Usage:" in await terminal.said(name, "--help")
    assert "keys status" in listed


async def test_status_of_a_fresh_database(record: Record, terminal: Terminal) -> None:
    await put(record, patient("ann", "Berg"), weight("w", "ann", 70))
    shown = _lines(await terminal.said("status"))
    assert "root key test (active): 3 keys" in shown
    assert "tenant home" in shown
    assert "wrapping key 1: 1 data keys" in shown
    assert "retired data keys: 0, rows on them: 0" in shown
    assert "index version 1: 2 resources" in shown
    assert "index looked at: not yet" in shown
    assert "shredded patients: 0" in shown


async def test_a_patient_s_key_is_rotated_and_shown(
    record: Record, terminal: Terminal, database: Database
) -> None:
    await put(record, patient("ann", "Berg"), weight("w", "ann", 70))
    assert await terminal.said("rotate", "patient", "--patient", "ann") == (
        "done: 2, left on retired keys: 0\n"
    )
    await record._read.keys.refresh()
    assert b"70" in (await record.read(ADMIN, "Observation", "w")).content
    assert "retired data keys: 1, rows on them: 0" in _lines(await terminal.said("status"))
    # A row that came back on the old key, as one from a backup, is told of.
    asked(
        database,
        "UPDATE resource r SET key_id = d.key_id FROM data_key d WHERE r.fhir_id = 'w' AND d.retired IS NOT NULL "
        "RETURNING 1",
    )
    assert "retired data keys: 1, rows on them: 1" in _lines(await terminal.said("status"))


async def test_rotation_of_what_is_not_there_says_so(record: Record, terminal: Terminal) -> None:
    assert "nothing is stored of Patient/nobody in tenant home" in await terminal.said(
        "rotate", "patient", "--patient", "nobody"
    )


async def test_the_wrapping_key_and_the_tenant_s_own(record: Record, terminal: Terminal) -> None:
    await put(record, patient("ann", "Berg"))
    assert "left on retired keys: 0" in await terminal.said("rotate", "wrapping")
    assert "left on retired keys: 0" in await terminal.said("rotate", "tenant")
    shown = _lines(await terminal.said("status"))
    assert any(line.startswith("wrapping key 2:") for line in shown)
    assert not any(line.startswith("wrapping key 1:") for line in shown)


async def test_root_keys_from_the_new_one_to_the_end_of_the_old(
    record: Record, terminal: Terminal
) -> None:
    await put(record, patient("ann", "Berg"))
    assert "3 keys hang on test" in await _rotated_by_hand(terminal)
    # A key that is made gets the next number; an operator's own names stay.
    assert await terminal.said("rotate-root") == "root key k3 is active, 3 keys wrapped by it\n"
    shown = _lines(await terminal.said("status"))
    assert "root key k3 (active): 3 keys" in shown
    assert "root key test: 0 keys" in shown
    assert "make another" in await terminal.refusal("retire-root", "k3")
    assert "retired ones: k2, test" in await terminal.refusal("retire-root", "k9")
    assert await terminal.said("retire-root", "test") == "root key test is gone from the keyring\n"
    assert sorted(json.loads(terminal.keyring.read_text())["keys"]) == ["k2", "k3"]
    assert "root key k3 (active): 3 keys" in _lines(await terminal.said("status"))


async def _rotated_by_hand(terminal: Terminal) -> str:
    """Make another root key active without wrapping anything by it; return why the first cannot go."""
    terminal.keyring.write_bytes(keyring.render(RING.plus("k2", bytes(range(2, 34)))))
    return await terminal.refusal("retire-root", "test")


async def test_the_index_is_keyed_anew(
    record: Record, terminal: Terminal, database: Database
) -> None:
    await put(record, patient("ann", "Berg"), weight("w", "ann", 70))
    assert await terminal.said("rekey") == "index version 2, left on another: 0\n"
    assert asked(database, "SELECT DISTINCT keys_version FROM resource") == [(2,)]
    assert "index version 2: 2 resources" in _lines(await terminal.said("status"))


async def test_the_index_is_looked_at(record: Record, terminal: Terminal) -> None:
    await put(record, weight("w", "p000", 70))
    assert await terminal.said("spread") == (
        "nothing to do; barest column: none, 0.0 % of its values\n"
    )
    await put(record, *(patient(f"p{one:03}", "Zzyzx") for one in range(120)))
    told = await terminal.said("spread")
    assert "index version 2, left on another: 0; was barest column: Patient" in told
    shown = _lines(await terminal.said("status"))
    assert "index version 1: 1 resources" in shown
    assert "index version 2: 120 resources" in shown
    (looked,) = (line for line in shown if line.startswith("index looked at: "))
    assert looked.endswith("spread anew in version 2")
    await record._read.keys.refresh()
    assert len(await found(record, "Patient", "family=zzyzx&_count=200")) == 120


async def test_work_under_way_is_shown(record: Record, terminal: Terminal) -> None:
    await record.tend_keys("on")
    assert "running: look at the index, 0 done" in _lines(await terminal.said("status"))


async def test_a_patient_is_shredded_once_the_id_is_said_again(
    record: Record, terminal: Terminal, database: Database
) -> None:
    await put(record, patient("ann", "Berg"), patient("bea", "Lund"))
    assert "say --confirm ann" in await terminal.refusal("shred", "ann")
    assert "say --confirm ann" in await terminal.refusal("shred", "ann", "--confirm", "bea")
    assert await found(record, "Patient", "family=berg") == {"ann"}
    assert await terminal.said("shred", "ann", "--confirm", "ann") == (
        "keys destroyed: 1, resources buried: 1\n"
    )
    assert "shredded patients: 1" in _lines(await terminal.said("status"))
    assert await found(record, "Patient", "family=berg") == set()
    assert await found(record, "Patient", "family=lund") == {"bea"}
    again = await terminal.said("shred", "ann", "--confirm", "ann")
    assert "Patient/ann of tenant home had no key (any more)" in again


async def test_refusals_say_what_to_do(record: Record, terminal: Terminal) -> None:
    assert "say one of: wrapping, tenant, patient" in await terminal.refusal("rotate", "root")
    assert "--patient ID" in await terminal.refusal("rotate", "patient")
    assert "not with wrapping" in await terminal.refusal("rotate", "wrapping", "--patient", "ann")
    for words in (("rotate", "tenant"), ("rekey",), ("spread",)):
        told = await terminal.refusal(*words, "--tenant", "hoem")
        assert told == "there is no tenant 'hoem'; there are: home"


async def test_a_keyring_of_another_server_is_refused_before_anything_is_done(
    record: Record, terminal: Terminal, database: Database
) -> None:
    await put(record, patient("ann", "Berg"))
    terminal.keyring.write_bytes(keyring.render(keyring.create("k1", bytes(range(7, 39)))))
    for words in (("rekey",), ("rotate", "wrapping"), ("rotate-root",)):
        assert "DATA or KEYRING must be those the server runs with" in await terminal.refusal(
            *words
        )
    # Same name, another key: nothing opens either.
    terminal.keyring.write_bytes(keyring.render(keyring.create("test", bytes(range(7, 39)))))
    assert "DATA or KEYRING must be those" in await terminal.refusal("rekey")
    assert asked(database, "SELECT DISTINCT ring_key FROM tenant_key") == [("test",)]
    assert asked(database, "SELECT count(*) FROM job") == [(0,)]
