"""Everything an operator can set, in one place, read from environment variables.

Each field's metadata holds its variable's name and one sentence for the operator; the documentation
is checked against them. A wrong value stops the start with every problem named and what to do, and
a value is never guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

from fhirserver import setting_forms as forms
from fhirserver.edge_settings import EdgeSettings
from fhirserver.setting_conflicts import contradictions
from fhirserver.setting_field import Description, setting
from fhirserver.setting_forms import LOG_LEVELS, WorkerRoles


class SettingsError(Exception):
    """One or more settings cannot be used; the message names each with its remedy."""


@dataclass(frozen=True, slots=True)
class Settings(EdgeSettings):
    """The settings of one server; `from_environment` reads and checks them.

    Empty texts mean "not set". Secrets do not appear in `repr`.
    """

    client_registration: str = setting(
        "CLIENT_REGISTRATION",
        "off",
        "Who may register apps over HTTP (RFC 7591): off for nobody, token for whoever has an administrator's token, "
        "open for anybody. Programs that act for themselves are never registered by strangers.",
        forms.registration,
    )
    data: Path = setting(
        "DATA",
        "./.data",
        "Directory for the embedded database, the broker's store and generated secrets.",
        forms.path,
    )
    keyring: str = setting(
        "KEYRING",
        "",
        "The keyring itself (its JSON document), for hosts that keep secrets in the environment; default is the file "
        "secrets/keyring.json in DATA, made at the first start.",
        secret=True,
    )
    keyring_service: str = setting(
        "KEYRING_SERVICE",
        "",
        "Key management service instead of a keyring: package.module:factory of a "
        "fhirserver.crypto.root_keys.RootKeys.",
    )
    database_url: str = setting(
        "DATABASE_URL",
        "",
        "PostgreSQL 15 or newer to use instead of the embedded one; the user must be allowed to "
        "create roles.",
        forms.database_url,
        secret=True,
    )
    workers: tuple[WorkerRoles, ...] = setting(
        "ROLES",
        "api,ingest,engine+deliver,watchdog",
        "Processes to run: commas separate processes, + joins roles into one process. "
        "Roles are api, ingest, engine (timers, ladder, silence), deliver and watchdog (watches the others, always in a "
        "process of its own). A role named in several "
        "processes is shared by them: api,api,ingest,engine+deliver answers with two.",
        forms.workers,
    )
    mqtt_host: str = setting("MQTT_HOST", "127.0.0.1", "Address devices reach the broker at.")
    mqtt_port: int = setting(
        "MQTT_PORT", "1883", "Port devices reach the broker at (MQTT).", forms.port
    )
    nats_port: int = setting(
        "NATS_PORT",
        "4222",
        "Loopback port our own processes reach the embedded broker at; 0 picks a free one.",
        forms.port,
    )
    nats_url: str = setting(
        "NATS_URL",
        "",
        "NATS server to use instead of the embedded broker; needs NATS_AUTHENTICATOR_URL and "
        "NATS_CALLOUT_SEED too.",
        forms.broker_url,
        secret=True,
    )
    nats_authenticator_url: str = setting(
        "NATS_AUTHENTICATOR_URL",
        "",
        "The same NATS server, as the user that answers its questions about devices.",
        forms.broker_url,
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
        "Telephone company that is asked first: https://... (Twilio's REST API, texts and calls) or "
        "smpps://host:port (SMPP 3.4 over TLS, texts). Without it nobody can be called and no patient "
        "counts as armed.",
        forms.company_url,
    )
    sms_account: str = setting("SMS_ACCOUNT", "", "Account there; for SMPP the system_id.")
    sms_token: str = setting(
        "SMS_TOKEN",
        "",
        "Secret of that account, for SMPP its password; also proves the company's callbacks.",
        secret=True,
    )
    sms_token_old: str = setting(
        "SMS_TOKEN_OLD",
        "",
        "Secret before that one: proves callbacks too, while it is being replaced.",
        secret=True,
    )
    sms_from: str = setting("SMS_FROM", "", "Number messages and calls come from, as +15551234567.")
    sms_url_2: str = setting(
        "SMS_URL_2",
        "",
        "Second telephone company, asked when the first does not take or does not deliver.",
        forms.company_url,
    )
    sms_account_2: str = setting("SMS_ACCOUNT_2", "", "Account at the second company.")
    sms_token_2: str = setting("SMS_TOKEN_2", "", "Secret of that account.", secret=True)
    sms_from_2: str = setting("SMS_FROM_2", "", "Number its messages and calls come from.")
    sms_links: bool = setting(
        "SMS_LINKS",
        "1",
        "End alarm texts with a link to a page with buttons; only where PUBLIC_URL is https://.",
        forms.flag,
    )
    allow_insecure_endpoints: bool = setting(
        "ALLOW_INSECURE_ENDPOINTS",
        "0",
        "Let Subscriptions send to http:// and to private addresses (development only).",
        forms.flag,
    )
    subscription_networks: tuple[str, ...] = setting(
        "SUBSCRIPTION_NETWORKS",
        "",
        "Private networks Subscriptions may send to besides public addresses, over TLS, separated "
        "by commas, such as the hospital's own 10.20.0.0/16.",
        forms.networks,
    )
    subscription_channels: tuple[str, ...] = setting(
        "SUBSCRIPTION_CHANNELS",
        "",
        "Channel types of your own for Subscriptions: import paths of their factories "
        "(package.module:factory), separated by commas.",
        forms.factories,
    )
    smtp_host: str = setting(
        "SMTP_HOST", "", "Mail server for e-mail Subscriptions. Without it there are none."
    )
    smtp_port: int = setting("SMTP_PORT", "587", "Port of the mail server.", forms.port)
    smtp_security: str = setting(
        "SMTP_SECURITY",
        "starttls",
        "How the mail server is spoken to: starttls, tls, or none (on the same machine only).",
        forms.smtp_security,
    )
    smtp_username: str = setting("SMTP_USERNAME", "", "Name we log in with; empty: without.")
    smtp_password: str = setting("SMTP_PASSWORD", "", "Its password.", secret=True)
    smtp_from: str = setting("SMTP_FROM", "", "Mailbox our e-mail comes from.", forms.mailbox)
    arming: str = setting(
        "ARMING",
        "required",
        "Whether a treatment without an acknowledged test page raises an alarm: required or off.",
        forms.arming,
    )
    watchdog_mail_to: str = setting(
        "WATCHDOG_MAIL_TO",
        "",
        "Mailbox the watchdog tells that alarms may not arrive.",
        forms.mailbox,
    )
    watchdog_smtp_url: str = setting(
        "WATCHDOG_SMTP_URL",
        "",
        "Mail server of the watchdog alone: smtp://user:password@host:587 (STARTTLS) or smtps://...:465; default is "
        "the one of SMTP_HOST.",
        forms.smtp_url,
        secret=True,
    )
    watchdog_webhook: str = setting(
        "WATCHDOG_WEBHOOK",
        "",
        "URL the watchdog posts its messages to, as JSON with text, kind and troubles.",
        forms.web_url,
        secret=True,
    )
    watchdog_phone: str = setting(
        "WATCHDOG_PHONE", "", "Number the watchdog texts, as +15551234567.", forms.phone
    )
    watchdog_sms_url: str = setting(
        "WATCHDOG_SMS_URL",
        "",
        "Telephone company of the watchdog (Twilio-shaped REST); better not the one people are called by.",
        forms.web_url,
    )
    watchdog_sms_account: str = setting("WATCHDOG_SMS_ACCOUNT", "", "Account identifier there.")
    watchdog_sms_token: str = setting("WATCHDOG_SMS_TOKEN", "", "Its secret.", secret=True)
    watchdog_sms_from: str = setting("WATCHDOG_SMS_FROM", "", "Number its messages come from.")
    watchdog_ping_url: str = setting(
        "WATCHDOG_PING_URL",
        "",
        "URL of a monitor on another machine, asked regularly while everything is in order; the monitor rings when it "
        "hears nothing.",
        forms.web_url,
        secret=True,
    )
    watchdog_ping_seconds: int = setting(
        "WATCHDOG_PING_SECONDS", "30", "How often that URL is asked.", forms.seconds
    )
    synthetic_seconds: int = setting(
        "SYNTHETIC_SECONDS",
        "60",
        "How often the synthetic patient's alarm goes the whole way to a sink; 0 for never.",
        forms.seconds,
    )
    audit_heads: str = setting(
        "AUDIT_HEADS",
        "",
        "Directories, comma-separated, that signed heads of the audit log are kept in as well: best on"
        " another machine's disk; - prints them. Empty: audit-heads in DATA.",
    )
    session_idle_seconds: int = setting(
        "SESSION_IDLE_SECONDS",
        "900",
        "Automatic logoff: how long the pages of somebody who signed in stay open without a request.",
        forms.some_seconds,
    )
    session_seconds: int = setting(
        "SESSION_SECONDS",
        "43200",
        "How long somebody stays signed in at most, and apps without offline_access with them.",
        forms.some_seconds,
    )
    second_factor: str = setting(
        "SECOND_FACTOR",
        "professionals",
        "Who must have a second factor: professionals (all but patients and care partners), everybody or nobody.",
        forms.second_factor,
    )
    index_spreading: str = setting(
        "INDEX_SPREADING",
        "on",
        "When the search index may be keyed anew by itself where values have become too frequent (docs/encryption.md):"
        " on for any time, off for never, or the hours (UTC) in which it may begin, as 22:00-05:00.",
        forms.hours,
    )
    demo: bool = setting(
        "DEMO",
        "0",
        "Demo mode: the demo page at / and the simulator's control topic; on loopback only.",
        forms.flag,
    )
    demo_page_url: str = setting(
        "DEMO_PAGE_URL", "", "Where / redirects to in demo mode.", forms.web_url
    )
    app_directory: str = setting(
        "APP_DIRECTORY",
        "",
        "Directory of the built app that is served at /app; without it apps/dist of the checkout, where make app puts it.",
        forms.directory,
    )
    log_level: str = setting(
        "LOG_LEVEL", "info", f"How much is logged: {', '.join(LOG_LEVELS)}.", forms.log_level
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
            problems = contradictions(settings)
            if not problems:
                return settings
        raise SettingsError("\n".join(problems))

    @property
    def companies(self) -> tuple[tuple[str, str, str, str], tuple[str, str, str, str]]:
        """The telephone companies as (URL, account, secret, number), "" where none is set."""
        return (
            (self.sms_url, self.sms_account, self.sms_token, self.sms_from),
            (self.sms_url_2, self.sms_account_2, self.sms_token_2, self.sms_from_2),
        )

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
    def audit_heads_places(self) -> tuple[str, ...]:
        """The places of AUDIT_HEADS: directories, or ``-`` for standard output."""
        stated = tuple(one.strip() for one in self.audit_heads.split(",") if one.strip())
        return stated or (str(self.data / "audit-heads"),)

    @property
    def local_url(self) -> str:
        """The URL this machine itself reaches the server at, whatever the public one is."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared
        scheme = "https" if self.tls_certificate else "http"
        return (
            f"{scheme}://[{host}]:{self.port}" if ":" in host else f"{scheme}://{host}:{self.port}"
        )

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
