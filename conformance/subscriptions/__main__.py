"""`python -m conformance.subscriptions`: are a server's Subscriptions what the Backport guide asks for?

`... history` starts a server of its own, hurts it by dice and holds what receivers heard against its event log.
Exit code 0: nothing that is a SHALL failed. 1: something did. 2: the run could not be made.
"""

import asyncio
import json
import random
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from conformance.subscriptions.check import Result, conforms
from conformance.subscriptions.mortal_server import a_server, suffer
from conformance.subscriptions.ordeal import planned
from conformance.subscriptions.scene import PATIENCE_SECONDS, Given
from conformance.subscriptions.schedule import Cast
from conformance.subscriptions.tester import CHECKS, Listen, examine

FAILED: Final = 1
REFUSED: Final = 2
_MARKS: Final = {"passed": "ok  ", "failed": "FAIL", "skipped": "skip"}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def check(  # noqa: PLR0913 - one parameter per option
    context: typer.Context,
    *,
    base: Annotated[str, typer.Option(help="FHIR base URL, http://host:port/fhir.")] = "",
    token: Annotated[str, typer.Option(help="Bearer token, where the server wants one.")] = "",
    topic: Annotated[str, typer.Option(help="Topic to subscribe to; found by itself.")] = "",
    trigger: Annotated[
        Path | None,
        typer.Option(
            help="JSON of a resource that fires the topic; {{patient}} is the patient's id."
        ),
    ] = None,
    patient: Annotated[str, typer.Option(help="Patient to write about; made by itself.")] = "",
    listen: Annotated[str, typer.Option(help="host:port the receiver listens on.")] = "127.0.0.1:0",
    receiver_url: Annotated[
        str, typer.Option(help="How the server reaches the receiver, when otherwise.")
    ] = "",
    only: Annotated[list[str] | None, typer.Option(help="Run these checks alone.")] = None,
    patience: Annotated[
        float, typer.Option(help="Seconds a check waits for what must come.")
    ] = PATIENCE_SECONDS,
    list_checks: Annotated[bool, typer.Option("--list", help="List the checks.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write the report here (JSON).")] = None,
) -> None:
    """Check a server's Subscriptions from outside; makes a Patient and Subscriptions, and removes these.

    The server must be allowed to send to the receiver: with this product, ALLOW_INSECURE_ENDPOINTS=1.
    """
    if context.invoked_subcommand is not None:
        return
    if list_checks:
        for one in CHECKS:
            print(f"{one.level:6} {one.name:30} {one.requirement}")
        return
    if not base:
        raise typer.BadParameter("give --base")
    host, _, port = listen.rpartition(":")
    try:
        body: dict[str, Any] | None = json.loads(trigger.read_text()) if trigger else None
        place = Listen(host or "127.0.0.1", int(port), receiver_url or None)
        examined = asyncio.run(
            examine(
                base,
                token,
                given=Given(topic, patient, body),
                listen=place,
                only=only or [],
                patience=patience,
                told=_told,
            )
        )
    except (ValueError, OSError) as problem:
        print(problem, file=sys.stderr)
        raise typer.Exit(REFUSED) from problem
    found = examined.as_json()
    print(
        f"\n{found['passed']} passed, {found['failed']} failed, {found['skipped']} skipped "
        f"on topic {found['topic']}"
    )
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(json.dumps(found, indent=2) + "\n")
    if not conforms(examined.results):
        raise typer.Exit(FAILED)


@app.command()
def history(  # noqa: PLR0913 - one parameter per option
    *,
    seeds: Annotated[int, typer.Option(help="How many schedules to play.")] = 20,
    seed: Annotated[int | None, typer.Option(help="The first seed; by chance otherwise.")] = None,
    seconds: Annotated[float, typer.Option(help="How long each lasts.")] = 12.0,
    kills: Annotated[int, typer.Option(help="Delivering processes killed -9 in each.")] = 4,
    api_kills: Annotated[int, typer.Option(help="Answering processes killed -9 in each.")] = 1,
    freezes: Annotated[
        int, typer.Option(help="Processes stopped for longer than a lease in each.")
    ] = 1,
    restarts: Annotated[int, typer.Option(help="Restarts of the whole server in each.")] = 1,
    edits: Annotated[int, typer.Option(help="Edits of a Subscription in each.")] = 6,
    report: Annotated[Path | None, typer.Option(help="Write the report here (JSON).")] = None,
) -> None:
    """Play random schedules of writes, failing receivers, kills, restarts and edits on a server of its own."""
    first = random.SystemRandom().getrandbits(32) if seed is None else seed
    cast = Cast(
        seconds=seconds,
        kills=kills,
        api_kills=api_kills,
        freezes=freezes,
        restarts=restarts,
        edits=edits,
    )
    with a_server() as server:
        plans = [planned(one, cast) for one in range(first, first + seeds)]
        found = asyncio.run(suffer(server, plans, _say))
    wrong = {one: [str(each) for each in several] for one, several in found.items() if several}
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(
            json.dumps({"seeds": list(found), "cast": asdict(cast), "wrong": wrong}, indent=2)
            + "\n"
        )
    print(f"{len(found)} schedules from seed {first}, {len(wrong)} with a broken promise")
    for one in wrong:
        print(f"again: python -m conformance.subscriptions history --seeds 1 --seed {one}")
    if wrong:
        raise typer.Exit(FAILED)


def _say(text: str) -> None:
    print(text, flush=True)


def _told(result: Result) -> None:
    mark = _MARKS[result.outcome]
    print(
        f"{mark} {result.name:30} {result.level:6} {result.seconds:5.1f} s  {result.reason}",
        flush=True,
    )


if __name__ == "__main__":
    app()
