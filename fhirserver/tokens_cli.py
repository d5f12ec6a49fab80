"""The command line for tokens: ``python -m fhirserver tokens --help``."""

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from fhirserver.command_database import RefusedError
from fhirserver.kernel.audit import Actor, Happening
from fhirserver.tenant_command import Tenant, in_tenant

if TYPE_CHECKING:
    from fhirserver.kernel.ports import Transaction

app = typer.Typer(
    name="tokens",
    help="What people allowed apps, and ending it. Works while the server runs.",
    no_args_is_help=True,
)

Client = Annotated[str | None, typer.Option(help="Of this client only.")]
Account = Annotated[str | None, typer.Option(help="Of this account only.")]


@app.command(name="list")
def show_all(client: Client = None, account: Account = None, tenant: Tenant = "home") -> None:
    """List what can be used now, the newest first. Tokens themselves are kept nowhere.

    GRANT: what `revoke --grant` takes; none for tokens of programs and of administrators.
    """
    from fhirserver.store import grants  # noqa: PLC0415 - help and other commands start faster without

    found = in_tenant(tenant, lambda tx: grants.listed(tx, client=client, account=account))
    typer.echo("GRANT\tCLIENT\tACCOUNT\tACTS AS\tSINCE\tUNTIL\tSCOPES")
    for one in found:
        acts_as = f"{one.kind} {one.reference}".strip()
        times = [f"{moment:%Y-%m-%d %H:%M}" for moment in (one.begun, one.expires)]
        scopes = "everything" if one.scopes is None else " ".join(one.scopes)
        names = [str(one.family or "-"), one.client or "-", one.account or "-"]
        typer.echo("\t".join([*names, acts_as, *times, scopes]))


@app.command()
def revoke(
    client: Client = None,
    account: Account = None,
    grant: Annotated[str | None, typer.Option(help="This grant only.")] = None,
    tenant: Tenant = "home",
) -> None:
    """Revoke what fits: its tokens are refused within a second and cannot be refreshed."""
    from fhirserver.store import grants  # noqa: PLC0415 - as above

    if client is None and account is None and grant is None:
        raise RefusedError("say which: --client, --account or --grant")
    try:
        family = None if grant is None else UUID(grant)
    except ValueError as problem:
        raise RefusedError(f"{grant!r} is no grant") from problem

    async def act(tx: "Transaction") -> int:
        actor = Actor(kind="admin", client=client or "", account=account or "")
        tx.audit(Happening(tx.tenant, "token-revoked", tx.now, actor, detail="by-administrator"))
        return await grants.end_grants(tx, family=family, client=client, account=account)

    ended = in_tenant(tenant, act)
    typer.echo(f"{ended} grants and tokens are revoked")
