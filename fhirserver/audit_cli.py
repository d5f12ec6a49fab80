"""The command line for the audit log: ``python -m fhirserver audit --help``."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from fhirserver.auditing.heads_export import read_heads
from fhirserver.command_database import RefusedError, command_database
from fhirserver.settings import Settings

NOT_GENUINE: Final = 1

app = typer.Typer(
    name="audit",
    help="The log of AuditEvents: is it what was sealed?",
    no_args_is_help=True,
)

HeadFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--heads",
        help="Exported heads: a file, or a directory of them; may be given several times."
        " Default: the directories of AUDIT_HEADS.",
    ),
]
Keys = Annotated[
    Path | None,
    typer.Option(
        help="Public keys as a JWK set, as `fhirserver evidence keys` printed them when all was well."
        " Default: those of this server's keyring."
    ),
]


@app.command(name="verify")
def check(heads: HeadFiles = None, keys: Keys = None) -> None:
    """Compare every AuditEvent with the log, the log with its heads, and those with the exported ones.

    Exit code 0 means that nothing was edited, deleted, added past the log, put in another order, cut off or rewritten
    since it was sealed; each finding is a line.
    """
    settings = Settings.from_environment(os.environ)
    places = heads if heads is not None else _places(settings)
    for place in places:
        if not place.exists():
            raise RefusedError(f"exported heads: there is no {place}")
    public = None if keys is None else _jwks(keys)
    with command_database(settings) as url:
        from fhirserver import audit_commands  # noqa: PLC0415 - other commands start faster without

        exported = read_heads(places)
        result = audit_commands.inspect_log(settings, url, exported, public, _progress)
    for finding in result.findings:
        typer.echo(f"{finding.kind}: {finding.where}: {finding.told}", err=True)
    typer.echo(
        f"{result.size} events in {result.batches} batches, {result.heads} exported heads, "
        f"{result.expired} expired by policy, {result.older} from before the log"
    )
    typer.echo(f"root {result.root.hex()}")
    if result.findings:
        count = len(result.findings) + result.more_findings
        typer.echo(f"NOT GENUINE: {count} findings", err=True)
        raise typer.Exit(NOT_GENUINE)


@app.command(name="heads")
def print_heads(after: Annotated[int, typer.Option(help="Behind this number.")] = 0) -> None:
    """Print the signed heads of the log, one line each: keep them where nobody can reach from this server."""
    settings = Settings.from_environment(os.environ)
    with command_database(settings) as url:
        from fhirserver import audit_commands  # noqa: PLC0415 - as above

        for head in audit_commands.heads(settings, url, after):
            typer.echo(head.line())


@app.command(name="export")
def export(directory: Annotated[Path, typer.Argument(help="Made when missing.")]) -> None:
    """Add to DIRECTORY the heads that are not in it yet."""
    settings = Settings.from_environment(os.environ)
    with command_database(settings) as url:
        from fhirserver import audit_commands  # noqa: PLC0415 - as above

        added = audit_commands.export_heads(settings, url, directory)
    typer.echo(f"{added} heads added to {directory}")


def _progress(done: int, total: int) -> None:
    typer.echo(f"{done} of {total} events looked at", err=True)


def _places(settings: Settings) -> list[Path]:
    named = [Path(one) for one in settings.audit_heads_places if one != "-"]
    return [one for one in named if one.exists()]


def _jwks(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as defect:
        raise RefusedError(f"{path}: {defect}") from defect
    if not isinstance(found, dict):
        raise RefusedError(f"{path}: not a JWK set")
    return found
