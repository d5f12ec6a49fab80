"""The watchdog's process: what it looks with, put together.

Like `fhirserver.bootstrap` it knows all parts, but it needs neither definitions nor keys, and starts
while the database and the broker are away: that is what it has to tell.
"""

import asyncio
import signal
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import cast

import uvloop
from nats.aio.client import Client

from adapters.mqtt import backlog
from adapters.mqtt.connection import connect
from fhirserver import tls
from fhirserver.settings import Settings
from fhirserver.store.database import open_database
from fhirserver.store.own_rows import OwnRows
from fhirserver.supervisor.database_credentials import database_passwords
from subscriptions.channels.email import MailServer, Security
from subscriptions.channels.twilio import Account
from subscriptions.watching import assembly


def run(settings: Settings) -> None:
    """Watch the other processes until SIGTERM or SIGINT."""
    uvloop.run(_watch(settings))


def mail_server(settings: Settings) -> MailServer | None:
    """Return the mail server of e-mail Subscriptions, None when there is none."""
    if not settings.smtp_host:
        return None
    return MailServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=cast("Security", settings.smtp_security),
        sender=settings.smtp_from,
        username=settings.smtp_username,
        password=settings.smtp_password,
    )


async def _watch(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    passwords = database_passwords(settings.data)
    roles = {role for group in settings.workers for role in group}
    every = settings.synthetic_seconds
    client = Client()
    async with open_database(settings.database_url, passwords, size=2) as database:
        rows = OwnRows(database.work)

        async def lag() -> timedelta | None:
            try:
                return await backlog.lag(client, _now())
            except backlog.CannotTell:
                return None

        async def tenants() -> Sequence[str]:
            return [name for (name,) in await rows("SELECT name FROM tenant", ())]

        surface = assembly.Surface(
            execute=rows,
            lag=lag,
            broker=lambda: client.is_connected,
            publish=client.publish,
            tenants=tenants,
            health_url=f"{settings.local_url}/health/live" if "api" in roles else None,
            clock=_now,
            health_trust=tls.local_context(settings),
        )
        async with asyncio.TaskGroup() as tasks:
            connecting = tasks.create_task(connect(client, settings.nats_url))
            await assembly.run(
                _operator(settings),
                surface,
                roles,
                timedelta(seconds=every) if every else None,
                stop,
            )
            connecting.cancel()
        if client.is_connected:
            await client.close()


def _operator(settings: Settings) -> assembly.OperatorSettings:
    mail = mail_server(settings)
    if settings.watchdog_smtp_url:
        sender = settings.smtp_from or settings.watchdog_mail_to
        mail = assembly.mail_server_of(settings.watchdog_smtp_url, sender)
    company = Account(
        settings.watchdog_sms_url,
        settings.watchdog_sms_account,
        settings.watchdog_sms_token,
        settings.watchdog_sms_from,
    )
    return assembly.OperatorSettings(
        server=settings.base_url,
        mail_server=mail,
        mail_to=settings.watchdog_mail_to,
        webhook=settings.watchdog_webhook,
        phone=settings.watchdog_phone,
        company=company if settings.watchdog_sms_url else None,
        ping_url=settings.watchdog_ping_url,
        ping_seconds=settings.watchdog_ping_seconds,
    )


def _now() -> datetime:
    return datetime.now(UTC)
