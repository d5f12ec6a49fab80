"""Where a POST may go: the name is checked once, and the checked address is what is called."""

from collections.abc import Sequence
from typing import Any, Self

import pytest

from subscriptions.channels.egress import Egress, EndpointFailed


class Answer:
    is_success = True
    status_code = 200

    def __init__(self, chunks: int = 1) -> None:
        self.chunks = chunks
        self.read = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def aiter_raw(self) -> Any:
        for _ in range(self.chunks):
            self.read += 1
            yield b"x" * 16_384


class Wire:
    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[tuple[str, dict[str, str], Any]] = []

    def stream(self, method: str, url: str, **how: Any) -> Answer:
        assert method == "POST"
        self.requests.append((url, how["headers"], how["extensions"]))
        return self.answer


def egress(*addresses: str, insecure: bool = False, answer: Answer | None = None) -> Any:
    asked: list[tuple[str, int]] = []

    async def resolver(host: str, port: int) -> Sequence[str]:
        asked.append((host, port))
        return addresses

    out: Any = Egress(allow_insecure=insecure, resolver=resolver)
    out._client = Wire(answer or Answer())
    out.asked = asked
    return out


async def post(out: Any, url: str = "https://ehr.example.org/hook?a=1") -> None:
    await out.post(url, {"X-A": "b"}, b"{}", 5.0)


async def test_the_checked_address_is_called_under_the_name() -> None:
    out = egress("93.184.216.34")
    await post(out)
    ((url, headers, extensions),) = out._client.requests
    assert url == "https://93.184.216.34:443/hook?a=1"
    assert headers["Host"] == "ehr.example.org"
    assert extensions == {"sni_hostname": "ehr.example.org"}
    assert out.asked == [("ehr.example.org", 443)]


async def test_an_ipv6_address() -> None:
    out = egress("2606:4700::1111")
    await post(out, "https://ehr.example.org:8443")
    assert out._client.requests[0][0] == "https://[2606:4700::1111]:8443/"


@pytest.mark.parametrize(
    "addresses",
    [
        (),
        ("127.0.0.1",),
        ("10.1.2.3",),
        ("169.254.169.254",),
        ("::1",),
        ("::ffff:127.0.0.1",),
        ("93.184.216.34", "127.0.0.1"),
    ],
)
async def test_nothing_is_sent_inside(addresses: tuple[str, ...]) -> None:
    out = egress(*addresses)
    with pytest.raises(EndpointFailed):
        await post(out)
    assert out._client.requests == []


async def test_plain_http_is_not_called() -> None:
    out = egress("93.184.216.34")
    with pytest.raises(EndpointFailed, match="https"):
        await post(out, "http://ehr.example.org/")


async def test_development_may_call_anything() -> None:
    out = egress("127.0.0.1", insecure=True)
    await post(out, "http://localhost:8000/x")
    assert out._client.requests[0][0] == "http://127.0.0.1:8000/x"


@pytest.mark.parametrize("status", [199, 301, 302, 307, 400, 410, 500])
async def test_only_success_counts(status: int) -> None:
    answer = Answer()
    answer.is_success, answer.status_code = False, status
    with pytest.raises(EndpointFailed, match=str(status)):
        await post(egress("93.184.216.34", answer=answer))


async def test_a_long_answer_is_not_read() -> None:
    answer = Answer(chunks=10_000)
    await post(egress("93.184.216.34", answer=answer))
    assert answer.read <= 6


async def test_a_name_that_does_not_resolve() -> None:
    async def resolver(host: str, port: int) -> Sequence[str]:
        raise OSError("no such host")

    out = Egress(allow_insecure=False, resolver=resolver)
    with pytest.raises(EndpointFailed):
        await post(out)
    await out.close()
