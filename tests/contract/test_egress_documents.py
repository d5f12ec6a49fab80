"""Documents fetched from URLs that clients chose, as the public keys of apps are: by the rules for deliveries."""

import pytest

from subscriptions.channels.egress import Egress, EndpointFailed
from tests.contract.receivers import SAID, Manner, http_receiver
from tests.contract.sending import NAME, ONLY_ONE, Stub, sending
from tests.patience import PATIENCE_SECONDS


async def get(out: Egress, url: str, timeout_seconds: float = PATIENCE_SECONDS) -> bytes:
    return await out.get(url, [("Accept", "application/json")], timeout_seconds)


async def test_a_document_is_fetched_whole() -> None:
    async with http_receiver() as receiver, sending() as out:
        assert await get(out, receiver.url(path="/jwks?a=1")) == SAID.encode()
        [asked] = receiver.got
    assert (asked.path, asked.body) == ("/jwks?a=1", b"")
    names = {name.lower() for name, _ in asked.headers}
    assert {"accept", "user-agent", "host"} <= names
    assert "content-length" not in names


@pytest.mark.parametrize("status", [204, 301, 304, 401, 404, 500])
async def test_only_200_has_a_document(status: int) -> None:
    async with http_receiver() as receiver, sending() as out:
        receiver.status = status
        with pytest.raises(EndpointFailed, match=str(status)):
            await get(out, receiver.url())


@pytest.mark.parametrize("manner", ["hangs", "resets", "drips", "floods", "redirects"])
async def test_a_server_that_misbehaves_has_no_document(manner: Manner) -> None:
    async with http_receiver() as receiver, http_receiver() as inside, sending() as out:
        receiver.manner, receiver.elsewhere = manner, inside.url()
        with pytest.raises(EndpointFailed):
            await get(out, receiver.url(), 0.5)
        assert inside.got == []


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.2/jwks",
        "https://10.0.0.1/jwks",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/jwks",
        "https://localhost/jwks",
        "http://ehr.example.org/jwks",
        "file:///etc/passwd",
    ],
)
async def test_addresses_inside_are_refused(url: str) -> None:
    async with sending(ONLY_ONE, stub=Stub([["127.0.0.2"]])) as out:
        with pytest.raises(EndpointFailed):
            await get(out, url)


async def test_a_name_with_one_address_inside_is_refused() -> None:
    async with http_receiver() as receiver:
        stub = Stub([["127.0.0.1", "10.0.0.1"]])
        async with sending(ONLY_ONE, stub=stub) as out:
            with pytest.raises(EndpointFailed, match="refused"):
                await get(out, f"https://{NAME}:{receiver.port}/jwks")
        assert receiver.got == []
