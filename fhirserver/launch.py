"""Starts a whole server. This process stays small: it watches the others and holds no data.

Preparing the database needs the schema tools and everything the content is checked with, so it runs in a process of its
own that ends before the workers start.
"""

import os
import subprocess
import sys
from dataclasses import replace
from typing import Final

from fhirserver import tls
from fhirserver.settings import Settings
from fhirserver.supervisor.database_credentials import database_passwords, role_url
from fhirserver.supervisor.errors import SupervisorError
from fhirserver.supervisor.supervise import Supervisor

_MIGRATE: Final = (sys.executable, "-m", "fhirserver", "migrate")


def serve(settings: Settings) -> None:
    """Run everything until Ctrl-C. Raises `SupervisorError` and `SettingsError` when a part cannot be started."""
    # Better now than in a worker that is started again and again.
    tls.of(settings)
    Supervisor(settings, prepare=_prepare, announce=_announce).run()


def _announce(text: str) -> None:
    print(f"fhirserver: {text}", flush=True)


def _prepare(settings: Settings) -> Settings:
    """Migrate as the database's superuser; return settings whose user is a reader, for the workers."""
    done = subprocess.run(_MIGRATE, env={**os.environ, **settings.environment()}, check=False)
    if done.returncode != 0:
        message = "the database could not be brought to the current schema; the reason is above"
        raise SupervisorError(message)
    password = database_passwords(settings.data)["fhir_read"]
    return replace(settings, database_url=role_url(settings.database_url, "fhir_read", password))
