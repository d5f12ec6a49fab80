"""The commands `crud`, `read`, `import` and `search`: they measure any FHIR server at a base URL."""

import json
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import uvloop

from conformance.load import processes
from conformance.load.rest.clients import Measured, UnexpectedError
from conformance.load.rest.crud import crud
from conformance.load.rest.http import Target
from conformance.load.rest.importing import import_population
from conformance.load.rest.read import read
from conformance.load.rest.searching import TELEMETRY, prepare, search

app = typer.Typer(
    name="rest",
    help="Loads on the FHIR API of any server.",
    no_args_is_help=True,
    add_completion=False,
)
EXPECTED: Final = (UnexpectedError,)

Base = Annotated[str, typer.Option(help="FHIR base URL, http://host:port/fhir.")]
Token = Annotated[str, typer.Option(help="Bearer token, where the server wants one.")]
Data = Annotated[
    Path | None,
    typer.Option(
        help="DATA of a server of ours: its admin token, and processor time of its processes."
    ),
]
Clients = Annotated[int, typer.Option(help="Clients that send as fast as they are answered.")]
Seconds = Annotated[float, typer.Option(help="How long to measure.")]
ReportFile = Annotated[Path | None, typer.Option("--report", help="Write the figures here (JSON).")]


@app.command(name="crud")
def crud_command(
    base: Base,
    token: Token = "",
    data: Data = None,
    clients: Clients = 64,
    seconds: Seconds = 60.0,
    report: ReportFile = None,
) -> None:
    """Create, read, update and delete nine types, a quarter each."""
    target = _target(base, token, data)
    _measure("crud", clients, crud(target, clients=clients, seconds=seconds), data, report)


@app.command(name="read")
def read_command(
    base: Base,
    token: Token = "",
    data: Data = None,
    clients: Clients = 32,
    seconds: Seconds = 30.0,
    resources: Annotated[int, typer.Option(help="Observations to make and read.")] = 2000,
    report: ReportFile = None,
) -> None:
    """Read resources by id."""
    target = _target(base, token, data)
    work = read(target, clients=clients, seconds=seconds, resources=resources)
    _measure("read", clients, work, data, report)


@app.command(name="import")
def import_command(
    base: Base,
    token: Token = "",
    data: Data = None,
    clients: Clients = 4,
    patients: Annotated[int, typer.Option(help="Patients, 114 resources each.")] = 1000,
    first: Annotated[int, typer.Option(help="Number of the first patient.")] = 0,
    report: ReportFile = None,
) -> None:
    """Store a synthetic population by transaction bundles of 570 entries."""
    target = _target(base, token, data)
    work = import_population(target, patients=patients, clients=clients, first=first, say=print)
    _measure("import", clients, work, data, report)


@app.command(name="search")
def search_command(
    base: Base,
    token: Token = "",
    data: Data = None,
    clients: Clients = 30,
    seconds: Seconds = 60.0,
    patients: Annotated[int, typer.Option(help="How many patients `import` has stored.")] = 1000,
    report: ReportFile = None,
) -> None:
    """Run the reference search set over what `import` has stored; every count is checked first."""
    target = _target(base, token, data)
    wanted = uvloop.run(prepare(target, patients=patients, say=print))
    work = search(target, wanted, clients=clients, seconds=seconds)
    _measure("search", clients, work, data, report)
    newest = search(target, wanted, clients=clients, seconds=seconds / 4, kind=TELEMETRY)
    _measure("search newest", clients, newest, data, None)


def _target(base: str, token: str, data: Path | None) -> Target:
    if not token and data is not None:
        token = (data / "admin.token").read_text().strip()
    target = Target(base.rstrip("/"), token)
    try:
        _ = target.address
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return target


def measure_all(
    base: str, token: str, data: Path, *, patients: int, seconds: float
) -> list[dict[str, Any]]:
    """Run every load one after the other, `import` before `search`, and return the figures of each."""
    target = _target(base, token, data)
    figures = [
        _measure("crud", clients, crud(target, clients=clients, seconds=seconds), data, None)
        for clients in (16, 32, 64, 300)
    ]
    reading = read(target, clients=32, seconds=seconds, resources=2000)
    figures.append(_measure("read", 32, reading, data, None))
    storing = import_population(target, patients=patients, clients=4, say=print)
    figures.append(_measure("import", 4, storing, data, None))
    wanted = uvloop.run(prepare(target, patients=patients, say=print))
    searching = search(target, wanted, clients=30, seconds=2 * seconds)
    figures.append(_measure("search", 30, searching, data, None))
    newest = search(target, wanted, clients=8, seconds=seconds, kind=TELEMETRY)
    figures.append(_measure("search newest", 8, newest, data, None))
    return figures


def _measure(
    name: str,
    clients: int,
    work: Coroutine[Any, Any, Measured],
    data: Path | None,
    report: Path | None,
) -> dict[str, Any]:
    """Run `work`, print, write and return its figures with processor time by process."""
    meter = None if data is None else processes.Meter(processes.server_pid(data))
    if meter is not None:
        meter.start()
    own = time.process_time()
    measured = uvloop.run(work)
    own = time.process_time() - own
    figures = {"name": name, "clients": clients, **measured.as_json()}
    if measured.units:
        figures["resources"] = measured.units
        figures["resources_per_s"] = round(measured.units / measured.seconds, 1)
    if meter is not None:
        used = {purpose: usage.cpu_s for purpose, usage in meter.usage().items()}
        operations = max(measured.units or measured.requests, 1)
        figures["cpu_us_per_operation"] = {
            purpose: round(cpu_s * 1e6 / operations)
            for purpose, cpu_s in {**used, processes.OURSELVES: own}.items()
        }
    print(json.dumps(figures, indent=1))
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(json.dumps(figures, indent=2) + "\n")
    return figures
