"""The command line for apps and programs: ``python -m fhirserver clients --help``."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fhirserver.command_database import RefusedError
from fhirserver.kernel.audit import Actor, Happening
from fhirserver.tenant_command import Tenant, in_tenant

if TYPE_CHECKING:
    from fhirserver.kernel.ports import Transaction

app = typer.Typer(
    name="clients",
    help="Apps and programs that may ask for tokens. Works while the server runs.",
    no_args_is_help=True,
)

Id = Annotated[str, typer.Argument(help="Id of the client.")]
Texts = list[str] | None


@app.command()
def add(  # noqa: PLR0913 - each is an option of the command
    name: Annotated[str, typer.Argument(help="What people read when they are asked to let it in.")],
    redirect_uri: Annotated[
        Texts, typer.Option(help="Where people are sent back to; once for each.")
    ] = None,
    scope: Annotated[
        str | None,
        typer.Option(help="The most it may ask for; without it everything a person may allow."),
    ] = None,
    jwks_uri: Annotated[
        str | None, typer.Option(help="URL of its public keys: it proves itself with a key.")
    ] = None,
    jwks: Annotated[
        Path | None, typer.Option(help="File with its public keys, instead of a URL.")
    ] = None,
    launch_uri: Annotated[str | None, typer.Option(help="Where an EHR starts it.")] = None,
    client_id: Annotated[str | None, typer.Option(help="Its id; one is made without.")] = None,
    tenant: Tenant = "home",
    *,
    public: Annotated[
        bool, typer.Option(help="It runs in a browser or phone and can keep no secret.")
    ] = False,
    backend: Annotated[
        bool, typer.Option(help="It acts for itself: system scopes, no person is asked.")
    ] = False,
    introspects: Annotated[
        bool, typer.Option(help="It may ask about every token, as a resource server.")
    ] = False,
) -> None:
    """Register a client and print what it needs. Its secret is shown once.

    Without --public, --jwks-uri or --jwks it proves itself with a secret.
    """
    from authlib.oauth2 import OAuth2Error  # noqa: PLC0415 - help starts faster without

    from fhirserver.smart import registration  # noqa: PLC0415 - as above
    from fhirserver.smart.enrolment import enrolled  # noqa: PLC0415 - as above
    from fhirserver.store import clients  # noqa: PLC0415 - as above

    asymmetric = jwks is not None or jwks_uri is not None
    method = "none" if public else "private_key_jwt" if asymmetric else "client_secret_basic"
    grants = ["client_credentials"] if backend else ["authorization_code", "refresh_token"]
    said = {
        "client_name": name,
        "token_endpoint_auth_method": method,
        "grant_types": grants,
        "redirect_uris": redirect_uri or [],
        "scope": scope,
        "jwks_uri": jwks_uri,
        "jwks": None if jwks is None else _keys(jwks),
        "launch_uri": launch_uri,
    }
    try:
        metadata = {key: value for key, value in said.items() if value is not None}
        wanted = registration.read(metadata, by_administrator=True)
    except OAuth2Error as problem:
        raise RefusedError(str(problem.description)) from problem

    async def act(tx: "Transaction") -> Mapping[str, Any]:
        if client_id is not None and await clients.get(tx, client_id) is not None:
            raise RefusedError(f"there is a client {client_id!r} already")
        client, secret = enrolled(
            wanted, tx.tenant, tx.now, client_id=client_id, introspects=introspects
        )
        await clients.add(tx, client)
        tx.audit(changed(tx, client.id, "added"))
        return {"client_id": client.id, **({} if secret is None else {"client_secret": secret})}

    typer.echo(json.dumps(in_tenant(tenant, act), indent=2))


@app.command(name="list")
def show_all(tenant: Tenant = "home") -> None:
    """List every client: how it proves itself and whether it is disabled."""
    from fhirserver.store import clients  # noqa: PLC0415 - as above

    typer.echo("CLIENT\tNAME\tPROVES ITSELF BY\tREGISTERED\tDISABLED")
    for one in in_tenant(tenant, clients.of_tenant):
        times = (one.registered, one.disabled)
        shown = [f"{time:%Y-%m-%d %H:%M}" if time else "-" for time in times]
        typer.echo("\t".join([one.id, one.name, one.authentication, *shown]))


@app.command()
def show(client: Id, tenant: Tenant = "home") -> None:
    """Show one client as JSON, without secrets."""
    from fhirserver.smart import answers  # noqa: PLC0415 - as above
    from fhirserver.store import clients  # noqa: PLC0415 - as above

    found = in_tenant(tenant, lambda tx: clients.get(tx, client))
    if found is None:
        raise _unknown(client)
    more = {
        "introspects": found.introspects,
        "disabled": None if found.disabled is None else found.disabled.isoformat(),
    }
    typer.echo(json.dumps({**answers.registered(found, None), **more}, indent=2))


@app.command()
def disable(client: Id, tenant: Tenant = "home") -> None:
    """Let a client in no more: its tokens are refused within a second."""
    from fhirserver.store import clients, grants  # noqa: PLC0415 - as above

    async def act(tx: "Transaction") -> int | None:
        if not await clients.set_disabled(tx, client, disabled=True):
            return None
        tx.audit(changed(tx, client, "disabled"))
        return await grants.end_grants(tx, client=client)

    ended = in_tenant(tenant, act)
    if ended is None:
        raise _unknown(client)
    typer.echo(f"client {client} is disabled; {ended} grants and tokens are revoked")


@app.command()
def enable(client: Id, tenant: Tenant = "home") -> None:
    """Let a disabled client ask again; what was revoked stays so."""
    from fhirserver.store import clients  # noqa: PLC0415 - as above

    async def act(tx: "Transaction") -> bool:
        found = await clients.set_disabled(tx, client, disabled=False)
        if found:
            tx.audit(changed(tx, client, "enabled"))
        return found

    if not in_tenant(tenant, act):
        raise _unknown(client)
    typer.echo(f"client {client} is enabled")


@app.command(name="rotate-secret")
def rotate_secret(client: Id, tenant: Tenant = "home") -> None:
    """Give a client another secret and print it, once. The one before is refused from now on."""
    from fhirserver.crypto.secret_digest import secret_digest  # noqa: PLC0415 - as above
    from fhirserver.smart.enrolment import new_secret  # noqa: PLC0415 - as above
    from fhirserver.store import clients  # noqa: PLC0415 - as above

    secret = new_secret()

    async def act(tx: "Transaction") -> bool:
        found = await clients.replace_secret(tx, client, secret_digest(secret))
        if found:
            tx.audit(changed(tx, client, "secret-rotated"))
        return found

    if not in_tenant(tenant, act):
        raise RefusedError(f"there is no client {client!r} with a secret")
    typer.echo(json.dumps({"client_id": client, "client_secret": secret}, indent=2))


def changed(tx: "Transaction", client: str, detail: str) -> Happening:
    """Return what the audit is told of a client that an administrator changed."""
    return Happening(
        tx.tenant, "client-changed", tx.now, Actor(kind="admin", client=client), detail=detail
    )


def _keys(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError) as problem:
        raise RefusedError(f"{file} cannot be read as JSON: {problem}") from problem


def _unknown(client: str) -> RefusedError:
    return RefusedError(f"there is no client {client!r}")
