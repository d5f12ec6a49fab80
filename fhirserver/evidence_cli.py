"""The command line for evidence documents: ``python -m fhirserver evidence --help``."""

import base64
import binascii
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from fhirserver.command_database import RefusedError
from fhirserver.crypto.root_keys import UnusableRootKey
from fhirserver.crypto.signing import NotGenuineError, SigningKeys, verify
from fhirserver.keyring_source import known_keys
from fhirserver.settings import Settings
from fhirserver.wire import fhir_json
from fhirserver.wire.canonical_json import canonical

app = typer.Typer(
    name="evidence",
    help="Signed documents about alarm incidents (Flag/[id]/$evidence): are they genuine?",
    no_args_is_help=True,
)

Document = Annotated[Path, typer.Argument(help="The document, as the server answered it.")]
Keys = Annotated[
    Path | None,
    typer.Option(
        help="Public keys as a JWK set, such as /.well-known/evidence-keys.json of the server that signed."
        " Default: those of this server's keyring."
    ),
]


@app.command()
def keys() -> None:
    """Print the public keys of this server as a JWK set, to be kept beside documents."""
    typer.echo(json.dumps(_own_keys(), indent=2))


@app.command(name="verify")
def check(document: Document, keys: Keys = None) -> None:
    """Tell whether DOCUMENT is what a server signed; exit code 0 means that it is."""
    public = _own_keys() if keys is None else _json(keys)
    bundle = _json(document)
    try:
        data = bundle["signature"]["data"]
        when = bundle["signature"]["when"]
        detached = base64.b64decode(data, validate=True).decode()
    except (KeyError, TypeError, ValueError, binascii.Error) as defect:
        raise RefusedError(f"{document}: there is no signature in it") from defect
    try:
        key = verify(canonical(bundle), detached, public)
    except NotGenuineError as defect:
        typer.echo(f"{document}: NOT GENUINE: {defect}", err=True)
        raise typer.Exit(1) from defect
    typer.echo(f"{document}: genuine; signed {when} with the key {key}")


def _own_keys() -> dict[str, Any]:
    settings = Settings.from_environment(os.environ)
    try:
        return SigningKeys(known_keys(settings)).public()
    except UnusableRootKey as defect:
        raise RefusedError(f"{defect}; set DATA, or give --keys") from defect


def _json(path: Path) -> Mapping[str, Any]:
    try:
        return fhir_json.read(path.read_bytes())
    except (OSError, ValueError) as defect:
        raise RefusedError(f"{path}: {defect}") from defect
