"""The command line for devices: ``python -m fhirserver devices --help``."""

import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Annotated, TypeVar

import typer

from fhirserver.command_database import RefusedError, command_database
from fhirserver.kernel.errors import NotFound
from fhirserver.kernel.ports import Transaction
from fhirserver.settings import Settings

app = typer.Typer(
    name="devices",
    help="Which devices the broker lets in. Works while the server runs.",
    no_args_is_help=True,
)

Tenant = Annotated[str, typer.Option(help="Name of the tenant.")]
Found = TypeVar("Found")


@app.command(name="list")
def show_all(tenant: Tenant = "home") -> None:
    """List every enrolled device: its address in topics, since when, whether revoked, when it was last heard.

    A gateway shows how many devices it speaks for.
    """
    from fhirserver.store import device_access  # noqa: PLC0415 - help and other commands start faster without

    typer.echo("DEVICE\tADDRESS\tENROLLED\tREVOKED\tLAST HEARD\tBEHIND")
    for one in _asked(tenant, device_access.listed_devices):
        times = (one.enrolled, one.revoked, one.last_heard)
        typer.echo("\t".join([one.device, one.address, *map(_time, times), str(one.behind)]))


@app.command()
def revoke(
    device: Annotated[str, typer.Argument(help="Id of the Device.")], tenant: Tenant = "home"
) -> None:
    """Shut a device out, alone or behind a gateway: its connection ends within seconds, its messages count no more.

    Enrolling it again ($enroll) gives it new credentials.
    """
    from fhirserver.store import device_access  # noqa: PLC0415 - as above

    if not _asked(tenant, lambda tx: device_access.revoke_device(tx, device)):
        raise RefusedError(f"Device {device!r} is not enrolled")
    typer.echo(f"Device {device} is revoked")


def _asked(tenant: str, act: Callable[[Transaction], Awaitable[Found]]) -> Found:
    from fhirserver import bootstrap  # noqa: PLC0415 - as above

    settings = Settings.from_environment(os.environ)
    with command_database(settings) as url:
        try:
            return bootstrap.administer(replace(settings, database_url=url), tenant, act)
        except NotFound as problem:
            raise RefusedError(str(problem)) from problem


def _time(moment: datetime | None) -> str:
    return "-" if moment is None else moment.isoformat(timespec="seconds")
