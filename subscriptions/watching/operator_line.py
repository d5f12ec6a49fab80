"""The watchdog's own ways to whoever runs the server: e-mail, a web hook, a telephone of another company.

None of them goes through the database, the broker or what delivers to people. Each is tried by itself;
a message counts as taken when one of them took it.
"""

import asyncio
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from typing import Final, Protocol

import aiosmtplib
import httpx
import structlog

from subscriptions.channels.email import MailServer
from subscriptions.channels.telephony import Refused, Unavailable
from subscriptions.channels.twilio import Account, Twilio
from subscriptions.core.vigil import Notice, text_of

_PATIENCE_SECONDS: Final = 15.0

_log = structlog.get_logger("watchdog")


class NotTaken(Exception):
    """A way that did not take the message, and why."""


class Way(Protocol):
    """One way to the operator."""

    @property
    def name(self) -> str:
        """Return what it is called in log lines."""

    async def tell(self, notice: Notice, text: str) -> None:
        """Hand `text` over. Raises `NotTaken`."""


class MailWay:
    """E-mail to one mailbox."""

    name = "e-mail"

    def __init__(self, server: MailServer, to: str, tls: ssl.SSLContext | None = None) -> None:
        """Send through `server`; `tls` judges its certificate, by default as the system does."""
        self._server = server
        self._to = to
        self._tls = tls

    async def tell(self, notice: Notice, text: str) -> None:
        """See `Way.tell`."""
        server = self._server
        message = EmailMessage()
        message["From"] = server.sender
        message["To"] = self._to
        message["Subject"] = (
            "fhirserver: over" if notice.kind == "over" else "fhirserver: alarms may not arrive"
        )
        message.set_content(text)
        try:
            await aiosmtplib.send(
                message,
                hostname=server.host,
                port=server.port,
                username=server.username or None,
                password=server.password or None,
                use_tls=server.security == "tls",
                start_tls=server.security == "starttls",
                tls_context=self._tls,
                timeout=_PATIENCE_SECONDS,
            )
        except (aiosmtplib.SMTPException, OSError) as problem:
            raise NotTaken(type(problem).__name__) from problem


class HookWay:
    """A JSON message posted to a URL; its ``text`` is what chat services show."""

    name = "web hook"

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        """Post to `url` through `client`."""
        self._url = url
        self._client = client

    async def tell(self, notice: Notice, text: str) -> None:
        """See `Way.tell`."""
        body = {
            "kind": notice.kind,
            "text": text,
            "at": notice.at.isoformat(),
            "troubles": [
                {"code": code, "since": since.isoformat()} for code, since in notice.ailments
            ],
        }
        try:
            answer = await self._client.post(self._url, json=body)
        except httpx.HTTPError as problem:
            raise NotTaken(type(problem).__name__) from problem
        if not answer.is_success:
            raise NotTaken(f"answered {answer.status_code}")


class PhoneWay:
    """A text message by a telephone company that is not asked for anything else."""

    name = "telephone"

    def __init__(
        self, account: Account, number: str, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """Text `number` through `account`; `transport` replaces the network in tests."""
        self._company = Twilio(account, transport)
        self._number = number

    async def tell(self, notice: Notice, text: str) -> None:
        """See `Way.tell`."""
        try:
            await self._company.text(self._number, text, "")
        except (Refused, Unavailable) as problem:
            raise NotTaken(str(problem)) from problem


class OperatorLine:
    """All ways together. Without any the log is the only one, and counts as taken."""

    def __init__(self, ways: Sequence[Way], server: str) -> None:
        """Tell of `server`, its URL."""
        self._ways = tuple(ways)
        self._server = server

    async def tell(self, notice: Notice) -> bool:
        """Tell by every way at once; return whether somebody took it."""
        text = text_of(notice, self._server)
        write = _log.warning if notice.kind == "over" else _log.critical
        write("operator", kind=notice.kind, text=text)
        if not self._ways:
            return True
        taken = await asyncio.gather(*(self._try(way, notice, text) for way in self._ways))
        return any(taken)

    async def _try(self, way: Way, notice: Notice, text: str) -> bool:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await way.tell(notice, text)
        except (NotTaken, TimeoutError) as problem:
            _log.error("operator not told", way=way.name, problem=str(problem) or "no answer")
            return False
        return True
