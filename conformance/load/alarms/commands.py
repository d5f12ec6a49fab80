"""The command `alarms`: reading in until the telephone company has the message."""

import asyncio
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from conformance.load import phone, server
from conformance.load.alarms.bursts import Bursts
from conformance.load.alarms.stages import Outcome, Stage, knee, official
from conformance.load.plan import Plan, Target

app = typer.Typer(name="alarms", add_completion=False)
FAILED: Final = 1
VALUES: Final = 12
# How often a device speaks in the steady part, where nothing else is asked for (seconds).
_EVERY_S: Final = 2.0
_KNEE_FACTOR: Final = 1.3
_KNEE_STEPS: Final = 12


@app.command()
def alarms(  # noqa: PLR0913 - one parameter per option
    *,
    rate: Annotated[float, typer.Option(help="Messages of 12 values a second, steady.")] = 200.0,
    seconds: Annotated[float, typer.Option(help="How long each stage lasts.")] = 60.0,
    sessions: Annotated[
        int, typer.Option(help="Treatments that begin within one stage; 0 leaves it out.")
    ] = 1000,
    find_knee: Annotated[
        bool,
        typer.Option("--knee", help="Afterwards raise the rate until the server is left behind."),
    ] = False,
    knee_seconds: Annotated[float, typer.Option(help="How long each rate of the knee.")] = 15.0,
    base: Annotated[
        str, typer.Option(help="FHIR base URL; a fresh server of ours without one.")
    ] = "",
    mqtt: Annotated[str, typer.Option(help="host:port of its broker.")] = "",
    token: Annotated[str, typer.Option(help="An administrator's bearer token.")] = "",
    company: Annotated[
        str, typer.Option("--phone", help="URL of the telephone company it sends through.")
    ] = "",
    report: Annotated[
        Path | None, typer.Option("--report", help="Write the figures here (JSON).")
    ] = None,
) -> None:
    """Time from a reading to the text message: steady, in a threefold burst, at a mass start.

    Promised: 99 of 100 within 2 s at the steady rate; in the burst alarm events within 5 s and the
    backlog gone within 120 s with every patient told; nobody delayed beyond that by a thousand
    sessions that begin in a minute. Ends with exit code 1 when a promise is broken.
    """
    stages = official(rate, seconds, sessions)
    search = knee(rate, _KNEE_FACTOR, knee_seconds, _KNEE_STEPS) if find_knee else []
    with _target(base, mqtt, token, company) as target:
        outcomes = asyncio.run(_run(target, stages, until_knee=False))
        searched = asyncio.run(_run(target, search, until_knee=True)) if search else []
    figures = {
        "stages": [one.as_json() for one in outcomes],
        "knee": _knee(searched),
        "kept": not any(one.broken for one in outcomes),
    }
    typer.echo(json.dumps(figures, indent=1))
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(json.dumps(figures, indent=2) + "\n")
    if not figures["kept"]:
        raise typer.Exit(FAILED)


async def _run(target: Target, stages: Sequence[Stage], *, until_knee: bool) -> list[Outcome]:
    troubles = sum(stage.troubles for stage in stages)
    slowest = min(stage.messages_per_s for stage in stages)
    treating = max(troubles, int(slowest * _EVERY_S), 1)
    devices = treating + sum(stage.joining for stage in stages)
    total_s = sum(stage.seconds for stage in stages)
    plan = Plan(
        devices=devices,
        rate=devices * VALUES / _EVERY_S,
        seconds=total_s,
        values=VALUES,
        # A person more than needed: a rounded-down share must not leave the last one without.
        breaches_per_second=(troubles + 0.5) / total_s,
    )
    return await Bursts(plan, target, typer.echo).run_stages(stages, until_knee=until_knee)


def _knee(searched: Sequence[Outcome]) -> dict[str, Any] | None:
    """Return the largest rate that was carried and the first that was not."""
    if not searched:
        return None
    carried = [one.stage.messages_per_s for one in searched if one.carried]
    left = [one.stage.messages_per_s for one in searched if not one.carried]
    return {
        "carried_messages_per_s": round(max(carried), 1) if carried else None,
        "not_carried_messages_per_s": round(min(left), 1) if left else None,
        "rates": [one.as_json() for one in searched],
    }


@contextmanager
def _target(base: str, mqtt: str, token: str, company: str) -> Iterator[Target]:
    """Return the server that is given, or a fresh one with a telephone company of its own."""
    if base:
        if not (mqtt and token and company):
            raise typer.BadParameter("--base needs --mqtt, --token and --phone")
        host, _, port = mqtt.rpartition(":")
        yield Target(base, (host or "127.0.0.1", int(port)), token, company)
        return
    with ExitStack() as stack:
        account = phone.Account.fresh()
        url = stack.enter_context(phone.running(account, answer_after_s=None))
        data = server.fresh_data()
        stack.callback(shutil.rmtree, data)
        running = stack.enter_context(server.running(account.settings(url), data=data))
        place = running.place
        yield Target(place.base, place.mqtt, place.admin_token(), url, running.pid)
