"""One server per DATA directory: a lock the operating system drops when its holder dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from fhirserver.supervisor.errors import SupervisorError
from fhirserver.supervisor.postgres_home import make_data_directory
from fhirserver.supervisor.secret_files import PRIVATE_DIRECTORY, PRIVATE_FILE

LOCK: Final = Path("run") / "server.lock"


@contextmanager
def locked(data: Path) -> Iterator[None]:
    """Hold the lock of `data`; raises `SupervisorError` naming the process that holds it."""
    make_data_directory(data)
    path = data / LOCK
    path.parent.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 32).decode().strip() or "unknown"
            raise SupervisorError(
                f"Another server (process {holder}) is using {data}. Stop it (kill {holder}), "
                "or set DATA to another directory."
            ) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)


def holder(data: Path) -> int | None:
    """Return the process id of the server that uses `data`, or None when no server does."""
    try:
        descriptor = os.open(data / LOCK, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(os.read(descriptor, 32) or b"0") or None
    else:
        return None
    finally:
        os.close(descriptor)
