"""The load harness against a whole server: a short run, from the command line to the report."""

import json
from pathlib import Path

from typer.testing import CliRunner

from conformance.load.__main__ import app
from tests.e2e.conftest import RunningServer


def test_a_short_load_is_measured_and_nothing_is_lost(
    running_server: RunningServer, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    host, port = running_server.mqtt
    arguments = {
        "--base": running_server.base,
        "--mqtt": f"{host}:{port}",
        "--data": str(running_server.data),
        "--phone": running_server.phone,
        "--devices": "6",
        "--rate": "288",
        "--seconds": "4",
        "--samples": "2",
        "--breaches-per-second": "0.5",
        "--report": str(report),
    }
    words = [word for pair in arguments.items() for word in pair]
    outcome = CliRunner().invoke(app, ["ingest", *words, "--raw-copy"])
    assert outcome.exit_code == 0, outcome.output
    (run,) = json.loads(report.read_text())["runs"]
    assert run["passed"]
    assert run["lost_messages"] == 0
    # 288 observations/s for 4 s, one alarm event and one blood pressure beside them.
    assert run["committed"]["observations"] == run["sent"]["observations"] >= 288 * 4
    assert run["breaches"]["told"] == run["breaches"]["published"] == 2
    assert run["publish_to_acknowledged_ms"]["count"] == run["committed"]["messages"]
    assert run["verified"] == {"patients": 3, "violations": []}
    assert {"postgres", "nats-server", "supervisor"} <= run["processes"].keys()
    assert run["raw_copy"]["rows"] > 0
