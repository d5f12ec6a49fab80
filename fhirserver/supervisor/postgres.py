"""The embedded PostgreSQL: a direct child of the supervisor, or an adopted orphan of a crashed one.

`start` leaves a server that answers; `stop` ends it, whoever started it. What runs is decided by
asking it: a server of our own data directory that accepts our password is adopted, whatever its pid
file says. After a ``kill -9`` of the postmaster its children may live on for a moment and hold the
shared memory; they are waited for, because two postmasters on one data directory would destroy it
(https://www.postgresql.org/docs/18/server-shutdown.html).
"""

import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

import psutil

from fhirserver.supervisor.errors import SupervisorError
from fhirserver.supervisor.postgres_binaries import (
    PostgresBinaries,
    runnable_binaries,
    wheel_binaries,
)
from fhirserver.supervisor.postgres_cluster import (
    SETTINGS,
    SUPERUSER,
    make_cluster,
    write_configuration,
)
from fhirserver.supervisor.postgres_home import PostgresHome, open_home, socket_directory
from fhirserver.supervisor.process import (
    POLL_SECONDS,
    free_port,
    send,
    wait_until_gone,
    working_in,
    works_in,
)
from fhirserver.supervisor.secret_files import secret

PROCESS_NAME: Final = "postgres"
START_ATTEMPTS: Final = 3
PROGRESS_SECONDS: Final = 5.0
LINGERING_SECONDS: Final = 30.0
FAST_STOP_SECONDS: Final = 60.0
IMMEDIATE_STOP_SECONDS: Final = 10.0
QUESTION_SECONDS: Final = 10.0
UNANSWERED_SECONDS: Final = 30.0

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class PidFile:
    """What a running postmaster writes into ``postmaster.pid`` (one item a line)."""

    pid: int
    port: int
    socket_directory: str
    ready: bool


def read_pid_file(text: str) -> PidFile | None:
    """Return the parsed ``postmaster.pid``, or None while it is still being written."""
    lines = [line.strip() for line in text.splitlines()]
    try:
        pid, port, directory = int(lines[0]), int(lines[3]), lines[4]
    except (IndexError, ValueError):
        return None
    return PidFile(abs(pid), port, directory, ready=len(lines) > 7 and lines[7] == "ready")


class PostgresServer:
    """One embedded PostgreSQL 18 below a DATA directory.

    `overrides` are additional lines for postgresql.conf. `durable=False` gives up crash safety for
    speed and is meant for tests. `progress` is told in plain words what is waited for.
    """

    def __init__(
        self,
        data: Path,
        *,
        overrides: Mapping[str, str] | None = None,
        durable: bool = True,
        progress: Progress = lambda _text: None,
    ) -> None:
        """Remember the wishes; nothing is touched before `start`."""
        self.data = data.absolute()
        self.port = 0
        self.pid = 0
        self.adopted = False
        self.socket = Path()
        self._password = ""
        self._overrides = dict(overrides or {})
        self._durable = durable
        self._progress = progress
        self._child: subprocess.Popen[bytes] | None = None
        self._home: PostgresHome | None = None
        self._binaries: PostgresBinaries | None = None
        if not durable:
            self._overrides = {
                "fsync": "off",
                "synchronous_commit": "off",
                "full_page_writes": "off",
                **self._overrides,
            }

    @property
    def home(self) -> PostgresHome:
        """Where the files are; known after `start`."""
        if self._home is None:
            message = "the embedded PostgreSQL was not started"
            raise SupervisorError(message)
        return self._home

    def dsn(self, database: str = SUPERUSER, *, tcp: bool = False) -> str:
        """Return the superuser's URL for `database`, over the Unix socket unless `tcp`."""
        return connection_url(
            user=SUPERUSER,
            password=self._password,
            database=database,
            host="127.0.0.1" if tcp else str(self.socket),
            port=self.port,
        )

    def start(self) -> None:
        """Return when the database answers; adopts one that already runs on this data directory.

        Raises `SupervisorError` when it cannot be started; the message quotes the server's own
        words.
        """
        if self.adopt():
            return
        self._binaries = runnable_binaries(self.home.account, self.home.directory)
        if not self.home.cluster.exists():
            self._progress("creating the database (once)")
        make_cluster(
            self._binaries,
            self.home.account,
            self.home.cluster,
            self._password,
            durable=self._durable,
        )
        self._clear_the_way()
        self._launch()

    def adopt(self) -> bool:
        """Use the database that runs on this data directory already; False when none does.

        Raises `SupervisorError` when it cannot be used.
        """
        self._home = open_home(self.data)
        key = self.data / "secrets" / "postgres-password"
        if self.home.cluster.exists() and not key.exists():
            message = (
                f"The database in {self.home.cluster} exists, but its password file {key} is gone. "
                "Restore that file from a backup, or move the whole DATA directory away "
                "to start empty."
            )
            raise SupervisorError(message)
        self._password = secret(key)
        return self._adopt()

    def stop(self) -> None:
        """End the database: a fast shutdown, harsher if it does not listen. Idempotent."""
        if not self.pid:
            return
        for sign, seconds in (
            (signal.SIGINT, FAST_STOP_SECONDS),
            (signal.SIGQUIT, IMMEDIATE_STOP_SECONDS),
            (signal.SIGKILL, IMMEDIATE_STOP_SECONDS),
        ):
            if self._child is None and not works_in(self.pid, self.home.cluster, PROCESS_NAME):
                break
            send(self.pid, sign)
            if wait_until_gone(self.pid, seconds):
                break
            self._progress(f"the database did not stop within {seconds:.0f} s of {sign.name}")
        if self._child is not None:
            self._child.wait()
        self.pid = 0
        self._child = None

    def is_running(self) -> bool:
        """Tell whether the postmaster lives (not whether it answers)."""
        if self._child is not None:
            return self._child.poll() is None
        return bool(self.pid) and works_in(self.pid, self.home.cluster, PROCESS_NAME)

    def answers(self) -> bool:
        """Tell whether the server accepts our password and serves our data directory."""
        return self._ask("show data_directory") == str(self.home.cluster.resolve())

    def ensure_database(self, name: str) -> None:
        """Create the database `name` (lower-case letters, digits, underscore) unless it exists."""
        if (self._ask("select datname from pg_database") or "").split().count(_identifier(name)):
            return
        self._command(f'create database "{name}"')

    def _adopt(self) -> bool:
        """Take over a postmaster that serves our data directory; wait while it is starting."""
        begun = shown = time.monotonic()
        while found := self._pid_file():
            ours = works_in(found.pid, self.home.cluster, PROCESS_NAME)
            self.port, self.socket = found.port, Path(found.socket_directory)
            if found.ready and self.answers():
                self.pid, self.adopted = found.pid, True
                self._progress(f"adopted the database that was still running (process {found.pid})")
                return True
            if not ours:
                return False
            if found.ready and time.monotonic() - begun > UNANSWERED_SECONDS:
                message = (
                    f"Process {found.pid} serves {self.home.cluster} but refuses our password. "
                    "Is another server using this DATA directory? "
                    f"Stop it (kill -INT {found.pid}) and try again."
                )
                raise SupervisorError(message)
            if time.monotonic() - shown > PROGRESS_SECONDS:
                shown = time.monotonic()
                self._progress(
                    f"waiting for the database that is starting or stopping (process {found.pid})"
                )
            time.sleep(POLL_SECONDS)
        return False

    def _clear_the_way(self) -> None:
        """Wait for a killed postmaster's children, then drop lock files naming other processes."""
        deadline = time.monotonic() + LINGERING_SECONDS
        shown = time.monotonic()
        while lingering := working_in(self.home.cluster, PROCESS_NAME):
            if time.monotonic() > deadline:
                # Their postmaster is dead, so nothing they still do can be committed to a client.
                for pid in lingering:
                    send(pid, signal.SIGKILL)
            if time.monotonic() - shown > PROGRESS_SECONDS:
                shown = time.monotonic()
                self._progress(
                    f"waiting for {len(lingering)} processes of a killed database to end"
                )
            time.sleep(POLL_SECONDS)
        found = self._pid_file()
        if found is not None and psutil.pid_exists(found.pid):
            # The number belongs to another program by now (usual in a restarted container) or to a
            # zombie whose parent does not collect it; PostgreSQL would refuse to start because of
            # either. No process of this cluster lives, checked just above. Any other stale file is
            # left for PostgreSQL to judge.
            (self.home.cluster / "postmaster.pid").unlink()
        # The socket's own lock file falls into the same trap; its directory serves this cluster
        # alone.
        for leftover in socket_directory(self.home).glob(".s.PGSQL.*"):
            leftover.unlink()

    def _pid_file(self) -> PidFile | None:
        try:
            return read_pid_file((self.home.cluster / "postmaster.pid").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    def _launch(self) -> None:
        wished = self._stored_port()
        for attempt in range(START_ATTEMPTS):
            self.port = wished if attempt == 0 and wished else free_port()
            self.socket = socket_directory(self.home)
            write_configuration(
                self.home.account,
                self.home.cluster,
                SETTINGS,
                {
                    "port": str(self.port),
                    "unix_socket_directories": str(self.socket),
                    "wal_compression": "lz4" if self._program_has_lz4() else "off",
                    **self._overrides,
                },
            )
            if self._start_child():
                self.home.port_note.write_text(f"{self.port}\n", encoding="utf-8")
                return
            if "could not bind" not in self._last_words():
                break
        message = (
            f"PostgreSQL did not start. Its own words (from {self.home.start_log} "
            f"and {self.home.cluster}/log):\n{self._last_words()}"
        )
        raise SupervisorError(message)

    def _start_child(self) -> bool:
        """Start the postmaster and wait until it is ready; False when it ended instead."""
        with self.home.start_log.open("wb") as log:
            self._child = subprocess.Popen(
                [self._program("postgres"), "-D", str(self.home.cluster.resolve())],
                cwd=self.home.cluster,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
                start_new_session=True,
                **self.home.account.popen_arguments(),
            )
        self.pid, self.adopted = self._child.pid, False
        shown = time.monotonic()
        while self._child.poll() is None:
            found = self._pid_file()
            if found and found.pid == self.pid and found.ready and self.answers():
                return True
            if time.monotonic() - shown > PROGRESS_SECONDS:
                shown = time.monotonic()
                self._progress("the database is starting (after a crash it first replays its log)")
            time.sleep(POLL_SECONDS)
        self.pid, self._child = 0, None
        return False

    def _stored_port(self) -> int:
        path = self.home.port_note
        return int(path.read_text(encoding="utf-8")) if path.exists() else 0

    def _program(self, name: str) -> Path:
        if self._binaries is None:
            self._binaries = wheel_binaries()
        return self._binaries.program(name)

    def _program_has_lz4(self) -> bool:
        return (self._binaries or wheel_binaries()).has_lz4()

    def _last_words(self) -> str:
        logs = sorted(
            (self.home.cluster / "log").glob("*.log"), key=lambda path: path.stat().st_mtime
        )
        texts = [
            path.read_text(encoding="utf-8", errors="replace")
            for path in (self.home.start_log, *logs[-1:])
        ]
        return "\n".join("\n".join(text.splitlines()[-10:]) for text in texts)

    def _ask(self, question: str) -> str | None:
        """Return the first value `question` yields, or None when the server does not answer us."""
        finished = self._psql(question)
        return finished.stdout.strip() if finished and finished.returncode == 0 else None

    def _command(self, command: str) -> None:
        finished = self._psql(command)
        if finished is None or finished.returncode != 0:
            words = finished.stderr.strip() if finished else "no answer"
            message = f"The database refused '{command}': {words}"
            raise SupervisorError(message)

    def _psql(self, command: str) -> subprocess.CompletedProcess[str] | None:
        try:
            return subprocess.run(
                [
                    self._program("psql"),
                    "--no-psqlrc",
                    "--no-align",
                    "--tuples-only",
                    "--no-password",
                    f"--host={self.socket}",
                    f"--port={self.port}",
                    f"--username={SUPERUSER}",
                    f"--dbname={SUPERUSER}",
                    f"--command={command}",
                ],
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=QUESTION_SECONDS,
                env={
                    "PGPASSWORD": self._password,
                    "PGREQUIREAUTH": "scram-sha-256",
                    "PGCONNECT_TIMEOUT": "5",
                    "LC_ALL": "C",
                    "PATH": "/usr/bin:/bin",
                },
            )
        except subprocess.TimeoutExpired:
            return None


def connection_url(*, user: str, password: str, database: str, host: str, port: int) -> str:
    """Return a libpq URL; a `host` that starts with a slash is the directory of a Unix socket."""
    identity = f"{quote(user, safe='')}:{quote(password, safe='')}"
    if host.startswith("/"):
        return (
            f"postgresql://{identity}@/{quote(database)}?{urlencode({'host': host, 'port': port})}"
        )
    return f"postgresql://{identity}@{host}:{port}/{quote(database)}"


def _identifier(name: str) -> str:
    if not name.isascii() or not name.replace("_", "a").isalnum() or name != name.lower():
        message = (
            f"'{name}' is no usable database name: use lower-case letters, digits and underscores."
        )
        raise SupervisorError(message)
    return name
