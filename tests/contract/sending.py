"""Sends to receivers over real connections, with a name server that says what a test wants."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network

from subscriptions.channels.egress import Answer, Egress
from subscriptions.core.endpoint import EndpointPolicy
from tests.patience import PATIENCE_SECONDS

ANYWHERE = EndpointPolicy(allow_insecure=True)
# As if 127.0.0.1 were an address of the internet, and everything else inside.
ONLY_ONE = EndpointPolicy(allow_insecure=False, networks=(ip_network("127.0.0.1/32"),))
NAME = "ehr.example.org"


@dataclass
class Stub:
    """A name server that may say something else each time."""

    answers: list[Sequence[str]]
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


@asynccontextmanager
async def sending(
    policy: EndpointPolicy = ANYWHERE,
    *,
    tls: ssl.SSLContext | None = None,
    stub: Stub | None = None,
) -> AsyncIterator[Egress]:
    out = Egress(policy, resolver=stub, tls=tls)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield out
    finally:
        await out.close()


async def post(out: Egress, url: str, timeout_seconds: float = PATIENCE_SECONDS) -> Answer:
    return await out.post(url, [("X-A", "b")], b"{}", timeout_seconds)
