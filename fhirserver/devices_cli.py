"""The command line for devices: ``python -m fhirserver devices --help``."""

from typing import Annotated

import typer

from fhirserver.command_database import RefusedError
from fhirserver.tenant_command import Tenant, in_tenant, time_shown

app = typer.Typer(
    name="devices",
    help="Which devices the broker lets in. Works while the server runs.",
    no_args_is_help=True,
)


@app.command(name="list")
def show_all(tenant: Tenant = "home") -> None:
    """List every enrolled device: its address in topics, since when, whether revoked, when it was last heard.

    A gateway shows how many devices it speaks for.
    """
    from fhirserver.store import device_access  # noqa: PLC0415 - help and other commands start faster without

    typer.echo("DEVICE\tADDRESS\tENROLLED\tREVOKED\tLAST HEARD\tBEHIND")
    for one in in_tenant(tenant, device_access.listed_devices):
        times = (one.enrolled, one.revoked, one.last_heard)
        typer.echo("\t".join([one.device, one.address, *map(time_shown, times), str(one.behind)]))


@app.command()
def revoke(
    device: Annotated[str, typer.Argument(help="Id of the Device.")], tenant: Tenant = "home"
) -> None:
    """Shut a device out, alone or behind a gateway: its connection ends within seconds, its messages count no more.

    Enrolling it again ($enroll) gives it new credentials.
    """
    from fhirserver.store import device_access  # noqa: PLC0415 - as above

    if not in_tenant(tenant, lambda tx: device_access.revoke_device(tx, device)):
        raise RefusedError(f"Device {device!r} is not enrolled")
    typer.echo(f"Device {device} is revoked")
