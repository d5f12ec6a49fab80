"""E-mail notifications as a real mail server gets them: how it is spoken to, and what the letters hold."""

import asyncio
import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

import pytest
import trustme

from fhirserver.kernel.canonical import TOPIC_DEVICE_ALERT
from fhirserver.kernel.resource import Json
from fhirserver.wire import fhir_xml
from subscriptions.channels.channel import Failure
from subscriptions.channels.email import Email, MailServer, Security
from subscriptions.core.notification import (
    Content,
    Focus,
    NumberedEvent,
    StatusHeader,
    notification,
)
from subscriptions.core.payload import render
from tests.contract.receivers import MailReceiver, certificate, mail_receiver
from tests.contract.test_channels import ATTEMPT, BASE, NOW, parcel
from tests.patience import PATIENCE_SECONDS

SENDER = "alerts@hospital.example.org"
TO = "mailto:ehr@example.org"
FLAG: Json = {
    "resourceType": "Flag",
    "id": "f1",
    "status": "active",
    "code": {"text": "air in the line"},
    "subject": {"reference": "Patient/ann", "display": "Ann Example"},
}


def channel(
    receiver: MailReceiver,
    security: Security = "none",
    tls: ssl.SSLContext | None = None,
    **login: str,
) -> Email:
    # The certificate is for the name, so the server is called by it.
    host = "127.0.0.1" if security == "none" else "localhost"
    return Email(MailServer(host, receiver.port, security, SENDER, **login), tls)


async def deliver(email: Email, payload: str = "text/plain", **changes: Any) -> Any:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await email.deliver(parcel(email, TO, payload, **changes))


def read(receiver: MailReceiver) -> EmailMessage:
    (envelope,) = receiver.got
    assert envelope.rcpt_tos == ["ehr@example.org"]
    assert envelope.mail_from == SENDER
    content = cast("bytes", envelope.content)
    return message_from_bytes(content, policy=policy.SMTP)


async def test_starttls(authority: trustme.CA, trusting: ssl.SSLContext) -> None:
    async with mail_receiver(starttls=certificate(authority, "localhost")) as receiver:
        assert await deliver(channel(receiver, "starttls", trusting)) is None
        assert receiver.secured == [True]


async def test_starttls_is_never_left_out(trusting: ssl.SSLContext) -> None:
    async with mail_receiver() as receiver:
        failure = await deliver(channel(receiver, "starttls", trusting))
        assert failure is not None
        assert failure.verdict == "try-again"
        assert receiver.got == []


async def test_tls_from_the_first_byte(authority: trustme.CA, trusting: ssl.SSLContext) -> None:
    async with mail_receiver(tls=certificate(authority, "localhost")) as receiver:
        assert await deliver(channel(receiver, "tls", trusting)) is None
        assert len(receiver.got) == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_certificate_of_another_name_is_refused(
    security: Security, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    wrong = certificate(authority, "other.example.org")
    starttls, tls = (wrong, None) if security == "starttls" else (None, wrong)
    async with mail_receiver(starttls=starttls, tls=tls) as receiver:
        failure = await deliver(channel(receiver, security, trusting))
        assert failure is not None
        assert failure.verdict == "try-again"
        assert receiver.got == []


@pytest.mark.parametrize(("password", "taken"), [("right", True), ("wrong", False)])
async def test_login(
    password: str, taken: bool, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    async with mail_receiver(starttls=certificate(authority, "localhost"), login=True) as receiver:
        receiver.users = [("us", "right")]
        login = {"username": "us", "password": password}
        failure = await deliver(channel(receiver, "starttls", trusting, **login))
        assert failure == (None if taken else Failure("the mail server answered 535"))
        assert len(receiver.got) == taken


async def test_the_head_of_a_letter() -> None:
    async with mail_receiver() as receiver:
        await deliver(channel(receiver))
        letter = read(receiver)
    assert letter["From"] == SENDER
    assert letter["To"] == "ehr@example.org"
    assert letter["Subject"] == "Device alert: 1 event"
    assert letter["Date"].datetime == NOW
    assert letter["Message-ID"] == f"<{ATTEMPT}@hospital.example.org>"
    assert letter["Auto-Submitted"] == "auto-generated"


def told(content: Content) -> Json:
    header = StatusHeader(BASE, "s1", TOPIC_DEVICE_ALERT, "active", 8)
    focus = None if content == "empty" else Focus("create", "Flag", "f1", FLAG)
    at = datetime(2026, 8, 1, 11, 59, tzinfo=UTC)
    events = [NumberedEvent(number, at, focus) for number in (7, 8)]
    return notification(header, "event-notification", content, events, at=NOW, entry_id=ATTEMPT)


def words(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def attachments(message: EmailMessage) -> Iterator[EmailMessage]:
    return message.iter_attachments()


@pytest.mark.parametrize("content", ["empty", "id-only", "full-resource"])
async def test_the_content_level_binds_text_and_attachment(content: Content) -> None:
    async with mail_receiver() as receiver:
        body = render(told(content), "application/fhir+json")
        payload = "text/plain;attach=application/fhir+json"
        assert await deliver(channel(receiver), payload, body=body, content=content) is None
        letter = read(receiver)
    text = words(letter)
    assert "Event 7" in text
    assert "2026-08-01T11:59:00.000Z" in text
    assert ("Flag/f1" in text) is (content != "empty")
    for person in ("Ann", "air in the line", "Patient/ann"):
        assert person not in text
    assert letter["Subject"] == "Device alert: 2 events"
    (attachment,) = attachments(letter)
    assert attachment.get_content_type() == "application/fhir+json"
    assert attachment.get_filename() == "notification.json"
    assert json.loads(cast("bytes", attachment.get_content())) == json.loads(body)
    assert (b"Ann Example" in body) is (content == "full-resource")


async def test_text_alone() -> None:
    async with mail_receiver() as receiver:
        assert await deliver(channel(receiver)) is None
        letter = read(receiver)
    assert "Event 7" in words(letter)
    assert list(attachments(letter)) == []


async def test_an_attachment_in_xml() -> None:
    async with mail_receiver() as receiver:
        payload = 'text/plain; attach="application/fhir+xml"'
        assert await deliver(channel(receiver), payload) is None
        letter = read(receiver)
    assert "Event 7" in words(letter)
    (attachment,) = attachments(letter)
    assert attachment.get_content_type() == "application/fhir+xml"
    read_back = fhir_xml.read(cast("bytes", attachment.get_content()))
    assert read_back["type"] == "history"


async def test_plain_r4_without_payload_says_that_something_happened() -> None:
    async with mail_receiver() as receiver:
        email = channel(receiver)
        async with asyncio.timeout(PATIENCE_SECONDS):
            empty = parcel(email, TO, "text/plain", mime=None, body=b"", content=None)
            assert await email.deliver(empty) is None
        letter = read(receiver)
    assert letter["Subject"] == "Device alert: an event"
    assert list(attachments(letter)) == []


async def test_letters_beyond_ascii_and_line_breaks_in_a_title() -> None:
    async with mail_receiver() as receiver:
        title = "Ger\u00e4tealarm\r\nBcc: eve@example.org"
        assert await deliver(channel(receiver), title=title) is None
        letter = read(receiver)
    assert letter["Bcc"] is None
    assert letter["Subject"] == "Ger\u00e4tealarm Bcc: eve@example.org: 1 event"
