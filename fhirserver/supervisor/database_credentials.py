"""Passwords of the database roles: made once, kept in DATA, readable by the server's account alone."""

from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

from fhirserver.supervisor.secret_files import secret

LOGIN_ROLES: Final = ("fhir_write", "fhir_read", "fhir_worker")


def database_passwords(data: Path) -> dict[str, str]:
    """Return the password of each login role, made at the first call."""
    return {role: secret(data / "secrets" / f"database-{role}") for role in LOGIN_ROLES}


def role_url(url: str, role: str, password: str) -> str:
    """Return the database URL `url` with another user."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{role}:{quote(password, safe='')}@{host}").geturl()
