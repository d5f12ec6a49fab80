"""Everything an operator can set, in one place, read from environment variables.

Each field's metadata holds its variable's name and one sentence for the operator; the documentation
is checked against them. A wrong value stops the start with every problem named and what to do, and
a value is never guessed.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

ROLES: Final = ("api", "ingest", "engine", "deliver")
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
YES: Final = ("1", "true", "yes", "on")
NO: Final = ("0", "false", "no", "off", "")
HIGHEST_PORT: Final = 65535
SMTP_SECURITY: Final = ("starttls", "tls", "none")
_FACTORY: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", re.ASCII)
_MAILBOX: Final = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+", re.ASCII)

WorkerRoles = tuple[str, ...]


class SettingsError(Exception):
    """One or more settings cannot be used; the message names each with its remedy."""


def _text(value: str) -> str:
    return value


def _path(value: str) -> Path:
    return Path(value).expanduser()


def _flag(value: str) -> bool:
    lowered = value.strip().lower()
    if lowered in YES or lowered in NO:
        return lowered in YES
    raise ValueError("say 1 or 0")


def _port(value: str) -> int:
    if not value.isascii() or not value.isdigit() or int(value) > HIGHEST_PORT:
        raise ValueError(f"give a port number from 0 to {HIGHEST_PORT} (0 picks a free one)")
    return int(value)


def _web_url(value: str) -> str:
    parts = urlsplit(value)
    if value and (parts.scheme not in {"http", "https"} or not parts.hostname):
        raise ValueError("give a URL that begins with http:// or https://")
    return value.rstrip("/")


def _database_url(value: str) -> str:
    if value and urlsplit(value).scheme not in {"postgresql", "postgres"}:
        raise ValueError("give a URL like postgresql://user:password@host:5432/database")
    return value


def _broker_url(value: str) -> str:
    if value and urlsplit(value).scheme not in {"nats", "tls"}:
        raise ValueError("give a URL like nats://user:password@host:4222")
    return value


def _origins(value: str) -> tuple[str, ...]:
    origins = tuple(one.strip().rstrip("/") for one in value.split(",") if one.strip())
    for origin in origins:
        parts = urlsplit(origin)
        if origin != "*" and (parts.scheme not in {"http", "https"} or parts.path or parts.query):
            raise ValueError("give origins like https://app.example.org, *, or nothing")
    return origins


def _networks(value: str) -> tuple[str, ...]:
    networks = tuple(one.strip() for one in value.split(",") if one.strip())
    for network in networks:
        try:
            ip_network(network)
        except ValueError:
            raise ValueError("give networks like 10.20.0.0/16, separated by commas") from None
    return networks


def _factories(value: str) -> tuple[str, ...]:
    paths = tuple(one.strip() for one in value.split(",") if one.strip())
    if not all(_FACTORY.fullmatch(path) for path in paths):
        raise ValueError("give import paths like package.module:factory, separated by commas")
    return paths


def _smtp_security(value: str) -> str:
    if value.lower() not in SMTP_SECURITY:
        raise ValueError(f"choose one of {', '.join(SMTP_SECURITY)}")
    return value.lower()


def _mailbox(value: str) -> str:
    if value and not _MAILBOX.fullmatch(value):
        raise ValueError("give a mailbox like alerts@hospital.example.org")
    return value


def _log_level(value: str) -> str:
    if value.lower() not in LOG_LEVELS:
        raise ValueError(f"choose one of {', '.join(LOG_LEVELS)}")
    return value.lower()


def _workers(value: str) -> tuple[WorkerRoles, ...]:
    groups = tuple(tuple(group.split("+")) for group in value.replace(" ", "").split(","))
    unknown = {role for group in groups for role in group} - set(ROLES)
    if unknown:
        raise ValueError(
            f"'{', '.join(sorted(unknown))}' is no role; commas separate processes and + joins the "
            f"roles of one process, out of {', '.join(ROLES)}"
        )
    return groups


def setting(
    name: str,
    default: str,
    meaning: str,
    parse: Callable[[str], Any] = _text,
    *,
    secret: bool = False,
) -> Any:
    """Return a dataclass field read from the variable `name` by `parse`; ValueError refuses."""
    return field(
        default_factory=lambda: parse(default),
        metadata={
            "name": name,
            "default": default,
            "meaning": meaning,
            "parse": parse,
            "secret": secret,
        },
        repr=not secret,
    )


@dataclass(frozen=True, slots=True)
class Description:
    """What an operator reads about one setting."""

    name: str
    default: str
    meaning: str
    secret: bool


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one server; `from_environment` reads and checks them.

    Empty texts mean "not set". Secrets do not appear in `repr`.
    """

    host: str = setting("HOST", "127.0.0.1", "Address the HTTP server listens on.")
    port: int = setting("PORT", "8080", "Port the HTTP server listens on.", _port)
    public_url: str = setting(
        "PUBLIC_URL",
        "",
        "URL under which others reach this server, without /fhir; default is HOST and PORT. "
        "Stands in links, in the CapabilityStatement and in what the SMS provider calls back.",
        _web_url,
    )
    origins: tuple[str, ...] = setting(
        "CORS_ORIGINS",
        "*",
        "Origins whose pages may call the FHIR API and open websockets, separated by commas; * for any, empty for "
        "none. Callers need a bearer token in any case.",
        _origins,
    )
    data: Path = setting(
        "DATA",
        "./.data",
        "Directory for the embedded database, the broker's store and generated secrets.",
        _path,
    )
    database_url: str = setting(
        "DATABASE_URL",
        "",
        "PostgreSQL 15 or newer to use instead of the embedded one; the user must be allowed to "
        "create roles.",
        _database_url,
        secret=True,
    )
    workers: tuple[WorkerRoles, ...] = setting(
        "ROLES",
        "api,ingest,engine+deliver",
        "Processes to run: commas separate processes, + joins roles into one process. "
        "Roles are api, ingest, engine (timers, ladder, silence) and deliver. A role named in several "
        "processes is shared by them: api,api,ingest,engine+deliver answers with two.",
        _workers,
    )
    mqtt_host: str = setting("MQTT_HOST", "127.0.0.1", "Address devices reach the broker at.")
    mqtt_port: int = setting("MQTT_PORT", "1883", "Port devices reach the broker at (MQTT).", _port)
    nats_port: int = setting(
        "NATS_PORT",
        "4222",
        "Loopback port our own processes reach the embedded broker at; 0 picks a free one.",
        _port,
    )
    nats_url: str = setting(
        "NATS_URL",
        "",
        "NATS server to use instead of the embedded broker; needs NATS_AUTHENTICATOR_URL and "
        "NATS_CALLOUT_SEED too.",
        _broker_url,
        secret=True,
    )
    nats_authenticator_url: str = setting(
        "NATS_AUTHENTICATOR_URL",
        "",
        "The same NATS server, as the user that answers its questions about devices.",
        _broker_url,
        secret=True,
    )
    nats_callout_seed: str = setting(
        "NATS_CALLOUT_SEED",
        "",
        "Seed (SA...) of the account key that signs those answers.",
        secret=True,
    )
    sms_url: str = setting(
        "SMS_URL",
        "",
        "Base URL of the SMS and voice provider (Twilio-shaped REST). Without it nobody can be "
        "called and no patient counts as armed.",
        _web_url,
    )
    sms_account: str = setting("SMS_ACCOUNT", "", "Account identifier at the SMS provider.")
    sms_token: str = setting(
        "SMS_TOKEN",
        "",
        "Secret of that account; also proves the provider's callbacks.",
        secret=True,
    )
    sms_from: str = setting("SMS_FROM", "", "Number messages and calls come from, as +15551234567.")
    allow_insecure_endpoints: bool = setting(
        "ALLOW_INSECURE_ENDPOINTS",
        "0",
        "Let Subscriptions send to http:// and to private addresses (development only).",
        _flag,
    )
    subscription_networks: tuple[str, ...] = setting(
        "SUBSCRIPTION_NETWORKS",
        "",
        "Private networks Subscriptions may send to besides public addresses, over TLS, separated "
        "by commas, such as the hospital's own 10.20.0.0/16.",
        _networks,
    )
    subscription_channels: tuple[str, ...] = setting(
        "SUBSCRIPTION_CHANNELS",
        "",
        "Channel types of your own for Subscriptions: import paths of their factories "
        "(package.module:factory), separated by commas.",
        _factories,
    )
    smtp_host: str = setting(
        "SMTP_HOST", "", "Mail server for e-mail Subscriptions. Without it there are none."
    )
    smtp_port: int = setting("SMTP_PORT", "587", "Port of the mail server.", _port)
    smtp_security: str = setting(
        "SMTP_SECURITY",
        "starttls",
        "How the mail server is spoken to: starttls, tls, or none (on the same machine only).",
        _smtp_security,
    )
    smtp_username: str = setting("SMTP_USERNAME", "", "Name we log in with; empty: without.")
    smtp_password: str = setting("SMTP_PASSWORD", "", "Its password.", secret=True)
    smtp_from: str = setting("SMTP_FROM", "", "Mailbox our e-mail comes from.", _mailbox)
    demo: bool = setting(
        "DEMO",
        "0",
        "Demo mode: the demo page at / and the simulator's control topic; on loopback only.",
        _flag,
    )
    demo_page_url: str = setting(
        "DEMO_PAGE_URL", "", "Where / redirects to in demo mode.", _web_url
    )
    log_level: str = setting(
        "LOG_LEVEL", "info", f"How much is logged: {', '.join(LOG_LEVELS)}.", _log_level
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Return the settings in `environment`; raises `SettingsError` naming every problem."""
        values: dict[str, Any] = {}
        problems: list[str] = []
        for item in fields(cls):
            name = item.metadata["name"]
            try:
                values[item.name] = item.metadata["parse"](
                    environment.get(name, item.metadata["default"])
                )
            except ValueError as error:
                shown = "(hidden)" if item.metadata["secret"] else repr(environment.get(name))
                problems.append(f"{name} is {shown}: {error}.")
        if not problems:
            settings = cls(**values)
            problems = settings.contradictions()
            if not problems:
                return settings
        raise SettingsError("\n".join(problems))

    def contradictions(self) -> list[str]:
        """Return one sentence for each pair of settings that cannot both be meant."""
        found: list[str] = []
        broker = (self.nats_url, self.nats_authenticator_url, self.nats_callout_seed)
        if any(broker) and not all(broker):
            found.append(
                "NATS_URL, NATS_AUTHENTICATOR_URL and NATS_CALLOUT_SEED belong together: "
                "set all three for a broker of your own, or none for the embedded one."
            )
        provider = (self.sms_url, self.sms_account, self.sms_token, self.sms_from)
        if any(provider) and not all(provider):
            found.append(
                "SMS_URL, SMS_ACCOUNT, SMS_TOKEN and SMS_FROM belong together: "
                "set all four, or none."
            )
        if bool(self.smtp_host) != bool(self.smtp_from):
            found.append("SMTP_HOST and SMTP_FROM belong together: set both, or none.")
        if bool(self.smtp_username) != bool(self.smtp_password):
            found.append("SMTP_USERNAME and SMTP_PASSWORD belong together: set both, or none.")
        if self.smtp_security == "none" and self.smtp_host and self.smtp_host not in LOOPBACK:
            found.append(
                "SMTP_SECURITY none would send health information readable for everybody on the "
                "way: use starttls or tls, or a mail server on this machine."
            )
        if self.demo and self.host not in LOOPBACK:
            found.append(
                f"DEMO shows everything to whoever reaches HOST {self.host}: "
                "use HOST 127.0.0.1, or switch DEMO off."
            )
        return found

    @classmethod
    def describe(cls) -> tuple[Description, ...]:
        """Return every setting in the order of this file."""
        return tuple(
            Description(*(item.metadata[key] for key in ("name", "default", "meaning", "secret")))
            for item in fields(cls)
        )

    @property
    def base_url(self) -> str:
        """The URL others reach this server at, without a final slash."""
        return self.public_url or self.local_url

    @property
    def opened_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks of SUBSCRIPTION_NETWORKS."""
        return tuple(ip_network(network) for network in self.subscription_networks)

    @property
    def local_url(self) -> str:
        """The URL this machine itself reaches the server at, whatever the public one is."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def fhir_base(self) -> str:
        """The FHIR base URL."""
        return f"{self.base_url}/fhir"

    def environment(self) -> dict[str, str]:
        """Return the variables from which `from_environment` makes equal settings, for children."""
        return {item.metadata["name"]: _written(getattr(self, item.name)) for item in fields(self)}


def _written(value: object) -> str:
    match value:
        case bool():
            return "1" if value else "0"
        case tuple():
            groups = (one if isinstance(one, str) else "+".join(one) for one in value)
            return ",".join(groups)
        case _:
            return str(value)
