"""`python -m conformance.alarms`: how good the alarms are. `--help` explains each command."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer

from conformance.alarms import quality, trial
from conformance.alarms.audit import audit
from conformance.alarms.case import Group
from conformance.alarms.figures import figures
from conformance.alarms.golden import Deviation
from conformance.alarms.page import page
from conformance.alarms.rehearsal import RehearsalError, rehearsing
from conformance.record import Record, Refusal

FAILED: Final = 1
REFUSED: Final = 2

app = typer.Typer(
    name="conformance.alarms",
    help="Simulated treatments whose truth is known, judged by the server's own rules.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def report(
    *,
    sessions: Annotated[int, typer.Option(help="How many treatments to simulate.")] = 1000,
    seed: Annotated[int, typer.Option(help="Fixes every person and accident.")] = 20260801,
    processes: Annotated[int, typer.Option(help="How many at once.")] = 2,
    only: Annotated[
        Group | None, typer.Option(help="Only sessions of this group, for a quick look.")
    ] = None,
    fall: Annotated[
        list[float] | None,
        typer.Option(help="Also try this threshold of the dislodgement rule, mm[Hg]; repeatable."),
    ] = None,
    fall_sessions: Annotated[
        int, typer.Option(help="How many of the sessions each of those is tried on.")
    ] = 200,
    where: Annotated[
        Path, typer.Option("--page", help="Where the page goes; the figures go beside it (JSON).")
    ] = Path("docs/alarm-quality.md"),
) -> None:
    """Measure recall, false pages and time to alert, and write the report.

    Ends with exit code 1 when a promise is broken.
    """
    results = quality.measure(seed, sessions, processes, say, only=only)
    found = figures(results)
    found["run"] = {
        "command": " ".join(["python", "-m", "conformance.alarms", *sys.argv[1:]]),
        "seed": seed,
        "rules": _rules_version(),
    }
    if fall:
        found["what_if"] = quality.what_if(seed, fall_sessions, processes, fall, say)
    where.parent.mkdir(parents=True, exist_ok=True)
    where.write_text(page(found))
    where.with_suffix(".json").write_text(json.dumps(found, indent=2) + "\n")
    for line in summary(found):
        say(line)
    if found["missed"] or not kept(found):
        raise typer.Exit(FAILED)


@app.command()
def golden(
    *,
    scenario: Annotated[
        list[str] | None, typer.Option(help="Only these; all of them by default.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many seeds each.")] = 3,
    seed: Annotated[int, typer.Option(help="The first of them.")] = 1,
    minutes: Annotated[float, typer.Option(help="Length of each treatment.")] = trial.MINUTES,
) -> None:
    """Compare what the server decides about every scenario with its golden alerts.

    Ends with exit code 1 when anything deviates.
    """
    deviated = 0
    with rehearsing() as rehearsal:
        wanted = scenario or trial.scenarios()
        for verdict in trial.trials(rehearsal, wanted, range(seed, seed + seeds), minutes):
            deviated += bool(verdict.deviations)
            say(str(verdict))
    if deviated:
        raise typer.Exit(FAILED)


@app.command()
def oracle(
    *,
    base: Annotated[str, typer.Option(help="FHIR base URL, http://host:port/fhir.")],
    token: Annotated[str, typer.Option(help="An administrator's bearer token.")] = "",
    data: Annotated[
        Path | None, typer.Option(help="The server's DATA, for its administrator's token.")
    ] = None,
    patient: Annotated[
        list[str] | None, typer.Option(help="Only these; every patient by default.")
    ] = None,
) -> None:
    """Judge again everything a real server stored and compare with the alerts it raised.

    Ends with exit code 1 when an alert was missed or is surplus.
    """
    if not token and data is None:
        raise typer.BadParameter("give --token, or --data of the server")
    if not token and data is not None:
        token = (data / "admin.token").read_text().strip()
    deviations = asyncio.run(_audit(base, token, patient))
    for one in deviations:
        say(str(one))
    say(
        f"{sum(one.fault == 'missed' for one in deviations)} missed, "
        f"{sum(one.fault == 'surplus' for one in deviations)} surplus"
    )
    if deviations:
        raise typer.Exit(FAILED)


async def _audit(base: str, token: str, wanted: list[str] | None) -> list[Deviation]:
    async with httpx.AsyncClient(timeout=60.0, trust_env=False) as http:
        record = Record(http, base, token)
        patients = wanted or [
            one["id"] async for one in record.search("Patient", {"_count": "500"})
        ]
        return await audit(record, patients, say)


def summary(found: dict[str, Any]) -> list[str]:
    """Return the promises and what became of them, one line each."""
    slips, clean = found["dislodgement"], found["clean"]
    return [
        f"device events   {found['device_events']['found']} of {found['device_events']['sessions']}",
        (
            f"slips >= {slips['promised_drop']:g} mm[Hg]  {slips['at_least_promised']['found']} of "
            f"{slips['at_least_promised']['sessions']}  median "
            f"{slips['at_least_promised']['median_s']} s  p99 {slips['at_least_promised']['p99_s']} s"
        ),
        f"slips below     {slips['below']['found']} of {slips['below']['sessions']}",
        (
            f"false PH        {clean['false_high_pages']} in {clean['sessions']} clean sessions "
            f"{clean['by_reason']}"
        ),
    ]


def kept(found: dict[str, Any]) -> bool:
    """Return whether fewer than one clean session in a hundred has a false page of high priority."""
    false = found["clean"]["false_high_per_100"]
    return false is None or false["value"] < 1.0


def _rules_version() -> str:
    return (
        str(json.loads(quality.PLAN.read_text())["version"])
        if quality.PLAN.exists()
        else "of the installed"
    )


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def main() -> None:
    """Run the command line; what may go wrong outside is printed without a traceback."""
    try:
        app()
    except (RehearsalError, Refusal, OSError, httpx.HTTPError) as error:
        print(error, file=sys.stderr)
        raise SystemExit(REFUSED) from error


if __name__ == "__main__":
    main()
