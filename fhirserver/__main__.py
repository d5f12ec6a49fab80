"""The command line: ``python -m fhirserver --help``.

Commands read their settings from environment variables (see `fhirserver.settings`) and leave the
work to others; the parts of the product are put together in `fhirserver.bootstrap`.
"""

import os
import secrets
import sys
from collections.abc import Callable
from typing import Annotated

import httpx
import typer

from fhirserver import (
    __version__,
    accounts_cli,
    audit_cli,
    clients_cli,
    dead_letters_cli,
    devices_cli,
    evidence_cli,
    hl7v2_cli,
    keys_cli,
    packages_cli,
    subscriptions_cli,
    tenants_cli,
    tls,
    tokens_cli,
)
from fhirserver.setting_forms import ROLES
from fhirserver.settings import Settings, SettingsError
from fhirserver.supervisor import compose_secrets, data_lock, log_output, parent_death
from fhirserver.supervisor.errors import SupervisorError

REFUSED = 2
HEALTH_SECONDS = 5.0

app = typer.Typer(
    name="fhirserver",
    help="A FHIR R4 server that hears home dialysis devices and makes sure a person is told.",
    epilog="Settings are environment variables: PORT, DATA, DATABASE_URL, MQTT_PORT, ...; "
    "`fhirserver settings` lists them all.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _settings() -> Settings:
    settings = Settings.from_environment(os.environ)
    log_output.configure(settings.log_level)
    return settings


@app.command()
def serve() -> None:
    """Run everything: database, broker and workers, until Ctrl-C.

    Without DATABASE_URL and NATS_URL an embedded PostgreSQL and an embedded broker are started,
    their data in DATA (default ./.data).
    """
    from fhirserver import launch  # noqa: PLC0415 - other commands start faster without

    launch.serve(_settings())


@app.command(hidden=True)
def worker(
    roles: Annotated[str, typer.Option(help=f"Comma-separated, out of {', '.join(ROLES)}.")],
) -> None:
    """Run one worker process; the supervisor starts these."""
    supervisor = os.environ.get("SUPERVISOR_PID")
    if supervisor:
        parent_death.end_with(int(supervisor))
    chosen = tuple(roles.split(","))
    unknown = sorted(set(chosen) - set(ROLES))
    if unknown:
        raise SettingsError(f"--roles: {', '.join(unknown)} is none of {', '.join(ROLES)}.")
    if "watchdog" in chosen:
        from fhirserver import watchdog_process  # noqa: PLC0415 - it needs little of the rest

        watchdog_process.run(_settings())
        return
    from fhirserver import bootstrap  # noqa: PLC0415 - other commands start faster without

    bootstrap.worker(_settings(), chosen)


@app.command()
def migrate() -> None:
    """Bring the database to the current schema, then stop.

    `serve` does the same at every start; run this first where servers may not change tables.
    """
    from fhirserver import bootstrap  # noqa: PLC0415 - other commands start faster without

    bootstrap.migrate(_settings())


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


@app.command()
def settings() -> None:
    """List every setting with its current value and meaning; secrets are not shown."""
    current = Settings.from_environment(os.environ)
    written = current.environment()
    for item in current.describe():
        value = "(secret)" if item.secret and written[item.name] else written[item.name]
        print(f"{item.name}={value}\n    {item.meaning} Default: {item.default or 'none'}.")


@app.command()
def status() -> None:
    """Tell whether the server of DATA runs and is ready; exit code 0 means ready."""
    current = _settings()
    process = data_lock.holder(current.data)
    print(f"server on {current.data}: {f'process {process}' if process else 'not running'}")
    url = f"{current.local_url}/health/ready"
    try:
        answer = httpx.get(
            url, timeout=HEALTH_SECONDS, verify=tls.local_context(current), trust_env=False
        )
    except httpx.HTTPError as error:
        print(f"{url}: no answer ({type(error).__name__})")
        raise typer.Exit(1) from error
    print(f"{url}: {answer.status_code} {answer.text.strip()}")
    raise typer.Exit(0 if answer.is_success else 1)


app.add_typer(accounts_cli.app)
app.add_typer(packages_cli.app)
app.add_typer(subscriptions_cli.app)
app.add_typer(evidence_cli.app)
app.add_typer(audit_cli.app)
app.add_typer(tenants_cli.app)
app.add_typer(devices_cli.app)
app.add_typer(hl7v2_cli.app)
app.add_typer(dead_letters_cli.app)
app.add_typer(clients_cli.app)
app.add_typer(tokens_cli.app)
app.add_typer(keys_cli.app)


@app.command(name="compose-secrets")
def print_compose_secrets() -> None:
    """Print new secrets for docker-compose.yml; put them into a file named .env, once."""
    print("\n".join(compose_secrets.lines(secrets.token_bytes)))


def main(run: Callable[[], object] = app) -> None:
    """Run the command line; a refusal is printed without a traceback, exit code 2."""
    try:
        run()
    except (SettingsError, SupervisorError) as error:
        print(error, file=sys.stderr)
        raise SystemExit(REFUSED) from error


if __name__ == "__main__":
    main()
