"""How the values of settings are written: each function reads one, or says what to give instead.

It raises ValueError with a sentence for the operator. A value is never guessed.
"""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

ROLES: Final = ("api", "ingest", "engine", "deliver", "watchdog")
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
YES: Final = ("1", "true", "yes", "on")
NO: Final = ("0", "false", "no", "off", "")
HIGHEST_PORT: Final = 65535
ARMING: Final = ("required", "off")
SECOND_FACTOR: Final = ("professionals", "everybody", "nobody")
INTERFACE_TLS: Final = ("off", "on", "client")
REGISTRATIONS: Final = ("off", "token", "open")
SMTP_SECURITY: Final = ("starttls", "tls", "none")
_HOURS: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d", re.ASCII)
_FACTORY: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", re.ASCII)
_PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_MAILBOX: Final = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+", re.ASCII)

WorkerRoles = tuple[str, ...]


def text(value: str) -> str:
    """Return the text itself."""
    return value


def path(value: str) -> Path:
    """Return a path; ~ is the home directory."""
    return Path(value).expanduser()


def flag(value: str) -> bool:
    """Return a yes or no."""
    lowered = value.strip().lower()
    if lowered in YES or lowered in NO:
        return lowered in YES
    raise ValueError("say 1 or 0")


def hours(value: str) -> str:
    """Return on, off or hours of the day."""
    lowered = value.strip().lower()
    if lowered in ("on", "off"):
        return lowered
    begins, _, ends = lowered.partition("-")
    if not _HOURS.fullmatch(lowered) or begins == ends:
        raise ValueError("say on, off, or hours as 22:00-05:00")
    return lowered


def port(value: str) -> int:
    """Return a port number."""
    if not value.isascii() or not value.isdigit() or int(value) > HIGHEST_PORT:
        raise ValueError(f"give a port number from 0 to {HIGHEST_PORT} (0 picks a free one)")
    return int(value)


def web_url(value: str) -> str:
    """Return the URL of a web address without a final slash; empty for none."""
    parts = urlsplit(value)
    if value and (parts.scheme not in {"http", "https"} or not parts.hostname):
        raise ValueError("give a URL that begins with http:// or https://")
    return value.rstrip("/")


def company_url(value: str) -> str:
    """Read where a telephone company is: http(s) for REST, smpp(s) for SMPP; "" for none."""
    if value and urlsplit(value).scheme not in ("http", "https", "smpp", "smpps"):
        raise ValueError("it starts with https:// (REST) or smpps:// (SMPP)")
    if value and not urlsplit(value).hostname:
        raise ValueError("it names no host")
    return value


def database_url(value: str) -> str:
    """Return the URL of a PostgreSQL database; empty for none."""
    if value and urlsplit(value).scheme not in {"postgresql", "postgres"}:
        raise ValueError("give a URL like postgresql://user:password@host:5432/database")
    return value


def broker_url(value: str) -> str:
    """Return the URL of a NATS server; empty for none."""
    if value and urlsplit(value).scheme not in {"nats", "tls"}:
        raise ValueError("give a URL like nats://user:password@host:4222")
    return value


def origins(value: str) -> tuple[str, ...]:
    """Return web origins."""
    origins = tuple(one.rstrip("/") for one in _listed(value))
    for origin in origins:
        parts = urlsplit(origin)
        if origin != "*" and (parts.scheme not in {"http", "https"} or parts.path or parts.query):
            raise ValueError("give origins like https://app.example.org, *, or nothing")
    return origins


def networks(value: str) -> tuple[str, ...]:
    """Return IP networks."""
    networks = _listed(value)
    for network in networks:
        try:
            ip_network(network)
        except ValueError:
            raise ValueError("give networks like 10.20.0.0/16, separated by commas") from None
    return networks


def factories(value: str) -> tuple[str, ...]:
    """Return import paths of factories."""
    paths = _listed(value)
    if not all(_FACTORY.fullmatch(path) for path in paths):
        raise ValueError("give import paths like package.module:factory, separated by commas")
    return paths


def smtp_security(value: str) -> str:
    """Return how a mail server is spoken to."""
    return _chosen(value, SMTP_SECURITY)


def arming(value: str) -> str:
    """Return whether arming is required."""
    return _chosen(value, ARMING)


def second_factor(value: str) -> str:
    """Return who must have a second factor."""
    return _chosen(value, SECOND_FACTOR)


def some_seconds(value: str) -> int:
    """Return a number of seconds, at least one."""
    return _whole(value, 1, "give whole seconds, 1 or more")


def mailbox(value: str) -> str:
    """Return a mailbox; empty for none."""
    if value and not _MAILBOX.fullmatch(value):
        raise ValueError("give a mailbox like alerts@hospital.example.org")
    return value


def log_level(value: str) -> str:
    """Return how much is logged."""
    return _chosen(value, LOG_LEVELS)


def workers(value: str) -> tuple[WorkerRoles, ...]:
    """Return the roles of each process."""
    groups = tuple(tuple(group.split("+")) for group in value.replace(" ", "").split(","))
    unknown = {role for group in groups for role in group} - set(ROLES)
    if any("watchdog" in group and len(group) > 1 for group in groups):
        raise ValueError("give watchdog a process of its own: it must live when the others do not")
    if unknown:
        raise ValueError(
            f"'{', '.join(sorted(unknown))}' is no role; commas separate processes and + joins the "
            f"roles of one process, out of {', '.join(ROLES)}"
        )
    return groups


def smtp_url(value: str) -> str:
    """Return the URL of a mail server; empty for none."""
    parts = urlsplit(value)
    if value and (parts.scheme not in {"smtp", "smtps"} or not parts.hostname):
        raise ValueError("give a URL like smtp://user:password@mail.example.org:587 or smtps://...")
    return value


def phone(value: str) -> str:
    """Return a telephone number in international form; empty for none."""
    if value and not _PHONE.fullmatch(value):
        raise ValueError("give a number like +15551234567")
    return value


def seconds(value: str) -> int:
    """Return a number of seconds; 0 switches off."""
    return _whole(value, 0, "give whole seconds, 0 for never")


def count(value: str) -> int:
    """Return how many; 0 for any number."""
    return _whole(value, 0, "give a whole number, 0 for any number")


def file_path(value: str) -> str:
    """Return the path of a file that can be read, absolute; empty for none."""
    if not value:
        return ""
    file = Path(value).expanduser().absolute()
    if not file.is_file():
        raise ValueError("there is no such file")
    return str(file)


def directory(value: str) -> str:
    """Return the path of a directory, absolute; empty for none."""
    if not value:
        return ""
    place = Path(value).expanduser().absolute()
    if not place.is_dir():
        raise ValueError("there is no such directory")
    return str(place)


def at_least_one(value: str) -> int:
    """Return a whole number, 1 or more."""
    return _whole(value, 1, "give a whole number, 1 or more")


def ports_of_tenants(value: str) -> tuple[str, ...]:
    """Return ports with the tenants they belong to, each ``2575=home``."""
    pairs = _listed(value)
    for pair in pairs:
        number, _, tenant = pair.partition("=")
        if not tenant:
            raise ValueError("give ports and tenants like 2575=home, separated by commas")
        port(number)
    return pairs


def interface_tls(value: str) -> str:
    """Return how interfaces speak to us; empty for not said."""
    return _chosen(value, INTERFACE_TLS) if value else value


def registration(value: str) -> str:
    """Return who may register apps over HTTP."""
    if value not in REGISTRATIONS:
        raise ValueError(f"say {', '.join(REGISTRATIONS[:-1])} or {REGISTRATIONS[-1]}")
    return value


def _chosen(value: str, choices: tuple[str, ...]) -> str:
    lowered = value.lower()
    if lowered not in choices:
        raise ValueError(f"choose one of {', '.join(choices)}")
    return lowered


def _whole(value: str, least: int, otherwise: str) -> int:
    if not value.isascii() or not value.isdigit() or int(value) < least:
        raise ValueError(otherwise)
    return int(value)


def _listed(value: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in value.split(",") if one.strip())
