"""The postmaster's pid file, whole, half-written and single-user."""

import pytest

from fhirserver.supervisor.postgres import PidFile, connection_url, read_pid_file

RUNNING = "4711\n/data/cluster\n1790000000\n5433\n/data/socket\n127.0.0.1\n 123 0\n{status}\n"


@pytest.mark.parametrize(
    ("status", "ready"), [("ready   ", True), ("starting", False), ("stopping", False)]
)
def test_state_is_read_from_the_eighth_line(status: str, *, ready: bool) -> None:
    assert read_pid_file(RUNNING.format(status=status)) == PidFile(
        4711, 5433, "/data/socket", ready
    )


@pytest.mark.parametrize("text", ["", "4711\n", "4711\n/data\n1\n", "x\n/data\n1\n5433\n/s\n"])
def test_unfinished_file_is_no_answer(text: str) -> None:
    assert read_pid_file(text) is None


def test_connection_url_escapes_what_a_url_reserves() -> None:
    url = connection_url(user="u@x", password="p/:?", database="d", host="/a b", port=1)
    assert url == "postgresql://u%40x:p%2F%3A%3F@/d?host=%2Fa+b&port=1"
    tcp = connection_url(user="u", password="p", database="d", host="127.0.0.1", port=1)
    assert tcp == "postgresql://u:p@127.0.0.1:1/d"
