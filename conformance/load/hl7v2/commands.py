"""The command `hl7v2`: PCD-01 over MLLP, timed until it is acknowledged, and read back."""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
import uvloop

from conformance.load import server
from conformance.load.hl7v2.line import UnansweredError
from conformance.load.hl7v2.load import Wanted, measure
from conformance.load.hl7v2.snapshot import MOST_LINES

FAILED: Final = 1
EXPECTED: Final = (UnansweredError,)

app = typer.Typer(name="hl7v2", add_completion=False)


@dataclass(frozen=True, slots=True)
class _Place:
    base: str
    token: str
    address: tuple[str, int]
    pid: int | None


@app.command()
def hl7v2(  # noqa: PLR0913 - one parameter per option
    *,
    connections: Annotated[
        int, typer.Option(min=1, help="Machines, each with a patient and a connection.")
    ] = 50,
    seconds: Annotated[float, typer.Option(help="How long to send.")] = 20.0,
    rate: Annotated[
        float, typer.Option(help="Messages a second over all connections; 0: as fast as answered.")
    ] = 0.0,
    obx: Annotated[int, typer.Option(min=2, max=MOST_LINES, help="OBX a message.")] = 20,
    verify: Annotated[
        int, typer.Option(help="Homes to read back value by value; the others by one measure.")
    ] = 3,
    base: Annotated[str, typer.Option(help="FHIR base URL; a fresh server without one.")] = "",
    mllp: Annotated[str, typer.Option(help="host:port it listens on for HL7 v2.")] = "",
    token: Annotated[str, typer.Option(help="An administrator's bearer token.")] = "",
    report: Annotated[
        Path | None, typer.Option("--report", help="Write the figures here (JSON).")
    ] = None,
) -> None:
    """Send PCD-01 over MLLP, each committed before it is acknowledged, and read everything back.

    Every connection waits for the answer before it sends the next message, as interfaces do. Ends with exit code 1 when
    a message was refused, lost or stored twice.
    """
    wanted = Wanted(connections, seconds, rate, obx, verify)
    with _place(base, mllp, token, connections) as place:
        figures = uvloop.run(
            measure(place.base, place.token, place.address, wanted, place.pid, typer.echo)
        )
    typer.echo(json.dumps(figures, indent=1))
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(json.dumps(figures, indent=2) + "\n")
    if not figures["passed"]:
        raise typer.Exit(FAILED)


@contextmanager
def _place(base: str, mllp: str, token: str, connections: int) -> Iterator[_Place]:
    """Return the server that is given, or a fresh one."""
    if base:
        host, _, port = mllp.rpartition(":")
        if not (port.isdigit() and token):
            raise typer.BadParameter("--base needs --mllp host:port and --token")
        yield _Place(base, token, (host or "127.0.0.1", int(port)), None)
        return
    with ExitStack() as stack:
        data = server.fresh_data()
        stack.callback(shutil.rmtree, data)
        port_of = server.free_port()
        site = data / "hl7v2"
        site.mkdir()
        (site / "senders.yaml").write_text("senders: [{name: machines}]\n")
        settings = {
            "HL7_PORTS": f"{port_of}=home",
            "HL7_SITE": str(site),
            "HL7_CONNECTIONS": str(connections + 10),
            "HL7_CONNECTIONS_PEER": str(connections + 10),
            "SYNTHETIC_SECONDS": "0",
        }
        running = stack.enter_context(server.running(settings, data=data))
        place = running.place
        yield _Place(place.base, place.admin_token(), ("127.0.0.1", port_of), running.pid)
