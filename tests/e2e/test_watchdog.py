"""A whole server that is hurt: whoever runs it is told within a minute, by ways of the watchdog's own."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import psutil
import pytest

from conformance.load import processes
from tests.e2e.conftest import RunningServer, a_server

PATIENCE_SECONDS = 90.0


class Operator:
    """Takes the watchdog's messages and the questions of the outer watch."""

    def __init__(self) -> None:
        self.notices: list[dict[str, Any]] = []
        self.pings: list[float] = []

    def codes(self, kind: str) -> set[str]:
        """Return what was told in messages of one kind."""
        return {
            trouble["code"]
            for notice in self.notices
            if notice["kind"] == kind
            for trouble in notice["troubles"]
        }

    @contextmanager
    def listening(self) -> Iterator[str]:
        """Listen until the block ends; yields our URL."""
        operator = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                operator.notices.append(json.loads(self.rfile.read(length)))
                self._answer()

            def do_GET(self) -> None:
                operator.pings.append(time.monotonic())
                self._answer()

            def _answer(self) -> None:
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            yield f"http://127.0.0.1:{server.server_address[1]}"
            server.shutdown()
            thread.join()


def wait(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> float:
    """Wait until `condition` holds; return how long that took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds
        time.sleep(0.1)
    return time.monotonic() - begun


def playing(server: RunningServer, roles: str) -> psutil.Process:
    found = processes.of_data(server.data, server.process.pid)
    (process,) = processes.matching(found, f"worker {roles}")
    return process


@pytest.mark.slow
def test_processes_that_stand_still_are_told_and_so_is_the_end() -> None:
    operator = Operator()
    with (
        operator.listening() as url,
        a_server(
            WATCHDOG_WEBHOOK=f"{url}/hook",
            WATCHDOG_PING_URL=f"{url}/ping",
            WATCHDOG_PING_SECONDS="1",
            SYNTHETIC_SECONDS="10",
        ) as server,
    ):
        wait(lambda: len(operator.pings) > 3)
        assert operator.notices == []
        engine = playing(server, "engine+deliver")
        engine.suspend()
        try:
            assert wait(lambda: bool(operator.notices)) < 60
            pings = len(operator.pings)
            # The outer watch hears nothing while something is wrong: three pings would be due in this time,
            # and that nothing comes can only be seen by waiting.
            time.sleep(3)
            assert len(operator.pings) == pings
        finally:
            engine.resume()
        assert {"engine-silent", "deliver-silent"} <= operator.codes("trouble")
        wait(lambda: operator.notices[-1]["kind"] == "over")
        wait(lambda: len(operator.pings) > pings)
        metrics = httpx.get(
            f"{server.url}/metrics", headers={"authorization": f"Bearer {server.token}"}
        ).text
        assert 'fhir_synthetic_runs{result="arrived"}' in metrics
        assert "fhir_evaluation_lag_seconds" in metrics
        ingest = playing(server, "ingest")
        ingest.suspend()
        try:
            # Its synthetic device goes on speaking, so its messages wait.
            wait(lambda: {"ingest-silent", "evaluation-late"} <= operator.codes("trouble"))
        finally:
            ingest.resume()
