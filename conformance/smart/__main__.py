"""`python -m conformance.smart`: does a server's SMART App Launch 2.2 do what testers try?

Exit code 0: nothing failed. 1: something did. 2: the server cannot be reached.
"""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import httpx
import typer

from conformance.smart import backend, discovery, launch
from conformance.smart.check import CHECKS, Result, run
from conformance.smart.scene import App, Program, Scene

FAILED: Final = 1
REFUSED: Final = 2
GROUPS: Final = (discovery, launch, backend)
_MARKS: Final = {"passed": "ok  ", "failed": "FAIL", "skipped": "skip"}
_SECONDS: Final = 30.0

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def check(
    *,
    base: Annotated[str, typer.Option(help="FHIR base URL, https://host/fhir.")],
    client_id: Annotated[str, typer.Option(help="A registered client.")] = "",
    redirect_uri: Annotated[
        str, typer.Option(help="Its redirect URI; nothing is sent there.")
    ] = "",
    login: Annotated[
        str, typer.Option(help="A person's login; the password is in SMART_PASSWORD.")
    ] = "",
    backend_client: Annotated[str, typer.Option(help="A registered backend service.")] = "",
    backend_key: Annotated[Path | None, typer.Option(help="Its private key as a JWK.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the report here (JSON).")] = None,
) -> None:
    """Try what testers try; a client's secret is in SMART_SECRET, none for a public client.

    The person must see one patient only, or the first they may choose is taken.
    """
    known = App(client_id, redirect_uri, os.environ.get("SMART_SECRET", "")) if client_id else None
    program = None
    if backend_client and backend_key is not None:
        program = Program(backend_client, json.loads(backend_key.read_bytes()))
    with httpx.Client(timeout=_SECONDS) as http:
        password = os.environ.get("SMART_PASSWORD", "")
        scene = Scene(base.rstrip("/"), http, known, login, password, program)
        try:
            results = examine(scene)
        except httpx.HTTPError as problem:
            print(f"{base}: {problem!r}", file=sys.stderr)
            raise typer.Exit(REFUSED) from problem
    if report is not None:
        report.write_text(json.dumps([asdict(one) for one in results], indent=2) + "\n")
    raise typer.Exit(FAILED if any(one.outcome == "failed" for one in results) else 0)


def examine(scene: Scene) -> list[Result]:
    """Run every check and tell of each as it ends."""
    results = []
    for one in CHECKS:
        # Nobody is logged in from the check before.
        scene.http.cookies.clear()
        result = run(scene, one)
        print(f"{_MARKS[result.outcome]} {one.name}: {one.requirement}")
        if result.said:
            print(f"     {result.said}")
        results.append(result)
    return results


if __name__ == "__main__":
    app()
