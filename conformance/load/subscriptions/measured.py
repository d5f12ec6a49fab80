"""What the commands of this folder share: the server they measure, their options, and how they end."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from conformance.load import processes
from conformance.load.rest.http import Target
from conformance.load.server import fresh_data, running

FAILED: Final = 1

Base = Annotated[str, typer.Option(help="FHIR base URL; a fresh server of ours without one.")]
Token = Annotated[str, typer.Option(help="Bearer token, where the server wants one.")]
Data = Annotated[Path | None, typer.Option(help="DATA of a server of ours: token, processor time.")]
ReportFile = Annotated[Path | None, typer.Option("--report", help="Write the figures here (JSON).")]


@dataclass(frozen=True, slots=True)
class Measured:
    """The server that is measured, and its DATA where that is known."""

    target: Target
    data: Path | None

    def meter(self) -> processes.Meter | None:
        """Return what reads the processor time of its processes, None for a server known by its URL alone."""
        return None if self.data is None else processes.Meter(processes.server_pid(self.data))


@contextmanager
def server_to_measure(
    base: str, token: str, data: Path | None, settings: Mapping[str, str] | None = None
) -> Iterator[Measured]:
    """Return the server at `base`; without one a fresh server of ours, with `settings`, runs until the block ends."""
    if base:
        if not token and data is not None:
            token = (data / "admin.token").read_text().strip()
        yield Measured(Target(base.rstrip("/"), token), data)
        return
    fresh = fresh_data()
    try:
        with running(settings or {}, data=fresh) as server:
            yield Measured(Target(server.place.base, server.place.admin_token()), fresh)
    finally:
        shutil.rmtree(fresh)


def finish(figures: Mapping[str, Any], report: Path | None, *, kept: bool) -> None:
    """Print the figures and write them to `report`; raises `typer.Exit` unless all promises were `kept`."""
    print(json.dumps(figures, indent=1))
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(json.dumps(figures, indent=2) + "\n")
    if not kept:
        raise typer.Exit(FAILED)
