"""The command line: help that helps, refusals without tracebacks."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from fhirserver import __version__
from fhirserver.__main__ import app, main
from fhirserver.settings import Settings, SettingsError

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level


def test_help_names_every_command_but_the_hidden_one() -> None:
    shown = RUNNER.invoke(app, ["--help"]).output
    for command in ("serve", "migrate", "version", "settings", "status", "compose-secrets"):
        assert command in shown
    assert "│ worker" not in shown


def test_version() -> None:
    assert RUNNER.invoke(app, ["version"]).output == f"{__version__}\n"


def test_settings_lists_each_and_hides_secrets() -> None:
    shown = RUNNER.invoke(
        app, ["settings"], env={"DATABASE_URL": "postgresql://u:hunter2@h/d"}
    ).output
    assert all(f"{item.name}=" in shown for item in Settings.describe())
    assert "hunter2" not in shown


def test_status_of_nothing_is_an_exit_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fhirserver.__main__.httpx.get", _refuse)
    result = RUNNER.invoke(app, ["status"], env={"DATA": str(tmp_path)})
    assert result.exit_code == 1
    assert "not running" in result.output
    assert "no answer" in result.output


def _refuse(_url: str, timeout: float, **_how: object) -> None:
    import httpx

    raise httpx.ConnectError(f"refused within {timeout}")


def test_wrong_setting_is_printed_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def run() -> None:
        Settings.from_environment({"PORT": "x"})

    with pytest.raises(SystemExit) as ending:
        main(run)
    assert ending.value.code == 2
    assert capsys.readouterr().err.startswith("PORT is 'x'")


def test_unknown_role_is_refused() -> None:
    result = RUNNER.invoke(app, ["worker", "--roles", "api,cook"])
    assert isinstance(result.exception, SettingsError)
    assert "cook is none of" in str(result.exception)
