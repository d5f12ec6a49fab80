"""How the watchdog's process is put together; `fhirserver.bootstrap` gives connections and settings."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx

from subscriptions.channels.email import MailServer
from subscriptions.channels.twilio import Account
from subscriptions.store.watch_rows import Execute
from subscriptions.watching.dead_man import PATIENCE_SECONDS, DeadMan
from subscriptions.watching.heartbeat import DeviceHeartbeat, Publish
from subscriptions.watching.operator_line import HookWay, MailWay, OperatorLine, PhoneWay, Way
from subscriptions.watching.watchdog import Eyes, Watchdog
from subscriptions.worker.ports import Clock

_ANSWER_SECONDS: Final = 3.0
_SMTP_PORTS: Final = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """How the operator is told. `server` is the URL they know the server by; empty texts mean not wanted."""

    server: str
    mail_server: MailServer | None = None
    mail_to: str = ""
    webhook: str = field(default="", repr=False)
    phone: str = ""
    company: Account | None = None
    ping_url: str = field(default="", repr=False)
    ping_seconds: int = 30


@dataclass(frozen=True, slots=True)
class Surface:
    """What the watchdog sees of the others.

    `health_url` is asked whether the API answers, None: no API here; `health_trust` is how its
    certificate is checked.
    """

    execute: Execute
    lag: Callable[[], Awaitable[timedelta | None]]
    broker: Callable[[], bool]
    publish: Publish
    tenants: Callable[[], Awaitable[Sequence[str]]]
    health_url: str | None
    clock: Clock
    health_trust: ssl.SSLContext | bool = True


async def run(
    operator: OperatorSettings,
    surface: Surface,
    roles: Collection[str],
    synthetic_every: timedelta | None,
    stop: asyncio.Event,
) -> None:
    """Watch `roles` and tell the operator until `stop` is set."""
    async with (
        httpx.AsyncClient(
            timeout=PATIENCE_SECONDS, follow_redirects=False, trust_env=False
        ) as client,
        httpx.AsyncClient(
            verify=surface.health_trust, follow_redirects=False, trust_env=False
        ) as local,
    ):

        async def answers() -> bool | None:
            return await _answers(local, surface.health_url)

        line = OperatorLine(_ways(operator, client), operator.server)
        eyes = Eyes(surface.execute, surface.lag, surface.broker, answers, surface.clock)
        watchdog = Watchdog(eyes, line.tell, roles, synthetic_every)
        heartbeat = DeviceHeartbeat(watchdog, surface.tenants, surface.publish, surface.clock)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(watchdog.run(stop))
            tasks.create_task(heartbeat.run(stop))
            if operator.ping_url and operator.ping_seconds:
                outer = DeadMan(
                    operator.ping_url, operator.ping_seconds, client, lambda: watchdog.is_well
                )
                tasks.create_task(outer.run(stop))


def mail_server_of(url: str, sender: str) -> MailServer:
    """Return the mail server of a URL ``smtp://user:password@host:587`` (STARTTLS) or ``smtps://...``."""
    place = urlsplit(url)
    return MailServer(
        host=place.hostname or "",
        port=place.port or _SMTP_PORTS[place.scheme],
        security="tls" if place.scheme == "smtps" else "starttls",
        sender=sender,
        username=unquote(place.username or ""),
        password=unquote(place.password or ""),
    )


def _ways(operator: OperatorSettings, client: httpx.AsyncClient) -> list[Way]:
    ways: list[Way] = []
    if operator.mail_server is not None and operator.mail_to:
        ways.append(MailWay(operator.mail_server, operator.mail_to))
    if operator.webhook:
        ways.append(HookWay(operator.webhook, client))
    if operator.company is not None and operator.phone:
        ways.append(PhoneWay(operator.company, operator.phone))
    return ways


async def _answers(client: httpx.AsyncClient, url: str | None) -> bool | None:
    if url is None:
        return None
    try:
        return (await client.get(url, timeout=_ANSWER_SECONDS)).is_success
    except httpx.HTTPError:
        return False
