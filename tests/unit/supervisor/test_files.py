"""Secrets, locks and the database's home: private, written once, explained when impossible."""

import os
import stat
from pathlib import Path

import pytest

from fhirserver.supervisor import compose_secrets
from fhirserver.supervisor.account import Account, choose_account
from fhirserver.supervisor.broker_config import quoted
from fhirserver.supervisor.children import ending
from fhirserver.supervisor.data_lock import holder, locked
from fhirserver.supervisor.errors import SupervisorError
from fhirserver.supervisor.nats_jwt import AccountKey
from fhirserver.supervisor.postgres_home import open_home
from fhirserver.supervisor.secret_files import secret, write_private


def test_secret_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "one"
    first = secret(path)
    assert len(first) == 64
    assert secret(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_private_file_replaces_a_link_instead_of_following_it(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("untouched")
    link = tmp_path / "file"
    link.symlink_to(elsewhere)
    (tmp_path / "file.new").symlink_to(elsewhere)
    write_private(link, "text")
    assert elsewhere.read_text() == "untouched"
    assert link.read_text() == "text"
    assert not link.is_symlink()


def test_lock_names_its_holder_and_is_free_afterwards(tmp_path: Path) -> None:
    assert holder(tmp_path) is None
    with locked(tmp_path):
        assert holder(tmp_path) == os.getpid()
        with pytest.raises(SupervisorError, match=f"process {os.getpid()}"), locked(tmp_path):
            pass
    assert holder(tmp_path) is None


def test_recorded_place_that_vanished_is_explained(tmp_path: Path) -> None:
    (tmp_path / "postgres.path").write_text(f"{tmp_path}/gone\n")
    with pytest.raises(SupervisorError, match="which is not there"):
        open_home(tmp_path)


def test_files_of_another_user_are_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "postgres").mkdir()
    stranger = Account(os.geteuid() + 1, os.getegid(), switch=False)
    monkeypatch.setattr(
        "fhirserver.supervisor.postgres_home.choose_account", lambda _directory: stranger
    )
    with pytest.raises(SupervisorError, match="belongs to user id"):
        open_home(tmp_path)


def test_root_without_an_account_for_the_database_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("fhirserver.supervisor.account.UNPRIVILEGED_NAMES", ())
    with pytest.raises(SupervisorError, match="useradd --system postgres"):
        choose_account(tmp_path / "not there")


def test_ordinary_user_runs_the_database_as_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    account = choose_account(tmp_path)
    assert (account.uid, account.switch, account.popen_arguments()) == (4711, False, {})


@pytest.mark.parametrize(
    ("parts", "text"), [(("a", 1), '"a:1"'), (('say "no"\\',), '"say \\"no\\"\\\\"')]
)
def test_configuration_strings_are_escaped(parts: tuple[object, ...], text: str) -> None:
    assert quoted(*parts) == text


def test_endings_are_told_in_words() -> None:
    assert (ending(3), ending(-9)) == ("exit code 3", "SIGKILL")


def test_compose_secrets_fit_together() -> None:
    made = dict(line.split("=") for line in compose_secrets.lines(lambda count: b"x" * count))
    assert AccountKey.from_seed(made["NATS_CALLOUT_SEED"]).public == made["NATS_CALLOUT_ISSUER"]
    assert all(made.values())
