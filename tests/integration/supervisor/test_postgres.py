"""The embedded PostgreSQL: made, adopted, recovered after kill -9, closed without its password."""

import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from fhirserver.supervisor.account import choose_account
from fhirserver.supervisor.errors import SupervisorError
from fhirserver.supervisor.postgres import PROCESS_NAME, PostgresServer, connection_url
from fhirserver.supervisor.process import wait_until_gone, working_in
from tests.conftest import make_data_directory

QUICK = {"shared_buffers": "16MB", "min_wal_size": "32MB"}


@pytest.fixture
def data() -> Iterator[Path]:
    """A DATA directory whose database processes, if any are left, fail the test and are ended."""
    directory = make_data_directory()
    yield directory
    left = working_in(directory / "postgres" / "cluster", PROCESS_NAME)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    for pid in left:
        wait_until_gone(pid, 10)
    shutil.rmtree(directory)
    assert left == []


def started(data: Path, *, durable: bool = False) -> PostgresServer:
    """Return a running server of `data`, with crash safety when `durable`."""
    server = PostgresServer(data, overrides=QUICK, durable=durable)
    server.start()
    return server


def start_and_crash(data: Path, *, statement: str) -> int:
    """Start a database in another process, run `statement`, kill that process; return its pid."""
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "import psycopg\n"
        "from fhirserver.supervisor.postgres import PostgresServer\n"
        f"server = PostgresServer(Path(sys.argv[1]), overrides={QUICK!r})\n"
        "server.start()\n"
        "with psycopg.connect(server.dsn()) as connection:\n"
        "    connection.execute(sys.argv[2])\n"
        "print(server.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script, str(data), statement],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == -signal.SIGKILL, finished.stderr
    return int(finished.stdout)


def test_new_cluster_has_checksums_utf8_and_durable_commits(data: Path) -> None:
    server = started(data, durable=True)
    try:
        with psycopg.connect(server.dsn()) as connection:
            row = connection.execute(
                "select current_setting('data_checksums'), current_setting('server_encoding'),"
                " current_setting('synchronous_commit'), current_setting('fsync'),"
                " current_setting('timezone'), datlocprovider, datlocale"
                " from pg_database where datname = 'postgres'"
            ).fetchone()
        assert row == ("on", "UTF8", "on", "on", "UTC", "b", "C.UTF-8")
        assert stat.S_IMODE((data / "secrets" / "postgres-password").stat().st_mode) == 0o600
        assert stat.S_IMODE((data / "postgres").stat().st_mode) == 0o700
        assert not (data / "postgres" / "initial-password").exists()
    finally:
        server.stop()


@pytest.mark.parametrize("tcp", [True, False], ids=["tcp", "socket"])
@pytest.mark.parametrize("user", ["postgres", "root", "nobody"])
def test_nobody_enters_without_the_password(
    postgres_server: PostgresServer, user: str, *, tcp: bool
) -> None:
    host = "127.0.0.1" if tcp else str(postgres_server.socket)
    url = connection_url(
        user=user, password="guess", database="postgres", host=host, port=postgres_server.port
    )
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url)


def test_stop_leaves_no_process_and_a_second_start_keeps_data_and_port(data: Path) -> None:
    server = started(data)
    with psycopg.connect(server.dsn()) as connection:
        connection.execute("create table kept as select 42 as answer")
    port = server.port
    server.stop()
    server.stop()
    assert not server.is_running()
    assert working_in(data / "postgres" / "cluster", PROCESS_NAME) == []
    again = started(data)
    try:
        assert again.port == port
        with psycopg.connect(again.dsn()) as connection:
            assert connection.execute("select answer from kept").fetchone() == (42,)
    finally:
        again.stop()


def test_orphan_of_a_killed_supervisor_is_adopted_and_stopped(data: Path) -> None:
    pid = start_and_crash(data, statement="create table kept as select 42 as answer")
    server = started(data)
    assert (server.pid, server.adopted) == (pid, True)
    with psycopg.connect(server.dsn()) as connection:
        assert connection.execute("select answer from kept").fetchone() == (42,)
    server.stop()
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_committed_rows_survive_kill_9_of_every_process_while_a_backend_lingers(data: Path) -> None:
    server = started(data, durable=True)
    cluster = data / "postgres" / "cluster"
    acknowledged = 0
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("create table reading (n int primary key)")
        for acknowledged in range(1, 201):
            connection.execute("insert into reading values (%s)", (acknowledged,))
        backend = connection.info.backend_pid
        # A stopped backend cannot notice that its postmaster died: it holds the shared memory until
        # continued.
        os.kill(backend, signal.SIGSTOP)
        # The test does not collect it either, so it stays a zombie whose number PostgreSQL takes
        # for alive.
        os.kill(server.pid, signal.SIGKILL)
        continued = subprocess.Popen(["/bin/sh", "-c", f"sleep 1; kill -CONT {backend}"])
        again = started(data, durable=True)
        continued.wait()
    try:
        assert again.adopted is False
        assert backend not in working_in(cluster, PROCESS_NAME)
        with psycopg.connect(again.dsn()) as connection:
            assert connection.execute("select count(*), max(n) from reading").fetchone() == (
                acknowledged,
                acknowledged,
            )
    finally:
        again.stop()
        server.stop()


def test_pid_file_that_names_a_foreign_process_does_not_stop_the_start(data: Path) -> None:
    server = started(data)
    server.stop()
    pid_file = data / "postgres" / "cluster" / "postmaster.pid"
    pid_file.write_text(
        f"{os.getpid()}\n{data}/postgres/cluster\n1\n{server.port}\n{server.socket}\n"
        "127.0.0.1\n1 1\nready\n"
    )
    choose_account(data / "postgres").give(pid_file)
    again = started(data)
    assert again.adopted is False
    again.stop()


def test_taken_port_is_replaced_by_another(data: Path, postgres_server: PostgresServer) -> None:
    started(data).stop()
    (data / "run" / "postgres-port").write_text(f"{postgres_server.port}\n")
    server = started(data)
    try:
        assert server.port != postgres_server.port
    finally:
        server.stop()


def test_lost_password_file_is_explained(data: Path) -> None:
    started(data).stop()
    (data / "secrets" / "postgres-password").unlink()
    with pytest.raises(SupervisorError, match=r"its password file .* is gone"):
        started(data)


def test_broken_setting_is_reported_in_the_servers_own_words(data: Path) -> None:
    with pytest.raises(SupervisorError, match="no_such_setting"):
        PostgresServer(data, overrides={**QUICK, "no_such_setting": "1"}).start()


def test_socket_moves_to_a_private_short_directory_when_data_is_deep(data: Path) -> None:
    deep = data / ("deep-" * 20)
    deep.mkdir(mode=0o711)
    server = started(deep)
    try:
        assert server.socket.parent == Path("/tmp")
        assert stat.S_IMODE(server.socket.stat().st_mode) == 0o700
        assert server.answers()
    finally:
        server.stop()
        shutil.rmtree(server.socket)
        assert working_in(deep / "postgres" / "cluster", PROCESS_NAME) == []


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root has directories closed to the database account"
)
def test_closed_data_directory_is_left_closed_and_the_database_put_elsewhere(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = make_data_directory()
    monkeypatch.setattr("fhirserver.supervisor.postgres_home.SYSTEM_PLACE", elsewhere)
    closed = data / "closed"
    closed.mkdir(mode=0o700)
    server = started(closed)
    try:
        assert server.home.directory.parent == elsewhere
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        assert server.answers()
        server.stop()
        server = started(closed)
        assert server.home.directory.parent == elsewhere
    finally:
        server.stop()
        shutil.rmtree(elsewhere)


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root has binaries closed to the database account"
)
def test_unreachable_binaries_are_copied_beside_the_database(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fhirserver.supervisor import postgres_binaries

    original = postgres_binaries.wheel_binaries().directory.parent.parent
    closed = data / "venv" / "closed"
    closed.mkdir(parents=True)
    for part in (original.with_name(original.name + ".libs"), original):
        if part.exists():
            shutil.copytree(part, closed / part.name, symlinks=True)
    closed.chmod(0o700)
    unreachable = postgres_binaries.PostgresBinaries(closed / original.name / "pginstall18" / "bin")
    monkeypatch.setattr(postgres_binaries, "wheel_binaries", lambda: unreachable)
    server = started(data)
    try:
        assert server.answers()
        program = Path(psutil.Process(server.pid).exe())
        assert program.is_relative_to(data / "postgres")
    finally:
        server.stop()
