"""`python -m conformance.load`: measure a server from outside. `--help` explains each command."""

import asyncio
import json
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import psycopg
import typer

from conformance.load import bench as documented
from conformance.load import phone as telephones
from conformance.load import processes, raw_copy, report, server
from conformance.load.access import commands as access
from conformance.load.alarms import commands as alarms
from conformance.load.hl7v2 import commands as hl7v2
from conformance.load.homes import SetupError
from conformance.load.ingest import Load
from conformance.load.plan import Plan, PlanError, Target
from conformance.load.rest import commands as rest
from conformance.load.server import ServerError
from conformance.load.subscriptions import commands as subscriptions
from conformance.load.subscriptions import fanout
from conformance.load.subscriptions import matching as subscription_matching
from conformance.record import Refusal

FAILED: Final = 1
REFUSED: Final = 2
COPY_SECONDS: Final = 8.0
EXPECTED: Final = (
    SetupError, PlanError, ServerError, Refusal, OSError, httpx.HTTPError, *rest.EXPECTED,
    *subscriptions.EXPECTED, *access.EXPECTED, *hl7v2.EXPECTED,
)  # fmt: skip

app = typer.Typer(
    name="conformance.load",
    help="Puts load on a server from outside and measures what it makes of it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (
    alarms.app,
    rest.app,
    subscriptions.app,
    fanout.app,
    subscription_matching.app,
    access.app,
    hl7v2.app,
):
    app.registered_commands += group.registered_commands

Devices = Annotated[int, typer.Option(help="Machines, each with a patient and a connection.")]
Rate = Annotated[
    float, typer.Option(help="Observations a second over all devices; 0: as fast as acknowledged.")
]
Seconds = Annotated[float, typer.Option(help="How long to publish.")]
Values = Annotated[int, typer.Option(help="Quantities a sample.")]
Samples = Annotated[int, typer.Option(help="Samples a message.")]
Breaches = Annotated[
    float,
    typer.Option(
        "--breaches-per-second", help="Patients getting into trouble a second (each once)."
    ),
]
Window = Annotated[int, typer.Option(help="With rate 0: messages a device keeps unacknowledged.")]
Drain = Annotated[float, typer.Option(help="Seconds to wait for acknowledgements at the end.")]
Verify = Annotated[int, typer.Option(help="Patients to read back completely by search.")]
Most = Annotated[int, typer.Option("--most", help="Never publish more observations than this.")]
ReportFile = Annotated[Path | None, typer.Option("--report", help="Write the figures here (JSON).")]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(help="Database (superuser) for the ratio to a raw COPY of the same rows."),
]
RawCopy = Annotated[
    bool, typer.Option("--raw-copy", help="The same, with the embedded database of --data.")
]
Data = Annotated[
    Path | None,
    typer.Option(help="The server's DATA: admin token, process id, embedded database."),
]


@app.command()
def ingest(  # noqa: PLR0913 - one parameter per option
    *,
    base: Annotated[str, typer.Option(help="FHIR base URL, http://host:port/fhir.")] = "",
    mqtt: Annotated[str, typer.Option(help="host:port of the broker.")] = "",
    devices: Devices = 400,
    rate: Rate = 4800.0,
    seconds: Seconds = 60.0,
    values: Values = 12,
    samples: Samples = 1,
    breaches: Breaches = 0.0,
    window: Window = 4,
    drain: Drain = 60.0,
    verify: Verify = 3,
    most: Most = 5_000_000,
    phone: Annotated[
        str, typer.Option(help="URL of the telephone company the server sends through.")
    ] = "",
    token: Annotated[str, typer.Option(help="An administrator's bearer token.")] = "",
    demo_file: Annotated[
        Path | None, typer.Option(help="DATA/demo.json of a running demonstration.")
    ] = None,
    data: Data = None,
    pid: Annotated[int, typer.Option(help="The server's process id, for CPU and memory.")] = 0,
    database_url: DatabaseUrl = None,
    raw: RawCopy = False,
    report_file: ReportFile = None,
) -> None:
    """Publish device readings over MQTT and time what the server does with them.

    Makes its own patients, machines and bindings by REST (new ones each run). Ends with exit code 1
    when a message was lost, a count is wrong or somebody was not told.
    """
    try:
        plan = Plan(
            devices=devices,
            rate=rate,
            seconds=seconds,
            values=values,
            samples=samples,
            breaches_per_second=breaches,
            window=window,
            drain_s=drain,
            verified=verify,
            most_observations=most,
        )
        target = _target(_Given(base, mqtt, phone, token, pid, demo_file, data))
    except (ValueError, OSError, KeyError) as error:
        raise typer.BadParameter(str(error)) from error
    url = database_url
    if url is None and raw and data is not None:
        url = raw_copy.embedded_url(data)
    figures = run_load("ingest", plan, target, url)
    if report_file is not None:
        write_report(report_file, [figures])
    if not figures["passed"]:
        raise typer.Exit(FAILED)


@app.command()
def phone(
    port: Annotated[int, typer.Option(help="Port on loopback; 0 takes a free one.")] = 0,
    answer_after: Annotated[
        float, typer.Option(help="Seconds until people answer an alarm; below 0 they never do.")
    ] = 1.0,
) -> None:
    """Run the telephone company: prints the settings a server needs to send through it."""
    account = telephones.Account.fresh()
    after = answer_after if answer_after >= 0 else None
    with telephones.running(account, port=port, answer_after_s=after) as url:
        for name, value in account.settings(url).items():
            print(f"export {name}={value}")
        print(f"# the telephone company listens on {url}; Ctrl-C ends it", flush=True)
        _until_signal()


@app.command(
    name="server",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def run_server(
    context: typer.Context,
    data: Annotated[
        Path | None, typer.Option(help="DATA; a new one that is deleted afterwards by default.")
    ] = None,
    port: Annotated[int, typer.Option(help="HTTP port; 0 takes a free one.")] = 0,
    mqtt_port: Annotated[int, typer.Option(help="MQTT port; 0 takes a free one.")] = 0,
) -> None:
    """Start a server and a telephone company, run `ingest` against them, stop both.

    Further options are those of `ingest`: server --devices 100 --rate 1200 --seconds 20
    """
    with _environment(data, port, mqtt_port) as running:
        place = running.server.place
        arguments = [
            "ingest",
            *("--base", place.base),
            *("--mqtt", f"{place.mqtt[0]}:{place.mqtt[1]}"),
            *("--data", str(place.data)),
            *("--phone", running.phone),
            *context.args,
        ]
        code = app(arguments, standalone_mode=False)
    if code:
        raise typer.Exit(int(code))


@app.command()
def bench(
    *,
    report_file: Annotated[
        Path, typer.Option("--report", help="Where the figures go (JSON).")
    ] = Path("docs/benchmarks.json"),
    quick: Annotated[
        bool, typer.Option("--quick", help="A tenth of the time: to see that it works.")
    ] = False,
) -> None:
    """Run the documented benchmark on a fresh server and write its figures."""
    figures: list[dict[str, Any]] = []
    with _environment(None, 0, 0) as running:
        place = running.server.place
        print(f"ready after {running.ready_s:.1f} s", flush=True)
        target = Target(
            place.base, place.mqtt, place.admin_token(), running.phone, running.server.pid
        )
        for step in documented.steps(quick=quick):
            print(f"\n{step.name}: {step.purpose}", flush=True)
            stored = sum(one["observations_stored_in_run"] for one in figures)
            url = raw_copy.embedded_url(place.data) if step.raw_copy else None
            figures.append(
                run_load(step.name, step.plan, target, url)
                | {"purpose": step.purpose, "observations_stored_before": stored}
            )
            write_report(report_file, figures, {"ready_s": round(running.ready_s, 1)})
    if not all(one["passed"] for one in figures):
        raise typer.Exit(FAILED)


@app.command(name="bench-fhir")
def bench_fhir(
    *,
    report_file: Annotated[
        Path, typer.Option("--report", help="Where the figures go (JSON).")
    ] = Path("docs/benchmarks-fhir.json"),
    patients: Annotated[
        int, typer.Option(help="Patients to import and search: 114 resources each.")
    ] = 10_000,
    seconds: Annotated[float, typer.Option(help="How long each load lasts.")] = 30.0,
) -> None:
    """Run crud, read, import and search against a fresh server and write their figures."""
    with _environment(None, 0, 0) as running:
        place = running.server.place
        figures = rest.measure_all(
            place.base, place.admin_token(), place.data, patients=patients, seconds=seconds
        )
    write_report(report_file, figures)


def run_load(name: str, plan: Plan, target: Target, database_url: str | None) -> dict[str, Any]:
    """Run one load, compare it with a raw COPY when a database is given, print and return all."""
    result = asyncio.run(Load(plan, target, say).run())
    raw = None
    if database_url is not None:
        say("  copying the same rows straight into the database")
        raw = _copied(database_url, target)
    figures = report.as_json(name, plan, result, raw)
    print(report.as_text(figures), flush=True)
    return figures


def _copied(database_url: str, target: Target) -> raw_copy.RawCopy | None:
    cpu: Callable[[], float] | None = None
    if target.pid is not None:
        meter = processes.Meter(target.pid)
        meter.start()
        cpu = partial(meter.cpu, processes.POSTGRES)
    try:
        return raw_copy.measure(database_url, batch=None, seconds=COPY_SECONDS, cpu=cpu)
    except (psycopg.Error, ValueError) as error:
        say(f"  no raw copy: {error}")
        return None


def write_report(
    path: Path, runs: list[dict[str, Any]], more: dict[str, Any] | None = None
) -> None:
    """Write the figures of `runs`, with the command that made them."""
    command = ["python", "-m", "conformance.load", *sys.argv[1:]]
    content = {"command": " ".join(command), **(more or {}), "runs": runs}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n")


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


@dataclass(frozen=True, slots=True)
class _Given:
    base: str
    mqtt: str
    phone: str
    token: str
    pid: int
    demo_file: Path | None
    data: Path | None


def _target(given: _Given) -> Target:
    """Return where to aim; raises ValueError, OSError or KeyError when something is missing."""
    demo: dict[str, Any] = {}
    data = given.data
    if given.demo_file is not None:
        demo = json.loads(given.demo_file.read_text())
        data = data or given.demo_file.parent
    token = given.token or demo.get("tokens", {}).get("admin", "")
    if not token and data is not None:
        token = (data / "admin.token").read_text().strip()
    base = given.base or demo.get("base", "")
    address = given.mqtt or demo.get("mqtt", "")
    if not (base and address and token):
        raise ValueError(
            "give --base, --mqtt and --token (or --data), or --demo-file of a demonstration"
        )
    pid = given.pid or (processes.server_pid(data) if data is not None else 0)
    host, _, port = address.rpartition(":")
    phone_url = given.phone or demo.get("phone") or None
    return Target(base, (host or "127.0.0.1", int(port)), token, phone_url, pid or None)


@dataclass(frozen=True, slots=True)
class _Running:
    server: server.Server
    phone: str
    ready_s: float


@contextmanager
def _environment(data: Path | None, port: int, mqtt_port: int) -> Any:
    """Run a telephone company and a server; a DATA made here is deleted afterwards."""
    with ExitStack() as stack:
        account = telephones.Account.fresh()
        url = stack.enter_context(telephones.running(account))
        place = data
        if place is None:
            place = server.fresh_data()
            stack.callback(shutil.rmtree, place)
        place.mkdir(parents=True, exist_ok=True)
        say(f"starting a server on {place}")
        begun = time.monotonic()
        running = stack.enter_context(
            server.running(account.settings(url), data=place, port=port, mqtt_port=mqtt_port)
        )
        yield _Running(running, url, time.monotonic() - begun)


def _until_signal() -> None:
    over = threading.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: over.set())
    over.wait()


def main(run: Callable[[], object] = app) -> None:
    """Run the command line; what may go wrong outside is printed without a traceback."""
    try:
        run()
    except EXPECTED as error:
        print(error, file=sys.stderr)
        raise SystemExit(REFUSED) from error
    except ExceptionGroup as group:
        expected, others = group.split(EXPECTED)
        if others is not None or expected is None:
            raise
        print("\n".join({str(one): None for one in expected.exceptions}), file=sys.stderr)
        raise SystemExit(REFUSED) from group


if __name__ == "__main__":
    main()
