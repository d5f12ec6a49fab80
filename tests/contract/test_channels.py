"""What every channel promises, tried on each of them against real receivers.

A channel of your own joins by one line in `CASES`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import Any
from uuid import UUID

import pytest

from fhirserver.kernel.canonical import (
    BACKPORT,
    TOPIC_DEVICE_ALERT,
    TOPIC_PATIENT_OBSERVATION,
)
from fhirserver.kernel.errors import Problem
from fhirserver.kernel.resource import Json
from subscriptions.channels.channel import Channel, Failure, Parcel
from subscriptions.channels.egress import Egress, EndpointFailed
from subscriptions.channels.email import Email, MailServer
from subscriptions.channels.hl7v2 import PAYLOAD, HL7v2
from subscriptions.channels.http_answer import failure_of
from subscriptions.channels.message import Message
from subscriptions.channels.registry import Tools
from subscriptions.channels.rest_hook import RestHook
from subscriptions.core.channel_kind import http_faults
from subscriptions.core.client_subscription import Wishes, wishes
from subscriptions.core.endpoint import EndpointPolicy
from subscriptions.core.hl7v2.control_id import read_control_id
from subscriptions.core.notification import Focus, NumberedEvent, StatusHeader, notification
from subscriptions.core.payload import render
from tests.contract.mllp_receiver import MllpReceiver, mllp_receiver
from tests.contract.receivers import (
    FLOOD,
    SAID,
    HttpReceiver,
    MailReceiver,
    Manner,
    Receiver,
    http_receiver,
    mail_receiver,
)
from tests.patience import PATIENCE_SECONDS

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)
ATTEMPT = UUID("018f0000-0000-7000-8000-000000000001")
BASE = "https://fhir.example.org/fhir"
ANYWHERE = EndpointPolicy(allow_insecure=True)
STRICT = EndpointPolicy(allow_insecure=False)


class Pager:
    """A channel type as somebody else would write it."""

    code = "https://pagers.example.org|pager"
    custom = True
    needs_handshake = False

    def __init__(self, tools: Tools) -> None:
        self._egress = tools.egress

    def faults(self, wishes: Wishes, policy: EndpointPolicy) -> Iterator[Problem]:
        yield from http_faults(wishes, policy)

    def written_as(self, payload: str | None) -> str | None:
        return payload

    async def deliver(self, parcel: Parcel) -> Failure | None:
        headers = [("Content-Type", "text/plain")]
        text = f"{parcel.title}: {parcel.last}\n".encode() + parcel.body
        try:
            return failure_of(
                await self._egress.post(parcel.endpoint, headers, text, parcel.timeout_seconds)
            )
        except EndpointFailed as problem:
            return Failure(str(problem))

    async def close(self) -> None:
        return


def bundle(number: int = 7) -> Json:
    header = StatusHeader(BASE, "s1", TOPIC_DEVICE_ALERT, "active", number)
    events = [NumberedEvent(number, NOW, None)]
    return notification(header, "event-notification", "id-only", events, at=NOW, entry_id=ATTEMPT)


def observed(number: int = 7) -> Json:
    """A notification with a resource in it: HL7 v2 carries nothing else."""
    resource: Json = {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "code": {"text": "weight"},
        "valueInteger": number,
    }
    header = StatusHeader(BASE, "s1", TOPIC_PATIENT_OBSERVATION, "active", number)
    events = [NumberedEvent(number, NOW, Focus("create", "Observation", f"o{number}", resource))]
    return notification(
        header, "event-notification", "full-resource", events, at=NOW, entry_id=ATTEMPT
    )


def parcel(channel: Channel, endpoint: str, payload: str, **changes: Any) -> Parcel:
    made = Parcel(
        subscription="s1",
        attempt=ATTEMPT,
        kind="event-notification",
        topic=TOPIC_DEVICE_ALERT,
        title="Device alert",
        content="id-only",
        endpoint=endpoint,
        headers=(),
        mime=payload,
        body=render(bundle(), channel.written_as(payload)),
        first=7,
        last=7,
        happened=NOW,
        at=NOW,
        timeout_seconds=PATIENCE_SECONDS,
    )
    return replace(made, **changes)


@dataclass
class Case:
    """A channel, and somebody at the other end."""

    channel: Channel
    receiver: Receiver
    endpoint: str
    payload: str
    numbers: Callable[[], list[str]]
    """The event numbers that arrived, read from what the receiver took."""
    bundle: Callable[[int], Json] = bundle
    headers: tuple[str, ...] = ()
    content: str = "empty"
    topic: str = TOPIC_DEVICE_ALERT

    def body(self, number: int) -> bytes:
        return render(self.bundle(number), self.channel.written_as(self.payload))

    async def deliver(self, **changes: Any) -> Failure | None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            changes = {"body": self.body(7), "headers": self.headers, **changes}
            made = parcel(self.channel, self.endpoint, self.payload, **changes)
            return await self.channel.deliver(made)


def _number(resource: Any) -> str:
    status = resource["entry"][0]["resource"]["parameter"]
    (event,) = (p["part"] for p in status if p["name"] == "notification-event")
    return str(next(p["valueString"] for p in event if p["name"] == "event-number"))


@asynccontextmanager
async def posting(
    make: Callable[[Egress], Channel], read: Callable[[bytes], str]
) -> AsyncIterator[Case]:
    egress = Egress(ANYWHERE)
    channel = make(egress)
    async with http_receiver() as receiver:

        def numbers() -> list[str]:
            return [read(request.body) for request in receiver.got]

        yield Case(channel, receiver, receiver.url(), "application/fhir+json", numbers)
        await channel.close()
        await egress.close()


@asynccontextmanager
async def mailing() -> AsyncIterator[Case]:
    async with mail_receiver() as receiver:
        server = MailServer("127.0.0.1", receiver.port, "none", "alerts@hospital.example.org")
        channel = Email(server)

        def numbers() -> list[str]:
            return [_number(_attached(envelope.content)) for envelope in receiver.got]

        payload = "text/plain;attach=application/fhir+json"
        yield Case(channel, receiver, "mailto:ehr@example.org", payload, numbers)
        await channel.close()


def _attached(content: Any) -> Any:
    (attachment,) = message_from_bytes(content, policy=policy.SMTP).iter_attachments()
    return json.loads(attachment.get_content())


@asynccontextmanager
async def speaking_v2() -> AsyncIterator[Case]:
    egress = Egress(ANYWHERE)
    channel = HL7v2(egress)
    async with mllp_receiver() as receiver:

        def numbers() -> list[str]:
            ids = [read_control_id(message.header.text(10) or "") for message in receiver.got]
            return [str(one.first) for one in ids if one is not None]

        headers = ("message: ORU^R01", "on-AE: set-aside", "on-AR: stop")
        yield Case(
            channel, receiver, receiver.url, PAYLOAD, numbers, observed, headers,
            "full-resource", TOPIC_PATIENT_OBSERVATION,
        )  # fmt: skip
        await channel.close()
        await egress.close()


CASES: dict[str, Callable[[], Any]] = {
    "rest-hook": lambda: posting(RestHook, lambda body: _number(json.loads(body))),
    "message": lambda: posting(
        lambda egress: Message(egress, BASE),
        lambda body: _number(json.loads(body)["entry"][1]["resource"]),
    ),
    "email": mailing,
    "hl7v2": speaking_v2,
    "custom": lambda: posting(
        lambda egress: Pager(Tools(egress, BASE)),
        lambda body: body.partition(b"\n")[0].rpartition(b" ")[2].decode(),
    ),
}


@pytest.fixture(params=CASES)
async def case(request: pytest.FixtureRequest) -> AsyncIterator[Case]:
    async with CASES[request.param]() as made:
        yield made


async def test_it_says_who_it_is(case: Case) -> None:
    channel = case.channel
    assert channel.custom is ("|" in channel.code)
    assert isinstance(channel.needs_handshake, bool)


async def test_a_parcel_arrives_once_and_whole(case: Case) -> None:
    assert await case.deliver() is None
    assert case.numbers() == ["7"]


async def test_many_at_once(case: Case) -> None:
    async def one(number: int) -> None:
        made = case.body(number)
        assert await case.deliver(body=made, first=number, last=number) is None

    async with asyncio.TaskGroup() as tasks:
        for number in range(30):
            tasks.create_task(one(number))
    assert sorted(map(int, case.numbers())) == list(range(30))


@pytest.mark.parametrize(
    ("manner", "verdict"),
    [("busy", "try-again"), ("never-this", "never-this"), ("never-here", "never-here")],
)
async def test_a_refusal_says_what_it_means(case: Case, manner: Manner, verdict: str) -> None:
    case.receiver.manner = manner
    failure = await case.deliver()
    assert failure is not None
    assert failure.verdict == verdict


@pytest.mark.parametrize("manner", ["busy", "never-this", "never-here", "redirects"])
async def test_a_reason_is_in_our_words(case: Case, manner: Manner) -> None:
    case.receiver.manner = manner
    failure = await case.deliver()
    assert failure is not None
    assert failure.reason
    assert SAID not in failure.reason
    assert "Ann" not in failure.reason


@pytest.mark.parametrize("manner", ["hangs", "drips"])
async def test_a_slow_receiver_fails_in_its_time(case: Case, manner: Manner) -> None:
    case.receiver.manner = manner
    failure = await case.deliver(timeout_seconds=0.3)
    assert failure is not None
    assert failure.verdict == "try-again"
    assert "in time" in failure.reason


async def test_a_broken_connection_may_work_later(case: Case) -> None:
    case.receiver.manner = "resets"
    failure = await case.deliver()
    assert failure is not None
    assert failure.verdict == "try-again"


async def test_a_flood_is_not_read(case: Case) -> None:
    case.receiver.manner = "floods"
    failure = await case.deliver()
    # HTTP had answered 200 before the flood; a mail server answers by what it floods with.
    assert failure is None or failure.verdict == "try-again"
    async with asyncio.timeout(PATIENCE_SECONDS):
        await case.receiver.left.wait()
    assert case.receiver.flooded < FLOOD


async def test_it_works_again_afterwards(case: Case) -> None:
    for manner in ("resets", "floods", "busy"):
        case.receiver.manner = manner
        await case.deliver()
    case.receiver.manner = "takes"
    assert await case.deliver() is None
    assert case.numbers()[-1] == "7"


async def test_it_goes_where_it_was_sent_and_nowhere_else(case: Case) -> None:
    async with http_receiver() as elsewhere:
        case.receiver.manner = "redirects"
        if isinstance(case.receiver, HttpReceiver):
            case.receiver.elsewhere = elsewhere.url()
        assert await case.deliver() is not None
        assert elsewhere.connections == 0


async def test_nobody_there(case: Case) -> None:
    async with http_receiver() as gone:
        port = gone.port
    if isinstance(case.receiver, MailReceiver):
        server = MailServer("127.0.0.1", port, "none", "alerts@hospital.example.org")
        case.channel = Email(server)
    elif isinstance(case.receiver, MllpReceiver):
        case.endpoint = f"mllp://127.0.0.1:{port}"
    else:
        case.endpoint = f"http://127.0.0.1:{port}/hook"
    failure = await case.deliver()
    assert failure is not None
    assert failure.verdict == "try-again"


@pytest.mark.parametrize("manner", ["hangs", "drips"])
async def test_a_cancellation_leaves_nothing(case: Case, manner: Manner) -> None:
    case.receiver.manner = manner
    sending = asyncio.ensure_future(case.deliver())
    async with asyncio.timeout(PATIENCE_SECONDS):
        await case.receiver.arrived.wait()
        await asyncio.sleep(0.05)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        case.receiver.over.set()
        await case.receiver.left.wait()


def wish(case: Case, **channel: Any) -> Wishes:
    made: Json = {
        "resourceType": "Subscription",
        "criteria": case.topic,
        "channel": {
            "type": "rest-hook" if case.channel.custom else case.channel.code,
            "endpoint": case.endpoint.replace("://127.0.0.1", "s://ehr.example.org"),
            "payload": case.payload,
            "header": list(case.headers),
            "_payload": {
                "extension": [
                    {"url": BACKPORT + "backport-payload-content", "valueCode": case.content}
                ]
            },
            **channel,
        },
    }
    return wishes(made)


async def test_a_right_subscription_has_no_fault(case: Case) -> None:
    assert list(case.channel.faults(wish(case), STRICT)) == []


@pytest.mark.parametrize(
    "endpoint", [None, "", "ftp://example.org/", "mailto:a@b.example?cc=c@d.example", "tel:+1555"]
)
async def test_a_wrong_endpoint_is_a_fault(case: Case, endpoint: str | None) -> None:
    found = list(case.channel.faults(wish(case, endpoint=endpoint), STRICT))
    assert {p.expression for p in found} == {"Subscription.channel.endpoint"}
    assert all(p.severity == "error" for p in found)
