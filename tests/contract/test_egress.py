"""Where a POST may go and what it carries, over real connections: names, certificates, addresses, headers."""

import base64
import hashlib
import hmac
import ssl
from datetime import UTC, datetime
from typing import Any

import pytest
import trustme
from standardwebhooks import Webhook, WebhookVerificationError

from subscriptions.channels.egress import Answer, EndpointFailed
from subscriptions.channels.rest_hook import RestHook
from tests.contract.receivers import certificate, http_receiver
from tests.contract.sending import NAME, ONLY_ONE, Stub, post, sending
from tests.contract.test_channels import parcel

JSON = "application/fhir+json"
SECRET = "a secret of thirty-two characters"


# What is sent


async def test_the_request_as_it_arrives() -> None:
    async with http_receiver() as receiver, sending() as out:
        headers = [("Authorization", "Bearer t"), ("X-Team", "a"), ("X-Team", "b")]
        answer = await out.post(receiver.url(path="/a/b?c=d%20e"), headers, b"{}", 5)
    assert answer == Answer(200)
    (request,) = receiver.got
    assert request.path == "/a/b?c=d%20e"
    assert request.body == b"{}"
    assert request.headers == [
        ("Host", f"127.0.0.1:{receiver.port}"),
        *headers,
        ("Content-Length", "2"),
        ("User-Agent", "fhirserver"),
    ]


async def test_every_header_and_the_content_type_as_the_client_wrote_them() -> None:
    async with http_receiver() as receiver, sending() as out:
        mime = "application/fhir+json; fhirVersion=4.0"
        lines = ("Authorization: Bearer secret", "X-Empty:", "User-Agent: ours", "X-Two: a, b")
        channel = RestHook(out)
        assert await channel.deliver(parcel(channel, receiver.url(), mime, headers=lines)) is None
    headers = receiver.got[0].headers
    for pair in [
        ("Authorization", "Bearer secret"),
        ("X-Empty", ""),
        ("User-Agent", "ours"),
        ("X-Two", "a, b"),
        ("Content-Type", mime),
    ]:
        assert headers.count(pair) == 1
    assert not [name for name, _ in headers if name.lower().startswith(("webhook", "x-hub"))]


async def test_plain_r4_without_payload_is_an_empty_post() -> None:
    async with http_receiver() as receiver, sending() as out:
        channel = RestHook(out)
        empty = parcel(channel, receiver.url(), JSON, body=b"", mime=None, content=None)
        assert await channel.deliver(empty) is None
    (request,) = receiver.got
    assert request.body == b""
    assert ("Content-Length", "0") in request.headers
    assert "Content-Type" not in dict(request.headers)


async def signed(**changes: Any) -> dict[str, Any]:
    async with http_receiver() as receiver, sending() as out:
        channel = RestHook(out)
        made = parcel(channel, receiver.url(), "application/fhir+json", secret=SECRET, **changes)
        assert await channel.deliver(made) is None
    return {"headers": dict(receiver.got[0].headers), "body": receiver.got[0].body}


async def test_a_standard_webhooks_library_accepts_the_signature() -> None:
    got = await signed(at=datetime.now(UTC))
    library = Webhook(base64.b64encode(SECRET.encode()).decode())
    library.verify(got["body"], got["headers"])
    with pytest.raises(WebhookVerificationError):
        library.verify(got["body"] + b" ", got["headers"])


async def test_a_standard_webhooks_library_refuses_an_old_post() -> None:
    got = await signed()
    library = Webhook(base64.b64encode(SECRET.encode()).decode())
    with pytest.raises(WebhookVerificationError, match="old"):
        library.verify(got["body"], got["headers"])


async def test_the_signature_of_the_body_alone() -> None:
    got = await signed()
    expected = hmac.new(SECRET.encode(), got["body"], hashlib.sha256).hexdigest()
    assert got["headers"]["X-Hub-Signature-256"] == f"sha256={expected}"


async def test_nothing_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
    ):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with http_receiver() as receiver, sending() as out:
        assert (await post(out, receiver.url())).status == 200


# Where it goes


async def test_the_name_is_proven_and_the_checked_address_is_called(
    authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    stub = Stub([["127.0.0.1"]])
    async with (
        http_receiver(tls=certificate(authority, NAME)) as receiver,
        sending(ONLY_ONE, tls=trusting, stub=stub) as out,
    ):
        assert (await post(out, receiver.url(NAME))).status == 200
    assert receiver.names == [NAME]
    assert dict(receiver.got[0].headers)["Host"] == f"{NAME}:{receiver.port}"
    assert stub.asked == [(NAME, receiver.port)]


async def test_a_certificate_of_another_name_is_refused(
    authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    async with (
        http_receiver(tls=certificate(authority, "other.example.org", "127.0.0.1")) as receiver,
        sending(ONLY_ONE, tls=trusting, stub=Stub([["127.0.0.1"]])) as out,
    ):
        with pytest.raises(EndpointFailed, match="TLS"):
            await post(out, receiver.url(NAME))
    assert receiver.got == []


async def test_a_certificate_of_nobody_we_trust_is_refused(authority: trustme.CA) -> None:
    async with (
        http_receiver(tls=certificate(authority, NAME)) as receiver,
        sending(ONLY_ONE, stub=Stub([["127.0.0.1"]])) as out,
    ):
        with pytest.raises(EndpointFailed, match="TLS"):
            await post(out, receiver.url(NAME))
    assert receiver.got == []


async def test_a_name_that_changes_its_mind_gains_nothing(
    authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    """DNS rebinding: the checked address first, an inner one at the next question."""
    tls = certificate(authority, NAME)
    stub = Stub([["127.0.0.1"], ["127.0.0.2"]])
    async with http_receiver(tls=tls) as receiver:
        port = receiver.port
        async with (
            http_receiver("127.0.0.2", port, tls=certificate(authority, NAME)) as inside,
            sending(ONLY_ONE, tls=trusting, stub=stub) as out,
        ):
            assert (await post(out, receiver.url(NAME))).status == 200
            for _ in range(3):  # the kept connection is not used either: the name has moved
                with pytest.raises(EndpointFailed, match="loopback"):
                    await post(out, receiver.url(NAME))
    assert (len(receiver.got), inside.connections) == (1, 0)
    assert len(stub.asked) == 4


@pytest.mark.parametrize(
    "addresses",
    [
        [],
        ["127.0.0.2"],
        ["127.0.0.1", "127.0.0.2"],
        ["127.0.0.1", "169.254.169.254"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["10.0.0.1"],
        ["100.64.0.1"],
        ["fd00:ec2::254"],
    ],
)
async def test_one_address_inside_is_enough_to_refuse(addresses: list[str]) -> None:
    async with (
        http_receiver("127.0.0.2") as inside,
        sending(ONLY_ONE, stub=Stub([addresses])) as out,
    ):
        with pytest.raises(EndpointFailed):
            await post(out, f"https://{NAME}:{inside.port}/")
    assert inside.connections == 0


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.2/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.2]/",
        "https://2130706434/",
        "https://0x7f000002/",
        "https://127.2/",
        "https://localhost./",
        "https://u:p@ehr.example.org/",
        "http://ehr.example.org/",
        "https://ehr.example.org:22/",
        "file:///etc/passwd",
        "https://ehr.example.org\\@127.0.0.2/",
    ],
)
async def test_no_name_server_is_asked_about_what_cannot_be_meant(url: str) -> None:
    stub = Stub([["127.0.0.1"]])
    async with sending(ONLY_ONE, stub=stub) as out:
        with pytest.raises(EndpointFailed):
            await post(out, url)
    assert stub.asked == []


async def test_the_next_address_of_the_host_when_one_has_no_connection() -> None:
    async with http_receiver("127.0.0.2") as receiver:
        stub = Stub([["127.0.0.1", "127.0.0.2"]])
        async with sending(stub=stub) as out:
            assert (await post(out, f"http://{NAME}:{receiver.port}/")).status == 200
    assert len(receiver.got) == 1
