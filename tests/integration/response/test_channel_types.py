"""Subscriptions of every channel type through the one engine: from the write to what a receiver holds."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import Any, cast

import pytest
from standardwebhooks import Webhook

from fhirserver.kernel.canonical import BACKPORT
from fhirserver.kernel.errors import Unprocessable
from fhirserver.kernel.resource import Json
from fhirserver.validation import validate
from fhirserver.wire import fhir_xml
from subscriptions.channels.channel import Channel
from subscriptions.channels.email import Email, MailServer
from subscriptions.channels.message import Message
from subscriptions.channels.registry import Tools
from subscriptions.core.channel_secret import CHANNEL_SECRET
from tests.contract.receivers import MailReceiver, mail_receiver
from tests.contract.test_channels import Pager
from tests.integration.response.conftest import BASE, Place
from tests.integration.response.test_rest_hook import EHR, URL, bundles, status_of, subscription
from tests.patience import PATIENCE_SECONDS

SECRET = "a secret of thirty-two characters"


def have(place: Place, channel: Channel) -> None:
    """Give the server another channel; response, parcels and worker share the same mapping."""
    cast("dict[str, Channel]", place.channels)[channel.code] = channel


async def status(place: Place) -> Any:
    return (await place.get("Subscription", "s1"))["status"]


async def test_the_message_channel(place: Place) -> None:
    have(place, Message(place.receiver, BASE))  # type: ignore[arg-type]
    wish = subscription(url="https://other.example.org/fhir", channel={"type": "message"})
    await place.client_put(wish, EHR)
    await place.work()
    assert await status(place) == "active"
    await place.alarm()
    shake, told = (json.loads(body) for _, _, body in place.receiver.got)
    assert {url for url, _, _ in place.receiver.got} == {
        "https://other.example.org/fhir/$process-message"
    }
    for message in (shake, told):
        assert [p for p in validate(message) if p.severity == "error"] == []
        header, notification = (entry["resource"] for entry in message["entry"])
        assert header["source"]["endpoint"] == BASE
        assert notification["type"] == "history"
    assert status_of(told["entry"][1]["resource"])["events"][0]["event-number"] == "1"


def paging(code: str = "pager") -> Json:
    coding = {"system": "https://pagers.example.org", "code": code}
    extension = {"url": BACKPORT + "backport-channel-type", "valueCoding": coding}
    return subscription(channel={"_type": {"extension": [extension]}})


async def test_a_channel_type_of_somebody_elses(place: Place) -> None:
    have(place, Pager(Tools(place.receiver, BASE)))  # type: ignore[arg-type]
    await place.client_put(paging(), EHR)
    assert await status(place) == "active"  # it says that it needs no handshake
    await place.alarm()
    ((url, _, body),) = place.receiver.got
    assert url == URL
    assert body.startswith(b"Device alert: 1\n{")


async def test_a_channel_type_that_is_not_there(place: Place) -> None:
    have(place, Pager(Tools(place.receiver, BASE)))  # type: ignore[arg-type]
    with pytest.raises(Unprocessable) as refusal:
        await place.client_put(paging("drum"), EHR)
    (problem,) = refusal.value.problems
    assert problem.expression == "Subscription.channel.type.extension"


@pytest.fixture
async def post_office() -> AsyncIterator[MailReceiver]:
    async with mail_receiver() as receiver:
        yield receiver


async def test_the_email_channel(place: Place, post_office: MailReceiver) -> None:
    server = MailServer("127.0.0.1", post_office.port, "none", "alerts@hospital.example.org")
    have(place, Email(server))
    payload = {"type": "email", "payload": "text/plain;attach=application/fhir+xml", "header": []}
    wish = subscription(url="mailto:ehr@example.org", channel=payload)
    del wish["channel"]["header"]
    async with asyncio.timeout(PATIENCE_SECONDS):
        await place.client_put(wish, EHR)
        await place.work()
        assert await status(place) == "active"
        await place.alarm()
    letters: list[Any] = [
        message_from_bytes(cast("bytes", one.content), policy=policy.SMTP)
        for one in post_office.got
    ]
    assert [one["Subject"] for one in letters] == [
        "Device alert: this Subscription starts",
        "Device alert: 1 event",
    ]
    (attachment,) = letters[1].iter_attachments()
    told = fhir_xml.read(attachment.get_content())
    assert status_of(told)["events"][0]["event-number"] == "1"
    assert "Flag/" in letters[1].get_body().get_content()
    assert "ann" not in letters[1]["Subject"]


async def test_a_mailbox_that_does_not_exist_is_an_error_at_once(
    place: Place, post_office: MailReceiver
) -> None:
    server = MailServer("127.0.0.1", post_office.port, "none", "alerts@hospital.example.org")
    have(place, Email(server))
    wish = subscription(
        url="mailto:ehr@example.org", channel={"type": "email", "payload": "text/plain"}
    )
    del wish["channel"]["header"]
    async with asyncio.timeout(PATIENCE_SECONDS):
        await place.client_put(wish, EHR)
        await place.work()
        post_office.manner = "never-here"
        await place.alarm()
    assert await status(place) == "error"


async def test_every_post_is_signed_with_the_secret_that_nobody_reads(place: Place) -> None:
    place.now = datetime.now(UTC)  # the library judges by the clock
    extension = [{"url": CHANNEL_SECRET, "valueString": SECRET}]
    await place.client_put(subscription(channel={"extension": extension}), EHR)
    await place.work()
    assert SECRET not in json.dumps(await place.get("Subscription", "s1"))
    await place.alarm()
    library = Webhook(base64.b64encode(SECRET.encode()).decode())
    assert len(place.receiver.got) == 2
    for _, headers, body in place.receiver.got:
        library.verify(body, headers)


async def test_plain_r4_posts_nothing_or_the_resource(place: Place) -> None:
    def plain(id_: str, url: str, **channel: str) -> Json:
        return {
            "resourceType": "Subscription",
            "id": id_,
            "status": "requested",
            "reason": "their devices",
            "criteria": "Device?status=active",
            "channel": {"type": "rest-hook", "endpoint": url, **channel},
        }

    await place.client_put(plain("s1", URL), EHR)
    other = "https://other.example.org/"
    await place.client_put(plain("s2", other, payload="application/fhir+json"), EHR)
    await place.work()
    assert place.receiver.got == []  # R4 has no handshake
    await place.put({"resourceType": "Device", "id": "d1", "status": "active"})
    await place.put({"resourceType": "Device", "id": "d2", "status": "inactive"})
    assert [body for url, _, body in place.receiver.got if url == URL] == [b""]
    (resource,) = bundles(place, other)
    assert (resource["resourceType"], resource["id"]) == ("Device", "d1")
