"""What an administrator's command does in one transaction of one tenant."""

import os
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Annotated, TypeVar

import typer

from fhirserver.command_database import RefusedError, command_database
from fhirserver.kernel.audit import Actor, Happening
from fhirserver.kernel.errors import FhirError
from fhirserver.kernel.ports import Transaction
from fhirserver.settings import Settings

Tenant = Annotated[str, typer.Option(help="Name of the tenant.")]
Found = TypeVar("Found")


def message_shown(tx: Transaction, which: str, patients: Iterable[str] = ()) -> Happening:
    """Return what the audit is told when an operator reads a message as it came in; `patients` are whose it is."""
    return Happening(
        tx.tenant,
        "message-shown",
        tx.now,
        Actor(kind="admin"),
        patients=frozenset(patients),
        detail=which,
    )


def time_shown(moment: datetime | None) -> str:
    """Return a time as lists show it, ``-`` for none."""
    return "-" if moment is None else moment.isoformat(timespec="seconds")


def in_tenant(tenant: str, act: Callable[[Transaction], Awaitable[Found]]) -> Found:
    """Return what `act` returns, done in a transaction of the tenant of this name. Raises `RefusedError`."""
    from fhirserver import bootstrap  # noqa: PLC0415 - help and other commands start faster without

    settings = Settings.from_environment(os.environ)
    with command_database(settings) as url:
        try:
            return bootstrap.administer(replace(settings, database_url=url), tenant, act)
        except FhirError as problem:
            raise RefusedError(problem.message) from problem
