"""The command line for keys: ``python -m fhirserver keys --help``. See docs/encryption.md."""

import os
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from fhirserver.command_database import RefusedError, command_database
from fhirserver.settings import Settings

app = typer.Typer(
    name="keys",
    help="Keys: what hangs on them, rotation, the search index, destroying a patient's.\n\n"
    "Works on the database of DATA (or DATABASE_URL), beside a running server or without one. Start with: keys status.",
    no_args_is_help=True,
)

Tenant = Annotated[str, typer.Option(help="Name of the tenant; `tenants list` shows them.")]

KEYS: Final = ("wrapping", "tenant", "patient")
_DOING: Final = {
    "rotate": "rotation",
    "rekey": "re-keying of the index",
    "spread": "look at the index",
    "shred": "destruction of a patient's keys",
    "retire": "deletion of retired data keys",
}


@app.command()
def status() -> None:
    """Show which keys there are, how many rows hang on each, what runs, and how the index stands.

    Nothing needs to be done while no row is on a retired data key and no resource is to be keyed anew.
    """
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
            for version, count, behind in found.indexed:
                anew = f", {behind} of them to be keyed anew" if behind else ""
                typer.echo(f"  index version {version}: {count} resources{anew}")
            typer.echo(
                f"  index looked at: {key_commands.watched(found, settings.index_spreading)}"
            )
            typer.echo(f"  shredded patients: {found.shredded}")
            for kind, done, total in found.jobs:
                of = "" if total is None else f" of {total}"
                typer.echo(f"  running: {_DOING.get(kind, kind)}, {done}{of} done")


@app.command(name="rotate-root")
def rotate_root() -> None:
    """Make a new root key and wrap the keys of all tenants by it.

    Running servers follow by themselves. With the keyring in the environment or a key management service, make the new
    root key active there first and restart. The old one stays until `keys retire-root`.
    """
    settings = Settings.from_environment(os.environ)
    with command_database(settings) as url:
        from fhirserver import key_commands  # noqa: PLC0415 - as above

        name, done = key_commands.rotate_root(settings, url)
    typer.echo(f"root key {name} is active, {done} keys wrapped by it")


@app.command(name="retire-root")
def retire_root(
    name: Annotated[str, typer.Argument(help="Name of the root key, as keys status shows it.")],
) -> None:
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
    patient: Annotated[str, typer.Option(help="Id of the patient, with KEY patient.")] = "",
) -> None:
    """Replace a key of a tenant or of a patient, and put everything that hangs on it under the new one.

    wrapping: the key that wraps data keys; takes seconds. tenant: the data key of what belongs to no patient. patient:
    one patient's data key; everything of the patient is sealed anew. Exit code 1 when something is left on the old key.
    """
    if key not in KEYS:
        raise RefusedError(f"{key!r} is no kind of key; say one of: {', '.join(KEYS)}")
    if key == "patient" and not patient:
        raise RefusedError("say whose key: keys rotate patient --patient ID")
    if key != "patient" and patient:
        raise RefusedError(f"--patient goes with: keys rotate patient, not with {key}")
    told = _work(tenant, "rotate", {"key": key, "patient": patient})
    if key == "patient" and not told["done"] and not told["left"]:
        typer.echo(f"nothing is stored of Patient/{patient} in tenant {tenant}")
        return
    typer.echo(f"done: {told['done']}, left on retired keys: {told['left']}")
    if told["left"]:
        typer.echo("some rows could not be sealed anew; run the command again", err=True)
        raise typer.Exit(1)


@app.command()
def rekey(tenant: Tenant = "home") -> None:
    """Key the whole search index anew, under a new key, fitted to how frequent values are by now.

    Searches go on meanwhile. For when the key of the index may be known to somebody; that values become more frequent
    the server sees by itself (see keys spread).
    """
    told = _work(tenant, "rekey", {})
    typer.echo(f"index version {told['version']}, left on another: {told['left']}")


@app.command()
def spread(tenant: Tenant = "home") -> None:
    """Look now whether values have become so frequent that the index tells them, and key those columns anew.

    The server does the same by itself (INDEX_SPREADING), slowly, beside its work; this takes all the time it gets. For
    after a large import.
    """
    told = _work(tenant, "spread", {"share": 1.0})
    seen = f"barest column: {told['column'] or 'none'}, {told['percent']} % of its values"
    if not told["spread"]:
        typer.echo(f"nothing to do; {seen}")
        return
    typer.echo(f"index version {told['version']}, left on another: {told['left']}; was {seen}")


@app.command()
def shred(
    patient: Annotated[str, typer.Argument(help="Id of the patient.")],
    tenant: Tenant = "home",
    confirm: Annotated[str, typer.Option(help="The id again: this cannot be undone.")] = "",
) -> None:
    """Destroy every key of a patient: nothing of the record can be read again, in no backup either.

    Backups whose wrapping key still exists are the exception; docs/encryption.md says what to do about them.
    """
    if confirm != patient:
        raise RefusedError(f"this cannot be undone; say --confirm {patient}")
    told = _work(tenant, "shred", {"patient": patient})
    if not told["keys"]:
        typer.echo(f"Patient/{patient} of tenant {tenant} had no key (any more)")
    typer.echo(f"keys destroyed: {told['keys']}, resources buried: {told['resources']}")


def _work(tenant: str, kind: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
    settings = Settings.from_environment(os.environ)
    with command_database(settings) as url:
        from fhirserver import key_commands  # noqa: PLC0415 - as above

        return key_commands.work(settings, url, tenant, kind, request, _tell)


def _tell(done: int, total: int | None) -> None:
    typer.echo(f"{done} of {'?' if total is None else total}", err=True)
