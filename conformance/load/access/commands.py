"""The command `access`: read and search with everything on, with each part of the protection taken away, and bare."""

import json
import shutil
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer
import uvloop

from conformance.load import server
from conformance.load.access.bare import BareError, bare_api
from conformance.load.access.shares import Round, configurations, figures, table
from conformance.load.rest.clients import Measured, UnexpectedError
from conformance.load.rest.http import Target
from conformance.load.rest.importing import import_population
from conformance.load.rest.reading_known import patients_of, read_known
from conformance.load.rest.searching import Wanted, prepare, search

EXPECTED: Final = (BareError, UnexpectedError)
_NURSE: Final = "access-nurse"
_CLIENTS: Final = 16

app = typer.Typer(name="access", add_completion=False)


@app.command(name="access")
def access_command(
    patients: Annotated[
        int, typer.Option(help="Patients of the caller, 114 resources each.")
    ] = 100,
    seconds: Annotated[float, typer.Option(help="How long each measurement lasts.")] = 6.0,
    rounds: Annotated[int, typer.Option(help="How often everything is measured.")] = 3,
    report: Annotated[Path | None, typer.Option(help="Write the figures here (JSON).")] = None,
) -> None:
    """What token check, decision, row-level security, audit and encryption cost of `read` and `search`.

    A practitioner asks, who belongs to the team of every patient, so that every configuration finds the same.
    """
    data = server.fresh_data()
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, data)
        running = stack.enter_context(server.running({"SYNTHETIC_SECONDS": "0"}, data=data))
        admin = Target(running.place.base, running.place.admin_token())
        uvloop.run(import_population(admin, patients=patients, clients=4, say=print))
        ids = uvloop.run(patients_of(admin, patients))
        nurse = _nurse(admin, ids)
        wanted = uvloop.run(
            prepare(Target(running.place.base, nurse), patients=patients, say=print)
        )
        loads = _loads(ids, wanted, seconds)
        measured: dict[str, list[Round]] = {name: [] for name in loads}
        for _ in range(rounds):
            for name, one in _round(data, nurse, loads).items():
                measured[name].append(one)
    found = {name: figures(each) for name, each in measured.items()}
    for name, each in found.items():
        print(table(name, each))
    if report is not None:
        report.write_text(json.dumps(found, indent=2) + "\n")


Load = Callable[[Target], Coroutine[Any, Any, Measured]]


def _loads(ids: list[str], wanted: tuple[Wanted, ...], seconds: float) -> dict[str, Load]:
    return {
        "read": lambda target: read_known(
            target, "Patient", ids, clients=_CLIENTS, seconds=seconds
        ),
        "search": lambda target: search(target, wanted, clients=_CLIENTS, seconds=seconds),
    }


def _round(data: Path, token: str, loads: dict[str, Load]) -> dict[str, Round]:
    rates: dict[str, dict[str, float]] = {name: {} for name in loads}
    cpu_us: dict[str, dict[str, float]] = {name: {} for name in loads}
    for configuration, without in configurations():
        with bare_api(data, without) as (base, process):
            target = Target(base, token)
            for name, load in loads.items():
                uvloop.run(_warm(load, target))
                before = sum(process.cpu_times()[:2])
                measured = uvloop.run(load(target))
                used = sum(process.cpu_times()[:2]) - before
                rates[name][configuration] = measured.requests / measured.seconds
                cpu_us[name][configuration] = used / measured.requests * 1e6
                print(
                    f"{name} without {configuration or 'nothing'}: {rates[name][configuration]:.0f}/s, "
                    f"{cpu_us[name][configuration]:.0f} us"
                )
    return {name: Round(rates[name], cpu_us[name]) for name in loads}


async def _warm(load: Load, target: Target) -> None:
    await load(target)


def _nurse(admin: Target, patients: list[str]) -> str:
    """Return the token of a practitioner who belongs to the team of every one of `patients`."""
    headers = {"authorization": f"Bearer {admin.token}", "content-type": "application/fhir+json"}
    nurse: dict[str, Any] = {"resourceType": "Practitioner", "id": _NURSE}
    teams: list[dict[str, Any]] = [
        {
            "resourceType": "CareTeam",
            "id": f"access-{number}",
            "status": "active",
            "subject": {"reference": f"Patient/{patient}"},
            "participant": [{"member": {"reference": f"Practitioner/{_NURSE}"}}],
        }
        for number, patient in enumerate(patients)
    ]
    entries = [
        {
            "resource": one,
            "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"},
        }
        for one in (nurse, *teams)
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    asked = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "kind", "valueCode": "practitioner"},
            {"name": "reference", "valueString": f"Practitioner/{_NURSE}"},
        ],
    }
    with httpx.Client(headers=headers, timeout=120, trust_env=False) as client:
        for url, body in ((admin.base, bundle), (f"{admin.base}/$issue-token", asked)):
            answer = client.post(url, json=body)
            if answer.status_code != 200:
                raise UnexpectedError(f"POST {url} answered {answer.status_code}")
    return next(
        str(one["valueString"]) for one in answer.json()["parameter"] if one["name"] == "token"
    )
