"""The simulator's command line."""

import json
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from simulator import fleet_run
from simulator.cli import app

RUNNER = CliRunner()


@pytest.mark.parametrize("command", ["demo", "fleet", "session", "hl7v2", "phone-company"])
def test_every_command_explains_itself(command: str) -> None:
    listed = RUNNER.invoke(app, ["--help"])
    assert command in listed.output
    assert RUNNER.invoke(app, [command, "--help"]).exit_code == 0


@pytest.mark.parametrize("words", [["nowhere"], ["127.0.0.1:1", "--scenario", "none"]])
def test_what_cannot_be_played_over_hl7v2_is_refused(words: list[str]) -> None:
    assert RUNNER.invoke(app, ["hl7v2", *words]).exit_code == 2


def test_nobody_is_enrolled_without_a_demonstration(tmp_path: Path) -> None:
    words = ["hl7v2", "127.0.0.1:1", "--demo-json", str(tmp_path / "demo.json")]
    answer = RUNNER.invoke(app, words)
    assert answer.exit_code == 2
    assert "cannot enrol" in answer.output


def test_a_session_is_written_as_json_lines() -> None:
    answer = RUNNER.invoke(app, ["session", "clean", "--minutes", "1", "--seed", "4"])
    assert answer.exit_code == 0
    lines = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [line["channel"] for line in lines[:4]] == ["birth", "status", "birth", "status"]
    assert {line["body"]["mode"] for line in lines if "mode" in line.get("body", {})} >= {
        "PRETX",
        "TX",
    }
    again = RUNNER.invoke(app, ["session", "clean", "--minutes", "1", "--seed", "4"])
    assert again.stdout == answer.stdout


def test_the_truth_of_a_session_can_be_asked_for() -> None:
    answer = RUNNER.invoke(app, ["session", "6", "--minutes", "8", "--at", "2", "--truth"])
    told = json.loads(answer.stdout)
    assert [alert["code"] for alert in told["truth"]["alerts"]] == ["198264", "198242"]
    assert told["moments"]["event:198264"]
    assert told["person"]["access"] in ("fistula", "graft", "catheter")


def test_an_unknown_scenario_is_refused() -> None:
    assert RUNNER.invoke(app, ["session", "flood"]).exit_code == 2
    assert RUNNER.invoke(app, ["fleet", "--scenario", "clean,flood"]).exit_code == 2


def test_a_fleet_needs_a_running_demonstration() -> None:
    answer = RUNNER.invoke(app, ["fleet", "--demo-json", "/nowhere/demo.json"])
    assert answer.exit_code == 2
    assert "make run" in answer.output


def test_a_fleet_says_in_a_line_that_its_server_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def enrol(*_: object) -> None:
        raise httpx.ReadTimeout("")

    monkeypatch.setattr(fleet_run, "enrol", enrol)
    demo = tmp_path / "demo.json"
    place = {"base": "http://127.0.0.1:9/fhir", "mqtt": "127.0.0.1:9", "tokens": {"admin": "t"}}
    demo.write_text(json.dumps(place))
    answer = RUNNER.invoke(app, ["fleet", "--demo-json", str(demo)])
    assert answer.exit_code == 2
    assert "cannot enrol: ReadTimeout" in answer.output
