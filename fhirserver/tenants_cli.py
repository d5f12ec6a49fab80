"""The command line for tenants: ``python -m fhirserver tenants --help``."""

import os
import re
from dataclasses import replace
from typing import Annotated, Final

import typer

from fhirserver.command_database import RefusedError, command_database
from fhirserver.settings import Settings
from fhirserver.supervisor.secret_files import write_private

app = typer.Typer(
    name="tenants",
    help="Who shares this server without seeing each other: each has its own keys, people, devices and rules.",
    no_args_is_help=True,
)
# The name stands in MQTT topics, URLs and file names.
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Small letters, digits and hyphens; for good.")],
) -> None:
    """Make a tenant. Its first administrator's token is written to DATA/NAME.admin.token.

    Works while the server runs; every process knows the tenant within seconds.
    """
    from fhirserver import bootstrap  # noqa: PLC0415 - help and other commands start faster without

    if _NAME.fullmatch(name) is None:
        raise RefusedError("the name of a tenant is small letters, digits and hyphens, 63 at most")
    settings = Settings.from_environment(os.environ)
    file = settings.data / f"{name}.admin.token"
    with command_database(settings) as url:
        token = bootstrap.add_tenant(replace(settings, database_url=url), name)
    if token is None:
        raise RefusedError(f"there is a tenant {name!r} already")
    write_private(file, token + "\n")
    typer.echo(f"tenant {name} is made; its administrator's token is in {file}")


@app.command(name="list")
def show_all() -> None:
    """List the tenants, each with its number."""
    from fhirserver import bootstrap  # noqa: PLC0415 - as above

    settings = Settings.from_environment(os.environ)
    with command_database(settings) as url:
        for number, name in bootstrap.tenants(replace(settings, database_url=url)):
            typer.echo(f"{number}\t{name}")
