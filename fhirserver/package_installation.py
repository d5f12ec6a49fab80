"""Installing packages: everything that `fhirserver packages` does, apart from talking to the terminal.

Packages belong to the whole installation. They are checked by the process the administrator started,
and stored only when everything in them can be used; running servers notice by themselves.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import psycopg

from fhirserver.command_database import RefusedError, command_database
from fhirserver.definitions import load
from fhirserver.definitions.package import BadPackageError, Package, read_package, satisfies
from fhirserver.search.parameter_check import check_parameter
from fhirserver.settings import Settings
from fhirserver.store.database import open_database
from fhirserver.store.packages import Installation, Installed
from fhirserver.supervisor.database_credentials import database_passwords
from fhirserver.validation.profiles.package_check import Checks, package_problems

Given = TypeVar("Given")
Answer = TypeVar("Answer")


def add(archives: Sequence[Path]) -> list[Package]:
    """Check the packages in `archives` and install them together; raises RefusedError, nothing stored."""
    return _with_database(_add, [_read(path) for path in archives])


def installed() -> list[Installed]:
    """Return what is installed, in the order it was."""
    return _with_database(_list, None)


def remove(label: str) -> list[Installed]:
    """Remove NAME or NAME@VERSION, which no other package may need. Raises RefusedError."""
    return _with_database(_remove, label)


def _read(path: Path) -> Package:
    try:
        return read_package(path.read_bytes())
    except OSError as error:
        raise RefusedError(f"{path}: {error.strerror}") from error
    except BadPackageError as error:
        raise RefusedError(f"{path.name}: {error}") from error


async def _add(change: Installation, packages: list[Package]) -> list[Package]:
    from fhirserver.bootstrap import check_topic  # noqa: PLC0415 - the other commands start faster without

    there = await change.installed()
    replaced = {(one.name, one.version) for one in packages}
    kept = [(one.name, one.version) for one in there if (one.name, one.version) not in replaced]
    resources = [resource for content in await change.contents() for resource in content]
    there_now = load().extended(resources, frozenset())
    problems = package_problems(packages, kept, there_now, Checks(check_parameter, check_topic))
    if problems:
        raise RefusedError("nothing was installed:\n" + "\n".join(problems))
    await change.add(packages, datetime.now(UTC))
    return packages


async def _list(change: Installation, _: None) -> list[Installed]:
    return await change.installed()


async def _remove(change: Installation, label: str) -> list[Installed]:
    there = await change.installed()
    name, _, version = label.rpartition("@") if "@" in label[1:] else (label, "", "")
    gone = [one for one in there if one.name == name and (not version or one.version == version)]
    if len(gone) != 1:
        found = ", ".join(one.label for one in gone) or "no such package"
        raise RefusedError(f"{label}: {found}")
    for one in there:
        needed = one.dependencies.get(name)
        others = [other for other in there if other.name == name and other not in gone]
        if one in gone or needed is None or any(satisfies(o.version, needed) for o in others):
            continue
        raise RefusedError(f"{gone[0].label} is needed by {one.label}")
    await change.remove(gone)
    return gone


def _with_database(
    work: Callable[[Installation, Given], Awaitable[Answer]], given: Given
) -> Answer:
    """Do `work` in one transaction that nobody else's change can overlap."""
    settings = Settings.from_environment(os.environ)
    with command_database(settings) as url:
        try:
            return asyncio.run(_changed(url, settings, work, given))
        except psycopg.errors.UndefinedTable as error:
            message = "the database is not of this version; run `fhirserver migrate` first"
            raise RefusedError(message) from error
        except psycopg.OperationalError as error:
            raise RefusedError(f"the database cannot be reached: {error}") from error


async def _changed(
    url: str,
    settings: Settings,
    work: Callable[[Installation, Given], Awaitable[Answer]],
    given: Given,
) -> Answer:
    async with (
        open_database(url, database_passwords(settings.data)) as database,
        database.work.connection() as connection,
        connection.transaction(),
    ):
        change = Installation(connection)
        await change.lock()
        return await work(change, given)
