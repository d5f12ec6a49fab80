"""The command `access`: read and search with everything on, with each part of the protection taken away, and bare."""

import json
import shutil
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import uvloop

from conformance.load import server
from conformance.load.access.bare import BareError, bare_api
from conformance.load.access.nurse import nurse_of
from conformance.load.access.paired import table as table_of_pairs
from conformance.load.access.shares import Round, Spent, configurations, figures, table
from conformance.load.access.wall import wall_cost
from conformance.load.rest.clients import Measured, UnexpectedError
from conformance.load.rest.http import Target
from conformance.load.rest.importing import import_population
from conformance.load.rest.reading_known import patients_of, read_known
from conformance.load.rest.searching import Wanted, prepare, search

EXPECTED: Final = (BareError, UnexpectedError)
_CLIENTS: Final = 16
# Of each measurement: short enough that the machine is the same for all configurations in turn.
_SLICES: Final = 8

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
    with _clinic(patients) as clinic:
        loads = _loads(clinic, seconds / _SLICES)
        measured: dict[str, list[Round]] = {name: [] for name in loads}
        for _ in range(rounds):
            for name, one in _round(clinic.data, clinic.nurse, loads).items():
                measured[name].append(one)
    found = {name: figures(each) for name, each in measured.items()}
    for name, each in found.items():
        print(table(name, each))
    if report is not None:
        report.write_text(json.dumps(found, indent=2) + "\n")


@app.command(name="rls")
def rls_command(
    patients: Annotated[
        int, typer.Option(help="Patients of the caller, 114 resources each.")
    ] = 100,
    pairs: Annotated[int, typer.Option(help="How often each kind is asked both ways.")] = 4000,
    report: Annotated[Path | None, typer.Option(help="Write the figures here (JSON).")] = None,
) -> None:
    """What row-level security alone costs: the same requests in turns with and without it, in one process."""
    with _clinic(patients) as clinic:
        paths = {
            "read": [f"/Patient/{one}" for one in clinic.ids],
            "search": [one.url for one in clinic.wanted],
        }
        found = wall_cost(clinic.data, clinic.nurse, paths, pairs)
    for name, each in found.items():
        print(table_of_pairs(name, each))
    if report is not None:
        report.write_text(json.dumps(found, indent=2) + "\n")


Load = Callable[[Target], Coroutine[Any, Any, Measured]]


@dataclass(frozen=True, slots=True)
class _Clinic:
    """A server that runs on `data`: its patients' `ids`, the `nurse` (her token) in all their teams, searches she may ask."""

    data: Path
    ids: list[str]
    nurse: str
    wanted: tuple[Wanted, ...]


@contextmanager
def _clinic(patients: int) -> Iterator[_Clinic]:
    """Run a server with so many patients until the block ends; nothing is left of it."""
    data = server.fresh_data()
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, data)
        running = stack.enter_context(server.running({"SYNTHETIC_SECONDS": "0"}, data=data))
        admin = Target(running.place.base, running.place.admin_token())
        uvloop.run(import_population(admin, patients=patients, clients=4, say=print))
        ids = uvloop.run(patients_of(admin, patients))
        nurse = nurse_of(admin, ids)
        wanted = uvloop.run(
            prepare(Target(running.place.base, nurse), patients=patients, say=print)
        )
        yield _Clinic(data, ids, nurse, wanted)


def _loads(clinic: _Clinic, seconds: float) -> dict[str, Load]:
    return {
        "read": lambda target: read_known(
            target, "Patient", clinic.ids, clients=_CLIENTS, seconds=seconds
        ),
        "search": lambda target: search(target, clinic.wanted, clients=_CLIENTS, seconds=seconds),
    }


def _round(data: Path, token: str, loads: dict[str, Load]) -> dict[str, Round]:
    """Measure every configuration in slices, one after the other and again: what the machine does meanwhile meets all of them."""
    found: dict[str, Round] = {}
    with ExitStack() as stack:
        asked = [
            (name, *stack.enter_context(bare_api(data, without)))
            for name, without in configurations()
        ]
        for kind, load in loads.items():
            spent = {name: Spent() for name, _, _ in asked}
            for _, base, _ in asked:
                uvloop.run(_warm(load, Target(base, token)))
            for number in range(_SLICES):
                # Whoever comes first finds the machine otherwise than whoever comes last.
                first = number * len(asked) // _SLICES
                for name, base, process in (*asked[first:], *asked[:first]):
                    before = sum(process.cpu_times()[:2])
                    measured = uvloop.run(load(Target(base, token)))
                    used = sum(process.cpu_times()[:2]) - before
                    spent[name].add(measured.requests, measured.seconds, used)
            found[kind] = Round(
                {name: one.rate for name, one in spent.items()},
                {name: one.cpu_us for name, one in spent.items()},
            )
            for name, one in spent.items():
                print(f"{kind} without {name or 'nothing'}: {one.rate:.0f}/s, {one.cpu_us:.0f} us")
    return found


async def _warm(load: Load, target: Target) -> None:
    await load(target)
