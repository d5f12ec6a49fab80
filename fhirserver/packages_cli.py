"""The command line for FHIR packages: ``python -m fhirserver packages --help``."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="packages",
    help="FHIR packages: profiles, value sets, code systems, search parameters and topics for every tenant.",
    no_args_is_help=True,
)


@app.command()
def add(
    archives: Annotated[
        list[Path], typer.Argument(help="The package's .tgz, and those of packages it needs.")
    ],
) -> None:
    """Check packages and install them together, or none of them.

    Running servers use them within a second. Search parameters can be searched by after a $reindex.
    """
    from fhirserver import package_installation  # noqa: PLC0415 - other commands start faster without

    for package in package_installation.add(archives):
        print(f"{package.label}: {len(package.resources)} resources installed")


@app.command(name="list")
def show() -> None:
    """List the installed packages."""
    from fhirserver import package_installation  # noqa: PLC0415 - as above

    for package in package_installation.installed():
        needs = ", ".join(f"{name}@{one}" for name, one in sorted(package.dependencies.items()))
        print(f"{package.label}: {package.resources} resources, needs {needs or 'nothing'}")


@app.command()
def remove(
    label: Annotated[str, typer.Argument(help="NAME, or NAME@VERSION where several are there.")],
) -> None:
    """Remove a package that no other one needs."""
    from fhirserver import package_installation  # noqa: PLC0415 - as above

    for package in package_installation.remove(label):
        print(f"{package.label}: removed")


@app.command()
def pack(output: Annotated[Path, typer.Argument(help="The .tgz to write.")]) -> None:
    """Write what this product defines as a package, for other servers; it is built into this one."""
    from fhirserver.definitions.shipped import own_package  # noqa: PLC0415 - as above

    output.write_bytes(own_package())
    print(f"{output}: written")
