"""The command line for what no door could process: ``python -m fhirserver dead-letters --help``."""

from typing import Annotated
from uuid import UUID

import typer

from fhirserver.command_database import RefusedError
from fhirserver.kernel.ports import Transaction
from fhirserver.tenant_command import Tenant, in_tenant, message_shown, time_shown

app = typer.Typer(
    name="dead-letters",
    help="What no door could process, of MQTT and HL7 v2: why, how often, and processing it again. "
    "Works while the server runs.",
    no_args_is_help=True,
)

Door = Annotated[str | None, typer.Option(help="Only of this door: mqtt or hl7v2.")]
Source = Annotated[str | None, typer.Option(help="Only of this sender.")]
Reason = Annotated[str | None, typer.Option(help="Only those with this reason.")]
_MOST = 1000


@app.command()
def count(tenant: Tenant = "home") -> None:
    """Count them by door, sender and reason, those that were replayed left out."""
    from fhirserver.store import dead_letters  # noqa: PLC0415 - help and other commands start faster without

    typer.echo("DOOR\tSOURCE\tREASON\tCOUNT\tLAST")
    for one in in_tenant(tenant, dead_letters.counted):
        fields = (one.door, one.source, one.reason, str(one.count), time_shown(one.last))
        typer.echo("\t".join(fields))


@app.command(name="list")
def show_all(
    door: Door = None,
    source: Source = None,
    reason: Reason = None,
    tenant: Tenant = "home",
    *,
    replayed: Annotated[bool, typer.Option(help="Also those that were replayed.")] = False,
) -> None:
    """List them, the oldest first: 1000 at most."""
    from fhirserver.store import dead_letters  # noqa: PLC0415 - as above

    wanted = dead_letters.Wanted(door, source, reason, is_open=not replayed)
    typer.echo("ID\tRECEIVED\tDOOR\tSOURCE\tKIND\tREASON\tPARTS\tREPLAYED")
    for one in in_tenant(tenant, lambda tx: dead_letters.listed(tx, wanted, _MOST)):
        fields = (
            str(one.id), time_shown(one.received), one.door, one.source, one.kind or "-", one.reason,
            ",".join(one.parts) or "-", time_shown(one.replayed),
        )  # fmt: skip
        typer.echo("\t".join(fields))


@app.command()
def show(
    letter: Annotated[UUID, typer.Argument(help="Id of the letter.")], tenant: Tenant = "home"
) -> None:
    """Print a letter with the message as it came in. It may name a patient: an AuditEvent says that it was shown."""
    from fhirserver.store import dead_letters  # noqa: PLC0415 - as above

    async def act(tx: Transaction) -> tuple[dead_letters.Listed, bytes] | None:
        found = await dead_letters.shown(tx, letter)
        if found is not None:
            tx.audit(message_shown(tx, f"dead-letter {letter}"))
        return found

    found = in_tenant(tenant, act)
    if found is None:
        raise RefusedError(f"there is no dead letter {letter}")
    one, raw = found
    typer.echo(f"{one.door} {one.source} {one.kind or '-'}: {one.reason} {','.join(one.parts)}")
    typer.echo(raw.decode("utf-8", "replace").replace("\r", "\n"))


@app.command()
def replay(
    door: Door = None, source: Source = None, reason: Reason = None, tenant: Tenant = "home"
) -> None:
    """Process them again, oldest first, 1000 at most: after a mapping, a unit or an enrolment was mended.

    What is stored is judged by its own times and pages nobody for what is long over. Nothing is stored twice: of a
    message that was taken in part, only the rest is. What is refused again stays.
    """
    from fhirserver import replaying  # noqa: PLC0415 - as above

    done = replaying.replay_letters(tenant, door, source, reason)
    typer.echo(f"{done.taken} taken, {done.refused} refused again, {done.left} cannot be replayed")
