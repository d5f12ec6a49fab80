"""Which operating-system account runs the database.

PostgreSQL refuses to run as root (https://www.postgresql.org/docs/18/postgres-user.html). As root,
which is usual in containers and CI, the database runs as an unprivileged account that owns its own
directory and nothing else; as anybody else it runs as the caller.
"""

import grp
import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fhirserver.supervisor.errors import SupervisorError

UNPRIVILEGED_NAMES: Final = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """A user and group id; `switch`: programs must be started under another user than ours."""

    uid: int
    gid: int
    switch: bool

    def popen_arguments(self) -> dict[str, Any]:
        """Return the keyword arguments that make `subprocess` start a program as this account."""
        if not self.switch:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def give(self, path: Path) -> None:
        """Make this account the owner of `path`; the mode stays as it is."""
        if self.switch:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def can_enter(self, directory: Path) -> bool:
        """Tell whether this account can enter `directory`, by really doing it."""
        return self._succeeds(["/bin/sh", "-c", 'cd -- "$1"', "sh", str(directory)])

    def can_run(self, program: Path) -> bool:
        """Tell whether this account can execute `program`, which must know ``--version``."""
        return self._succeeds([str(program), "--version"])

    def _succeeds(self, command: Sequence[str]) -> bool:
        try:
            finished = subprocess.run(
                command,
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                **self.popen_arguments(),
            )
        except OSError:
            return False
        return finished.returncode == 0


def choose_account(owned_directory: Path) -> Account:
    """Return the account for the database whose files live (or will live) in `owned_directory`.

    Not root: the caller itself. Root: the owner of `owned_directory` if that is somebody else, else
    the system's `postgres` account, else `nobody`. Raises `SupervisorError` when root has no such
    account.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), switch=False)
    if owned_directory.exists():
        owner = owned_directory.stat()
        if owner.st_uid != 0:
            return Account(owner.st_uid, owner.st_gid, switch=True)
    for name in UNPRIVILEGED_NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(entry.pw_uid, entry.pw_gid, switch=True)
    message = (
        "PostgreSQL does not run as root, and this system has no account 'postgres' or 'nobody'. "
        "Create one (useradd --system postgres), or start the server as an ordinary user, "
        "or set DATABASE_URL to a PostgreSQL that runs elsewhere."
    )
    raise SupervisorError(message)


def describe(account: Account) -> str:
    """Return ``user:group`` by name where the system knows the names, else by number."""
    try:
        user = pwd.getpwuid(account.uid).pw_name
    except KeyError:
        user = str(account.uid)
    try:
        group = grp.getgrgid(account.gid).gr_name
    except KeyError:
        group = str(account.gid)
    return f"{user}:{group}"
