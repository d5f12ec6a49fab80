"""The simulator's command line: `python -m simulator --help`."""

import asyncio
import logging
import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import httpx
import structlog
import typer

from simulator.demo.loopback_http import LoopbackServer
from simulator.demo.narrator import Narrator
from simulator.demo.run import Place, demonstrate
from simulator.phone_company.application import application as phone_application
from simulator.phone_company.exchange import Account, Exchange
from simulator.rehearsal import HomesOrder, run_homes
from simulator.scenarios import SCENARIOS

app = typer.Typer(
    name="simulator",
    help="Homes, devices and a phone company that do not exist, for trying the server.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


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
def homes(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    devices: Annotated[int, typer.Option(min=1, max=1000, help="How many machines.")] = 10,
    rate: Annotated[float, typer.Option(min=0.01, max=50, help="Messages/s of each.")] = 1.0,
    seconds: Annotated[float, typer.Option(help="How long; 0 means until Ctrl-C.")] = 0.0,
    demo_json: Annotated[
        Path, typer.Option(help="demo.json of a running demonstration: base, mqtt, tokens.")
    ] = Path(".data/demo.json"),
    scenario: Annotated[str, typer.Option(help=f"What happens: {', '.join(SCENARIOS)}.")] = "clean",
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
    order = HomesOrder(
        devices, rate, seconds or None, scenario, at, affected or devices, scale, cuff_every, seed
    )
    try:
        raise typer.Exit(asyncio.run(run_homes(demo_json, order, typer.echo)))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


@app.command("phone-company")
def phone_company(
    port: Annotated[int, typer.Option(help="Loopback port; 0 takes a free one.")] = 0,
    account: Annotated[str, typer.Option(help="Account sid.")] = "AC0001",
    token: Annotated[str, typer.Option(help="Account token; a fresh one by default.")] = "",
    number: Annotated[str, typer.Option(help="The account's number.")] = "+12025550100",
    inbound: Annotated[str, typer.Option(help="URL that receives incoming messages.")] = "",
) -> None:
    """Run the fake phone company alone."""
    _quiet_logs()
    chosen = token or secrets.token_hex(16)
    with_token = Account(account, chosen, number)
    try:
        asyncio.run(_serve_phone_company(port, with_token, inbound or None))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


async def _serve_phone_company(port: int, account: Account, inbound: str | None) -> None:
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
        try:
            await asyncio.Event().wait()
        finally:
            await server.stop()
