"""The simulator's command line: `python -m simulator --help`."""

import asyncio
import logging
import os
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import httpx
import orjson
import structlog
import typer

from simulator.demo.loopback_http import LoopbackServer
from simulator.demo.narrator import Narrator
from simulator.demo.run import Place, demonstrate
from simulator.fleet_order import FleetOrder, Part
from simulator.fleet_run import run_fleet, run_part
from simulator.hl7v2 import command as hl7v2
from simulator.phone_company.application import application as phone_application
from simulator.phone_company.exchange import Exchange
from simulator.phone_company.records import Account
from simulator.phone_company.smsc import Smsc
from simulator.scenarios import SCENARIOS
from simulator.virtual import run

app = typer.Typer(
    name="simulator",
    help="Homes, devices and a phone company that do not exist, for trying the server.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.registered_commands += hl7v2.app.registered_commands


def _quiet_logs() -> None:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(),
    )


@app.command()
def demo() -> None:
    """Start server, phone company and four homes, and tell the story until Ctrl-C.

    Environment: PORT (8080), DATA (./.data), MQTT_PORT (1883); every other setting of the server
    passes through.
    """
    _quiet_logs()
    try:
        place = Place.from_environment(os.environ)
    except ValueError as error:
        typer.echo(f"PORT and MQTT_PORT are numbers: {error}", err=True)
        raise typer.Exit(2) from error
    raise typer.Exit(asyncio.run(demonstrate(place, Narrator())))


@app.command()
def fleet(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    devices: Annotated[int, typer.Option(min=1, max=100_000, help="How many machines.")] = 10,
    rate: Annotated[float, typer.Option(min=0.01, max=50, help="Messages/s of each.")] = 1.0,
    seconds: Annotated[float, typer.Option(help="How long; 0 means until Ctrl-C.")] = 0.0,
    per_gateway: Annotated[
        int, typer.Option(min=0, max=250, help="Machines that share a connection; 0: none do.")
    ] = 0,
    processes: Annotated[int, typer.Option(min=1, max=64, help="Processes to run them in.")] = 1,
    start_within: Annotated[
        float, typer.Option(min=0, help="Start all treatments within so many seconds; 0: they run.")
    ] = 0.0,
    connect_within: Annotated[
        float, typer.Option(min=0, help="Connect over so many seconds; 0: as fast as it goes.")
    ] = 0.0,
    demo_json: Annotated[
        Path, typer.Option(help="demo.json of a running demonstration: base, mqtt, tokens.")
    ] = Path(".data/demo.json"),
    scenario: Annotated[
        str, typer.Option(help=f"What happens, in turn if several: {', '.join(SCENARIOS)}.")
    ] = "clean",
    at: Annotated[float, typer.Option(help="Seconds until the scenario starts.")] = 30.0,
    affected: Annotated[int, typer.Option(help="In how many homes; 0 means all.")] = 0,
    scale: Annotated[
        float, typer.Option(min=0.1, max=1000, help="How fast slow scenarios run.")
    ] = 1.0,
    cuff_every: Annotated[
        float, typer.Option(help="Seconds between cuff readings; 0 means no cuffs.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Fixes every number of the physiology.")] = 1,
) -> None:
    """Enrol many machines at a running server and let them treat."""
    _quiet_logs()
    wanted = tuple(scenario.split(","))
    unknown = sorted(set(wanted) - set(SCENARIOS))
    if unknown:
        typer.echo(f"no such scenario: {', '.join(unknown)}", err=True)
        raise typer.Exit(2)
    order = FleetOrder(
        devices=devices,
        rate=rate,
        seconds=seconds or None,
        per_gateway=per_gateway,
        processes=processes,
        start_within_s=start_within,
        connect_within_s=connect_within,
        scenarios=wanted,
        scenario_after_s=at,
        affected=affected or devices,
        scale=scale,
        cuff_every_s=cuff_every,
        seed=seed,
    )
    try:
        raise typer.Exit(asyncio.run(run_fleet(demo_json, order, typer.echo)))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


@app.command("fleet-part", hidden=True)
def fleet_part() -> None:
    """Run one process's part of a fleet, given on standard input."""
    _quiet_logs()
    part = Part.read(orjson.loads(sys.stdin.readline()))
    try:
        raise typer.Exit(asyncio.run(run_part(part, typer.echo)))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


@app.command()
def session(
    scenario: Annotated[str, typer.Argument(help="Its name or number.")] = "clean",
    seed: Annotated[int, typer.Option(help="Fixes the person and everything that happens.")] = 1,
    minutes: Annotated[float, typer.Option(min=1, help="Length of the treatment.")] = 240.0,
    at: Annotated[
        float, typer.Option(help="Onset, minutes after connecting; negative: drawn.")
    ] = -1.0,
    truth: Annotated[  # noqa: FBT002 - a flag of the command line
        bool, typer.Option("--truth", help="What a server owes, instead of the messages.")
    ] = False,
) -> None:
    """Write one treatment in virtual time as JSON lines: received, device, channel, body."""
    try:
        running = run(scenario, seed, minutes=minutes, at_min=at if at >= 0 else None)
    except KeyError as error:
        typer.echo(f"no such scenario: {scenario}", err=True)
        raise typer.Exit(2) from error
    out = sys.stdout.buffer
    for sent in running:
        if not truth:
            line = {"received": sent.received, "device": sent.eui64, "channel": sent.channel}
            body = sent.body
            line |= {"text": sent.payload.decode("latin-1")} if body is None else {"body": body}
            out.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
    if truth:
        told = {"truth": running.truth, "moments": running.moments, "person": running.person}
        out.write(orjson.dumps(told, float, orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


@app.command("phone-company")
def phone_company(
    port: Annotated[int, typer.Option(help="Loopback port; 0 takes a free one.")] = 0,
    account: Annotated[str, typer.Option(help="Account sid.")] = "AC0001",
    token: Annotated[str, typer.Option(help="Account token; a fresh one by default.")] = "",
    number: Annotated[str, typer.Option(help="The account's number.")] = "+12025550100",
    inbound: Annotated[str, typer.Option(help="URL that receives incoming messages.")] = "",
    smpp_port: Annotated[
        int, typer.Option(help="Be a message centre (SMPP 3.4) too, on this port; 0: do not.")
    ] = 0,
) -> None:
    """Run the fake phone company alone."""
    _quiet_logs()
    chosen = token or secrets.token_hex(4 if smpp_port else 16)
    with_token = Account(account, chosen, number)
    try:
        asyncio.run(_serve_phone_company(port, with_token, inbound or None, smpp_port))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


async def _serve_phone_company(
    port: int, account: Account, inbound: str | None, smpp_port: int
) -> None:
    async with httpx.AsyncClient(timeout=10.0) as http:
        exchange = Exchange(
            account,
            http,
            clock=lambda: datetime.now(UTC),
            identifier=lambda kind: f"{kind}{secrets.token_hex(16)}",
            inbound_url=inbound,
        )
        server = LoopbackServer(port)
        await server.start(phone_application(exchange))
        typer.echo(f"SMS_URL={server.url} SMS_ACCOUNT={account.sid} SMS_TOKEN={account.token}")
        smsc = Smsc(exchange) if smpp_port else None
        try:
            if smsc is not None:
                await smsc.start(smpp_port)
                typer.echo(f"or SMS_URL=smpp://127.0.0.1:{smpp_port}; messages go over that line")
            await asyncio.Event().wait()
        finally:
            if smsc is not None:
                await smsc.stop()
            await server.stop()
