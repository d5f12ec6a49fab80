"""Where the embedded database keeps its files, and why it is sometimes not below DATA.

Everything lives in one directory that belongs to the database account: ``DATA/postgres``. When the
server runs as root and DATA lies below a directory closed to others (a checkout in /root), that
account could not reach it. Then the files go to ``/var/lib/fhirserver/<name>-<random>`` and
``DATA/postgres.path`` records the place; the modes of directories that are not ours are never
changed.
"""

import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fhirserver.supervisor.account import Account, choose_account, describe
from fhirserver.supervisor.errors import SupervisorError
from fhirserver.supervisor.secret_files import PRIVATE_DIRECTORY, write_private

REDIRECTION: Final = "postgres.path"
SYSTEM_PLACE: Final = Path("/var/lib/fhirserver")
# A Unix socket path holds 107 bytes on Linux, 103 on macOS; "/.s.PGSQL.65535" takes 15 of them.
LONGEST_SOCKET_DIRECTORY: Final = 85
ENTERABLE_DIRECTORY: Final = 0o711


@dataclass(frozen=True, slots=True)
class PostgresHome:
    """The directory of the embedded database, the account that owns it, and our own notes about it.

    Notes stay outside `directory`: the supervisor, perhaps root, writes no file where another
    account could have put a symbolic link.
    """

    directory: Path
    account: Account
    notes: Path

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.directory / "cluster"

    @property
    def start_log(self) -> Path:
        """What the server prints before its own log files are open."""
        return self.notes / "postgres-start.log"

    @property
    def port_note(self) -> Path:
        """The port used last, used again so that clients' settings stay true."""
        return self.notes / "postgres-port"


def make_data_directory(data: Path) -> None:
    """Create DATA when missing: private, but enterable by the database account when we are root."""
    mode = ENTERABLE_DIRECTORY if os.geteuid() == 0 else PRIVATE_DIRECTORY
    data.mkdir(mode=mode, parents=True, exist_ok=True)


def open_home(data: Path) -> PostgresHome:
    """Return the home of the database of `data`, created when missing.

    Raises `SupervisorError` when there is no place the database account could use.
    """
    make_data_directory(data)
    notes = data / "run"
    notes.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
    recorded = data / REDIRECTION
    if recorded.exists():
        directory = Path(recorded.read_text(encoding="utf-8").strip())
        if not directory.is_dir():
            message = (
                f"{recorded} says that the database is in {directory}, which is not there. "
                f"Bring it back, or delete {recorded} to start with an empty database."
            )
            raise SupervisorError(message)
        return _checked(PostgresHome(directory, choose_account(directory), notes))
    directory = data / "postgres"
    account = choose_account(directory)
    if directory.is_dir() or account.can_enter(data):
        _own(directory, account)
        if account.can_enter(directory):
            return _checked(PostgresHome(directory, account, notes))
        message = (
            f"The database account {describe(account)} owns {directory} but cannot enter it: "
            "a directory above it is closed. Open it for traversal (chmod o+x), move DATA, "
            "or set DATABASE_URL."
        )
        raise SupervisorError(message)
    return _system_home(data, account, notes)


def _system_home(data: Path, account: Account, notes: Path) -> PostgresHome:
    SYSTEM_PLACE.mkdir(mode=ENTERABLE_DIRECTORY, parents=True, exist_ok=True)
    directory = SYSTEM_PLACE / f"{data.resolve().parent.name or 'data'}-{secrets.token_hex(4)}"
    _own(directory, account)
    if not account.can_enter(directory):
        message = (
            f"The database account {describe(account)} can enter neither {data} "
            f"nor {SYSTEM_PLACE}. Set DATA to a directory it can reach (for example below /srv), "
            "or set DATABASE_URL."
        )
        raise SupervisorError(message)
    write_private(data / REDIRECTION, f"{directory}\n")
    return PostgresHome(directory, account, notes)


def _checked(home: PostgresHome) -> PostgresHome:
    owner = home.directory.stat().st_uid
    if owner != home.account.uid:
        message = (
            f"{home.directory} belongs to user id {owner}: the server ran as another user before. "
            f"Run it as that user (or as root) again, or give the directory away: "
            f"chown -R {describe(home.account)} {home.directory}"
        )
        raise SupervisorError(message)
    return home


def _own(directory: Path, account: Account) -> None:
    """Create `directory` for `account`, private; one that exists keeps its owner and mode."""
    if not directory.exists():
        directory.mkdir(mode=PRIVATE_DIRECTORY)
        account.give(directory)


def socket_directory(home: PostgresHome) -> Path:
    """Return a private directory for the Unix socket, short enough for the system's limit."""
    inside = home.directory / "socket"
    if len(os.fsencode(inside)) <= LONGEST_SOCKET_DIRECTORY:
        _own(inside, home.account)
        return inside
    recorded = home.notes / "postgres-socket.path"
    if recorded.exists():
        known = Path(recorded.read_text(encoding="utf-8").strip())
        if known.is_dir() and known.stat().st_uid == home.account.uid:
            return known
    made = Path(tempfile.mkdtemp(prefix="fhirserver-", dir="/tmp"))
    home.account.give(made)
    write_private(recorded, f"{made}\n")
    return made
