"""The email channel: notifications by SMTP, through the one mail server the operator names.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#email. Handed over means: the mail
server has taken the message (RFC 5321, section 4.1.1.4); what becomes of it after that nobody tells.
"""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Literal

import aiosmtplib

from fhirserver.kernel.errors import Problem
from fhirserver.wire import fhir_json, fhir_xml
from subscriptions.channels.channel import Failure, Parcel
from subscriptions.core.channel_kind import fault, signature_fault
from subscriptions.core.client_subscription import Wishes
from subscriptions.core.endpoint import EndpointPolicy
from subscriptions.core.letter import Letter, attachment_of, letter, letter_fault, mailbox_of
from subscriptions.core.payload import FORMS, mime_of

Security = Literal["starttls", "tls", "none"]
# Written for the text when no attachment is wanted.
_FOR_THE_TEXT: Final = "application/fhir+json"
_GOODBYE_SECONDS: Final = 1.0
_FOR_GOOD: Final = 500


@dataclass(frozen=True, slots=True)
class MailServer:
    """The operator's mail server, and the mailbox our mail comes from.

    ``starttls`` and ``tls`` refuse a server without a trusted certificate of its name; ``none`` is
    for a server on the same machine. Without `username` nobody logs in.
    """

    host: str
    port: int
    security: Security
    sender: str
    username: str = ""
    password: str = field(default="", repr=False)


class Email:
    """Implements `Channel`."""

    code = "email"
    custom = False
    needs_handshake = True

    def __init__(self, server: MailServer, tls: ssl.SSLContext | None = None) -> None:
        """Send through `server`; `tls` judges its certificate, by default as the system does."""
        self._server = server
        self._tls = tls

    def faults(self, wishes: Wishes, policy: EndpointPolicy) -> Iterator[Problem]:
        """See `ChannelKind.faults`."""
        if mailbox_of(wishes.endpoint) is None:
            yield fault("endpoint", "an e-mail goes to one mailbox: mailto:name@example.org")
        if wishes.headers:
            yield fault("header", "an e-mail carries no headers of the Subscription")
        if wishes.payload is None:
            if not wishes.plain:
                yield fault("payload", "a payload type is required")
        elif (reason := letter_fault(wishes.payload)) is not None:
            yield fault("payload", reason)
        yield from signature_fault(wishes)

    def written_as(self, payload: str | None) -> str | None:
        """See `Channel.written_as`."""
        return _written_as(payload)

    async def deliver(self, parcel: Parcel) -> Failure | None:
        """See `Channel.deliver`."""
        recipient = mailbox_of(parcel.endpoint)
        if recipient is None:
            return Failure("not a mailbox", "never-here")
        message = letter(_content(parcel, self._server.sender, recipient))
        server = self._server
        smtp = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            local_hostname=server.sender.rpartition("@")[2],
            username=server.username or None,
            password=server.password or None,
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
            tls_context=self._tls,
            timeout=parcel.timeout_seconds,
        )
        try:
            async with asyncio.timeout(parcel.timeout_seconds):
                await smtp.connect()
                await smtp.send_message(message, sender=server.sender, recipients=[recipient])
            await _say_goodbye(smtp)
        except (aiosmtplib.SMTPException, OSError) as problem:
            return _failure(problem)
        finally:
            smtp.close()
        return None

    async def close(self) -> None:
        """See `Channel.close`."""


def _written_as(payload: str | None) -> str | None:
    return None if payload is None else attachment_of(payload) or _FOR_THE_TEXT


def _content(parcel: Parcel, sender: str, recipient: str) -> Letter:
    written = _written_as(parcel.mime)
    notification = None
    if written is not None and parcel.body:
        is_json = FORMS[mime_of(written)[0]] == "json"
        notification = fhir_json.read_own(parcel.body) if is_json else fhir_xml.read(parcel.body)
    attached_as = None if parcel.mime is None else attachment_of(parcel.mime)
    return Letter(
        id=parcel.attempt,
        sender=sender,
        recipient=recipient,
        at=parcel.at,
        title=parcel.title,
        notification=notification,
        attachment=None if attached_as is None else parcel.body,
        attached_as=attached_as,
    )


async def _say_goodbye(smtp: aiosmtplib.SMTP) -> None:
    """End politely; the message has been taken, so nothing that goes wrong here matters."""
    with suppress(aiosmtplib.SMTPException, OSError):
        async with asyncio.timeout(_GOODBYE_SECONDS):
            await smtp.quit()


def _failure(problem: Exception) -> Failure:
    """Return what a failure means: a mailbox or a message refused for good (5yz), or an outage."""
    if isinstance(problem, TimeoutError):
        return Failure("no answer of the mail server in time")
    if isinstance(problem, aiosmtplib.SMTPRecipientsRefused):
        code = problem.recipients[0].code
        reason = f"the mail server answered {code} to the mailbox"
        return Failure(reason, "never-here" if code >= _FOR_GOOD else "try-again")
    if isinstance(problem, aiosmtplib.SMTPDataError):
        reason = f"the mail server answered {problem.code} to the message"
        return Failure(reason, "never-this" if problem.code >= _FOR_GOOD else "try-again")
    if isinstance(problem, aiosmtplib.SMTPResponseException):
        return Failure(f"the mail server answered {problem.code}")
    return Failure("no connection to the mail server")
