"""The command line for HL7 v2: ``python -m fhirserver hl7v2 --help``."""

import os
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from fhirserver.command_database import RefusedError
from fhirserver.kernel.ports import Transaction
from fhirserver.settings import Settings
from fhirserver.tenant_command import Tenant, in_tenant, message_shown, time_shown

app = typer.Typer(
    name="hl7v2",
    help="What interfaces sent over HL7 v2 and what became of it. Works while the server runs. What was refused is "
    "processed again by `fhirserver dead-letters replay --door hl7v2`.",
    no_args_is_help=True,
)
_MOST = 1000


@app.command(name="list")
def show_all(
    outcome: Annotated[str | None, typer.Option(help="Only accepted, partly or refused.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only those refused for this reason.")] = None,
    tenant: Tenant = "home",
) -> None:
    """List messages, the newest first: 1000 at most.

    partly: taken, but for measures that could not be read. ATTEMPTS: how often it was processed.
    """
    from fhirserver.store import hl7_messages  # noqa: PLC0415 - help and other commands start faster without

    typer.echo("ID\tRECEIVED\tKIND\tCONTROL ID\tSENDER\tOUTCOME\tREASON\tATTEMPTS")
    for one in in_tenant(
        tenant, lambda tx: hl7_messages.listed(tx, outcome=outcome, reason=reason, most=_MOST)
    ):
        fields = (
            str(one.id), time_shown(one.received), one.kind, one.control_id, one.sender, one.outcome, one.reason or "-",
            str(one.attempts),
        )  # fmt: skip
        typer.echo("\t".join(fields))


@app.command()
def show(
    message: Annotated[UUID, typer.Argument(help="Id of the message.")], tenant: Tenant = "home"
) -> None:
    """Print a message as it came in, and the report: what nobody read, what was answered, what was made of it.

    It may name a patient: an AuditEvent says that it was shown.
    """
    from fhirserver.store import hl7_messages  # noqa: PLC0415 - as above

    async def act(tx: Transaction) -> hl7_messages.Shown | None:
        found = await hl7_messages.shown(tx, message)
        if found is not None:
            tx.audit(message_shown(tx, f"hl7v2 {message}", found.patients))
        return found

    found = in_tenant(tenant, act)
    if found is None:
        raise RefusedError(f"there is no message {message}")
    one, raw, report = found.listed, found.raw, found.report
    typer.echo(f"{one.kind} {one.control_id} of {one.sender}: {one.outcome} {one.reason}")
    typer.echo(raw.decode("utf-8", "replace").replace("\r", "\n"))
    typer.echo(report.decode())


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="File with one message.", exists=True)],
) -> None:
    """Say what a message would become, without storing anything: with the mappings of HL7_SITE, and without a database."""
    from adapters.hl7v2 import second_reader  # noqa: PLC0415 - as above
    from adapters.hl7v2.routing import interpret  # noqa: PLC0415 - as above
    from adapters.hl7v2.sites import Peer  # noqa: PLC0415 - as above
    from fhirserver.hl7v2_side import site_of  # noqa: PLC0415 - as above
    from fhirserver.wire.hl7v2.charset import decode  # noqa: PLC0415 - as above
    from fhirserver.wire.hl7v2.delimiters import NotHl7  # noqa: PLC0415 - as above
    from fhirserver.wire.hl7v2.message import read  # noqa: PLC0415 - as above

    site = site_of(Settings.from_environment(os.environ))
    try:
        decoded = decode(file.read_bytes())
        message = read(decoded.text, decoded.codec)
    except NotHl7 as problem:
        raise RefusedError(f"not HL7 v2: {problem.reason}") from problem
    sender = site.sender_of(message.header, Peer("127.0.0.1"))
    if sender is None:
        typer.echo("AR: this sender is not known: describe it among the senders of HL7_SITE. Else:")
        sender = site.default
    found = interpret(message, sender, site.plans, guessed=decoded.guessed)
    typer.echo(f"{found.header.kind} {found.header.control_id} of sender {sender.name}")
    if found.refusal is not None:
        typer.echo(f"refused: {found.refusal.verdict}, {found.refusal.reason}")
    faults = () if found.refusal is None else found.refusal.faults
    for fault in (*faults, *found.report.warnings):
        typer.echo(f"{fault.severity} {fault.code} {fault.text} {fault.place or ''}")
    for report in found.devices:
        measures = ", ".join(report.told) or "nothing measured"
        typer.echo(f"device {report.address}: {measures}; {len(report.events)} alarms")
    for resource in () if found.mapped is None else found.mapped.resources:
        typer.echo(f"{resource.type} {resource.name} ({resource.mode})")
    typer.echo(f"not read: {', '.join(found.report.unread) or 'nothing'}")
    for place in second_reader.differences(decoded.text, message):
        typer.echo(f"another reader sees it otherwise: {place}")
