"""The command line for accounts of people: ``python -m fhirserver accounts --help``."""

import os
from collections.abc import Callable
from typing import Annotated, TypeVar

import typer

from fhirserver.command_database import RefusedError
from fhirserver.kernel.errors import FhirError
from fhirserver.settings import Settings
from fhirserver.tenant_command import Tenant, in_tenant

app = typer.Typer(
    name="accounts",
    help="Accounts of people: who may sign in, and as whom they act. Works while the server runs.",
    no_args_is_help=True,
)

Login = Annotated[str, typer.Argument(help="Login name.")]
RoleText = Annotated[
    str,
    typer.Argument(help="kind:Type/id, as in practitioner:Practitioner/nina; admin alone."),
]
Read = TypeVar("Read")


@app.command()
def add(
    login: Login,
    name: Annotated[str, typer.Option(help="Name of the person, as pages show it.")],
    role: Annotated[
        list[str] | None,
        typer.Option(help="kind:Type/id whom the person acts as; several times for several."),
    ] = None,
    language: Annotated[str, typer.Option(help="en or es.")] = "en",
    tenant: Tenant = "home",
) -> None:
    """Make an account; prints the code by which its person sets a password, good once, for 24 hours."""
    from fhirserver.accounts import administration  # noqa: PLC0415 - help starts faster without
    from fhirserver.accounts.role import read_role  # noqa: PLC0415 - as above

    if language not in ("en", "es"):
        raise RefusedError("--language is en or es")
    roles = [_understood(read_role, one) for one in role or ()]
    _hand_over(
        login,
        tenant,
        in_tenant(tenant, lambda tx: administration.add(tx, login, name, language, roles)),
    )


@app.command()
def link(login: Login, role: RoleText, tenant: Tenant = "home") -> None:
    """Let an account act as one more resource: one human, several roles."""
    from fhirserver.accounts import administration  # noqa: PLC0415 - as above
    from fhirserver.accounts.role import read_role  # noqa: PLC0415 - as above

    known = _understood(read_role, role)
    in_tenant(tenant, lambda tx: administration.link(tx, login, known))
    typer.echo(f"{login} acts as {role}")


@app.command()
def unlink(login: Login, role: RoleText, tenant: Tenant = "home") -> None:
    """Take a role away; what was opened in it ends now."""
    from fhirserver.accounts import administration  # noqa: PLC0415 - as above
    from fhirserver.accounts.role import read_role  # noqa: PLC0415 - as above

    known = _understood(read_role, role)
    in_tenant(tenant, lambda tx: administration.unlink(tx, login, known))
    typer.echo(f"{login} no longer acts as {role}")


@app.command(name="list")
def show_all(tenant: Tenant = "home") -> None:
    """List the accounts: whom they act as, their second factors, how many browsers are signed in."""
    from fhirserver.accounts import administration  # noqa: PLC0415 - as above

    for one in in_tenant(tenant, administration.listed):
        account = one.account
        state = "disabled" if account.disabled else "" if account.has_password else "no password"
        acts = ", ".join(f"{kind}:{reference}".rstrip(":") for kind, reference in one.roles)
        typer.echo(
            f"{account.login}\t{account.name}\t{acts or 'nobody'}\t"
            f"{', '.join(one.factors) or 'no second factor'}\t{one.open_sessions} signed in\t{state}"
        )


@app.command()
def reset(
    login: Login,
    tenant: Tenant = "home",
    *,
    factors: Annotated[
        bool, typer.Option("--factors", help="Remove the second factors too.")
    ] = False,
) -> None:
    """Take the password away and sign the person out everywhere; prints the code for a new one."""
    from fhirserver.accounts import administration  # noqa: PLC0415 - as above

    code = in_tenant(tenant, lambda tx: administration.reset(tx, login, factors_too=factors))
    _hand_over(login, tenant, code)


@app.command()
def disable(login: Login, tenant: Tenant = "home") -> None:
    """Close an account: its sessions and the tokens of its apps end now."""
    from fhirserver.accounts import administration  # noqa: PLC0415 - as above

    in_tenant(tenant, lambda tx: administration.disable(tx, login, disabled=True))
    typer.echo(f"{login} is closed")


@app.command()
def enable(login: Login, tenant: Tenant = "home") -> None:
    """Open a closed account again."""
    from fhirserver.accounts import administration  # noqa: PLC0415 - as above

    in_tenant(tenant, lambda tx: administration.disable(tx, login, disabled=False))
    typer.echo(f"{login} is open")


@app.command()
def unlock(login: Login, tenant: Tenant = "home") -> None:
    """Forget failed tries, so that the person can sign in at once."""
    from fhirserver.accounts import administration  # noqa: PLC0415 - as above

    was = in_tenant(tenant, lambda tx: administration.unlock(tx, login))
    typer.echo(f"{login} may try again" if was else f"{login} was not paused")


def _hand_over(login: str, tenant: str, code: str) -> None:
    base = Settings.from_environment(os.environ).base_url
    typer.echo(f"{login} sets a password with this code, once, within 24 hours:\n{code}")
    typer.echo(f"{base}/auth/start?tenant={tenant}#{code}")


def _understood(read: Callable[[str], Read], text: str) -> Read:
    try:
        return read(text)
    except FhirError as problem:
        raise RefusedError(str(problem)) from problem
