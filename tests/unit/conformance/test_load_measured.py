import json
from pathlib import Path
from typing import Any

import pytest
import typer

from conformance.load.subscriptions.measured import FAILED, finish, server_to_measure

BASE = "http://127.0.0.1:1/fhir/"
FIGURES: dict[str, Any] = {"name": "load", "kept": {"one": True}}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "admin.token").write_text("written\n")
    return tmp_path


def test_a_named_server_is_taken_as_it_is() -> None:
    with server_to_measure(BASE, "given", None) as server:
        assert (server.target.base, server.target.token) == ("http://127.0.0.1:1/fhir", "given")
        assert server.meter() is None


def test_the_token_of_a_server_of_ours_is_read_off_its_data(data: Path) -> None:
    with server_to_measure(BASE, "", data) as server:
        assert server.target.token == "written"
    with server_to_measure(BASE, "given", data) as server:
        assert server.target.token == "given"


def test_figures_are_printed_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "figures" / "load.json"
    finish(FIGURES, report, kept=True)
    assert json.loads(capsys.readouterr().out) == FIGURES
    assert json.loads(report.read_text()) == FIGURES


def test_a_promise_that_was_not_kept_is_the_exit_code(tmp_path: Path) -> None:
    report = tmp_path / "load.json"
    with pytest.raises(typer.Exit) as ended:
        finish(FIGURES, report, kept=False)
    assert ended.value.exit_code == FAILED
    assert report.exists()
