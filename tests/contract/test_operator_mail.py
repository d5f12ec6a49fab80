"""The watchdog's e-mail as a real mail server gets it."""

import asyncio
import ssl
from datetime import UTC, datetime
from email import message_from_bytes, policy

import trustme

from subscriptions.channels.email import MailServer
from subscriptions.core.vigil import Notice
from subscriptions.watching.operator_line import MailWay, OperatorLine
from tests.contract.receivers import certificate, mail_receiver
from tests.patience import PATIENCE_SECONDS

NOW = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)
NOTICE = Notice("trouble", (("database-away", NOW),), NOW)


async def test_the_operator_gets_a_letter_over_starttls_with_a_login(
    authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    async with mail_receiver(starttls=certificate(authority, "localhost"), login=True) as receiver:
        receiver.users.append(("us", "secret"))
        server = MailServer(
            "localhost", receiver.port, "starttls", "server@example.org", "us", "secret"
        )
        way = MailWay(server, "operator@example.org", trusting)
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await OperatorLine([way], "https://fhir").tell(NOTICE)
        (envelope,) = receiver.got
    assert envelope.rcpt_tos == ["operator@example.org"]
    assert isinstance(envelope.content, bytes)
    letter = message_from_bytes(envelope.content, policy=policy.default)
    assert letter["Subject"] == "fhirserver: alarms may not arrive"
    assert "the database does not answer" in letter.get_content()


async def test_a_mail_server_that_refuses_has_not_told_anybody() -> None:
    async with mail_receiver() as receiver:
        receiver.manner = "busy"
        server = MailServer("127.0.0.1", receiver.port, "none", "server@example.org")
        line = OperatorLine([MailWay(server, "operator@example.org")], "https://fhir")
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert not await line.tell(NOTICE)
