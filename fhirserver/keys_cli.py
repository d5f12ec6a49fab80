"""The command line for keys: ``python -m fhirserver keys --help``. See docs/encryption.md."""

import os
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from fhirserver.command_database import RefusedError, command_database
from fhirserver.settings import Settings

app = typer.Typer(
    name="keys",
    help="Keys: what hangs on them, rotation, re-keying of the search index, destroying a patient's.",
    no_args_is_help=True,
)

Tenant = Annotated[str, typer.Option(help="Name of the tenant.")]


@app.command()
def status() -> None:
    """Show which keys there are and how many rows hang on each."""
    settings = Settings.from_environment(os.environ)
    with command_database(settings) as url:
        from fhirserver import key_commands  # noqa: PLC0415 - other commands start faster without

        active, hanging = key_commands.root_status(settings, url)
        for name, count in sorted(hanging.items()):
            typer.echo(f"root key {name}{' (active)' if name == active else ''}: {count} keys")
        for tenant, found in key_commands.status(settings, url).items():
            typer.echo(f"tenant {tenant}")
            for version, count in found.wrapped:
                typer.echo(f"  wrapping key {version}: {count} data keys")
            typer.echo(f"  retired data keys: {found.retired}, rows on them: {found.left}")
            for version, count in found.indexed:
                typer.echo(f"  index version {version}: {count} resources")
            typer.echo(f"  shredded patients: {found.shredded}")
            for kind, done, total in found.jobs:
                typer.echo(f"  {kind} is running: {done} of {'?' if total is None else total}")


@app.command(name="rotate-root")
def rotate_root() -> None:
    """Make a new root key and wrap the keys of all tenants by it. Running servers follow by themselves."""
    settings = Settings.from_environment(os.environ)
    with command_database(settings) as url:
        from fhirserver import key_commands  # noqa: PLC0415 - as above

        name, done = key_commands.rotate_root(settings, url)
    typer.echo(f"root key {name} is active, {done} keys wrapped by it")


@app.command(name="retire-root")
def retire_root(name: Annotated[str, typer.Argument(help="Name of the root key.")]) -> None:
    """Take a root key out of the keyring file that nothing hangs on any more."""
    settings = Settings.from_environment(os.environ)
    with command_database(settings) as url:
        from fhirserver import key_commands  # noqa: PLC0415 - as above

        key_commands.retire_root(settings, url, name)
    typer.echo(f"root key {name} is gone from the keyring")


@app.command()
def rotate(
    key: Annotated[str, typer.Argument(help="wrapping, tenant, or patient.")],
    tenant: Tenant = "home",
    patient: Annotated[str, typer.Option(help="Id of the patient.")] = "",
) -> None:
    """Replace a key of a tenant or of a patient, and put everything that hangs on it under the new one."""
    if key not in ("wrapping", "tenant", "patient") or (key == "patient") != bool(patient):
        raise RefusedError("KEY is wrapping, tenant, or patient with --patient ID")
    told = _work(tenant, "rotate", {"key": key, "patient": patient})
    typer.echo(f"done: {told['done']}, left on retired keys: {told['left']}")
    if told["left"]:
        raise typer.Exit(1)


@app.command()
def rekey(tenant: Tenant = "home") -> None:
    """Key the search index anew, fitted to how frequent values are by now; searches go on meanwhile."""
    told = _work(tenant, "rekey", {})
    typer.echo(f"index version {told['version']}, left on another: {told['left']}")


@app.command()
def shred(
    patient: Annotated[str, typer.Argument(help="Id of the patient.")],
    tenant: Tenant = "home",
    confirm: Annotated[str, typer.Option(help="The id again: this cannot be undone.")] = "",
) -> None:
    """Destroy every key of a patient: nothing of the record can be read again, in no backup either."""
    if confirm != patient:
        raise RefusedError(f"this cannot be undone; say --confirm {patient}")
    told = _work(tenant, "shred", {"patient": patient})
    typer.echo(f"keys destroyed: {told['keys']}, resources buried: {told['resources']}")


def _work(tenant: str, kind: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
    settings = Settings.from_environment(os.environ)
    with command_database(settings) as url:
        from fhirserver import key_commands  # noqa: PLC0415 - as above

        return key_commands.work(settings, url, tenant, kind, request, _tell)


def _tell(done: int, total: int | None) -> None:
    typer.echo(f"{done} of {'?' if total is None else total}", err=True)
