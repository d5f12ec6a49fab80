"""The command `python -m simulator hl7v2`."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from simulator.hl7v2.play import EXPECTED, Order, enrol, play
from simulator.scenarios import SCENARIOS

app = typer.Typer(name="hl7v2", add_completion=False)


@app.command()
def hl7v2(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    receiver: Annotated[
        str, typer.Argument(help="host:port that listens for MLLP.")
    ] = "127.0.0.1:2575",
    scenario: Annotated[
        str, typer.Option(help=f"What happens: {', '.join(SCENARIOS)}.")
    ] = "needle-slip-graft",
    at: Annotated[float, typer.Option(min=0, help="Seconds until it happens.")] = 30.0,
    seconds: Annotated[float, typer.Option(min=1, help="How long to play.")] = 120.0,
    scale: Annotated[
        float, typer.Option(min=0.1, max=1000, help="How fast slow scenarios run.")
    ] = 1.0,
    cuff_every: Annotated[
        float, typer.Option(min=0, help="Seconds between cuff readings; 0: no cuff.")
    ] = 60.0,
    seed: Annotated[int, typer.Option(help="Fixes every number of the physiology.")] = 1,
    name: Annotated[
        str, typer.Option(help="The home: its ids and addresses are made of it.")
    ] = "hl7v2",
    demo_json: Annotated[
        Path, typer.Option(help="demo.json of a running demonstration: base and tokens.")
    ] = Path(".data/demo.json"),
    enrolled: Annotated[  # noqa: FBT002 - a flag of the command line
        bool,
        typer.Option("--enrolled", help="Patient and devices are in the record: write nothing."),
    ] = False,
) -> None:
    """Play a treatment over HL7 v2 (MLLP): readings as IHE PCD-01, alarms of the machine as PCD-04.

    Each device has a connection of its own and sends again, with the same MSH-10, what nobody answered. The server must
    listen: HL7_PORTS=2575=home make run. Ends with 1 when a message was refused or never answered.
    """
    host, _, port = receiver.rpartition(":")
    if not port.isdigit():
        raise typer.BadParameter(f"host:port, not {receiver}")
    if scenario not in SCENARIOS:
        raise typer.BadParameter(f"no such scenario: {scenario}")
    order = Order(name, scenario, at, seconds, scale, cuff_every, seed)
    if not enrolled:
        try:
            asyncio.run(enrol(demo_json, order))
        except EXPECTED as error:
            typer.echo(
                f"cannot enrol with {demo_json}: {str(error) or type(error).__name__}", err=True
            )
            raise typer.Exit(2) from error
    try:
        tally = asyncio.run(
            play((host or "127.0.0.1", int(port)), order, lambda: datetime.now(UTC), typer.echo)
        )
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    typer.echo(tally.line)
    if tally.refused or tally.unanswered:
        raise typer.Exit(1)
