"""A database cluster on disk: made once by initdb, configured by files of our own.

Nobody is trusted: TCP and socket connections both prove a password by SCRAM-SHA-256
(https://www.postgresql.org/docs/18/auth-password.html), replication and remote hosts are refused by
omission. The built-in C.UTF-8 locale makes text order independent of the machine's C library.
"""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fhirserver.supervisor.account import Account
from fhirserver.supervisor.errors import SupervisorError
from fhirserver.supervisor.postgres_binaries import PostgresBinaries
from fhirserver.supervisor.secret_files import write_private

SUPERUSER: Final = "postgres"

HOST_BASED_AUTHENTICATION: Final = """\
# Written by the supervisor at every start; changes are overwritten.
local   all   all                  scram-sha-256
host    all   all   127.0.0.1/32   scram-sha-256
"""

# Sized for a laptop with everything on it: a quarter of a gigabyte of cache, and enough log space
# that a steady stream of readings does not force checkpoints (each one writes every touched page in
# full again).
SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "128MB",
    "synchronous_commit": "on",
    "wal_level": "replica",
    "max_wal_senders": "2",
    "min_wal_size": "512MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "jit": "off",
    "autovacuum": "on",
    # A table that was never analyzed is read as a whole where a few rows would do, and plans that are
    # kept stay so until it is: a minute of that is long after a first start.
    "autovacuum_naptime": "5s",
    "random_page_cost": "1.1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "on",
    "log_filename": "postgresql-%a.log",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_truncate_on_rotation": "on",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    # Statements and parameters carry data of people; a log line must not.
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
    "cluster_name": "fhirserver",
}


def make_cluster(
    binaries: PostgresBinaries, account: Account, cluster: Path, password: str, *, durable: bool
) -> None:
    """Create the cluster in `cluster` unless it exists; a crash's half-made one is removed first.

    `cluster`'s parent must belong to `account`. With `durable` false the files are not forced to
    disk (tests). Raises `SupervisorError` with initdb's own words when it fails.
    """
    if cluster.exists():
        return
    unfinished = cluster.with_name(cluster.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    password_file = cluster.with_name("initial-password")
    write_private(password_file, password + "\n")
    account.give(password_file)
    command = [
        binaries.program("initdb"),
        f"--pgdata={unfinished}",
        f"--username={SUPERUSER}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--data-checksums",
        "--no-instructions",
        *(() if durable else ("--no-sync",)),
    ]
    try:
        finished = subprocess.run(
            command,
            cwd=cluster.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
            **account.popen_arguments(),
        )
    finally:
        password_file.unlink(missing_ok=True)
    if finished.returncode != 0:
        message = f"initdb could not create the database in {cluster}:\n{finished.stderr.strip()}"
        raise SupervisorError(message)
    unfinished.rename(cluster)


def write_configuration(
    account: Account, cluster: Path, settings: Mapping[str, str], overrides: Mapping[str, str]
) -> None:
    """Write our postgresql.conf and pg_hba.conf into `cluster`; `overrides` win over `settings`."""
    merged = {**settings, **overrides}
    lines = ["# Written by the supervisor at every start; changes are overwritten."]
    lines += [f"{name} = '{_quoted(value)}'" for name, value in merged.items()]
    files = {"postgresql.conf": "\n".join(lines) + "\n", "pg_hba.conf": HOST_BASED_AUTHENTICATION}
    for name, text in files.items():
        # Replaced, never written through: the directory belongs to another account than ours may
        # be.
        write_private(cluster / name, text)
        account.give(cluster / name)


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")
