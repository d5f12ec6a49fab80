"""The machine at whose terminal an administrator sits."""

from pathlib import Path

import pytest

from fhirserver.crypto import keyring
from fhirserver.crypto.keyring import Keyring
from tests.conftest import ROLE_PASSWORDS, Database

RING = keyring.create("test", bytes(range(32)))


def at_terminal(
    data: Path, database: Database, monkeypatch: pytest.MonkeyPatch, ring: Keyring | None = RING
) -> None:
    """Let `data` be a DATA directory whose secrets are those of `database` and, unless None, of the record."""
    secrets = data / "secrets"
    secrets.mkdir(mode=0o700, parents=True)
    for role, password in ROLE_PASSWORDS.items():
        (secrets / f"database-{role}").write_text(password)
    if ring is not None:
        (secrets / "keyring.json").write_bytes(keyring.render(ring))
    monkeypatch.setenv("DATA", str(data))
    monkeypatch.setenv("DATABASE_URL", database.dsn)
