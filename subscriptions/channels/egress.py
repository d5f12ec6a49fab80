"""POSTs to endpoints that clients chose, and to nowhere else.

The host is resolved once; every address it has must be public (`core.address`), and the connection
goes to the very address that was checked, so a name that changes its mind between check and use
gains nothing. Redirects are not followed, answers are not read beyond a bound, and connections are
not reused: a kept one was proven for another host of the same address.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import httpx

from subscriptions.core.address import refusal

LARGEST_ANSWER: Final = 64 * 1024
# Threads of their own: a name server that hangs for one client must not hold up the telephones.
_RESOLVERS: Final = ThreadPoolExecutor(16, thread_name_prefix="resolve")
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class EndpointFailed(Exception):
    """The endpoint was not reached, may not be called, or answered something else than success."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of `host` as the system's resolver gives them."""
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_RESOLVERS, look_up)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Egress:
    """Sends; `allow_insecure` permits http and every address (development and tests only)."""

    def __init__(self, *, allow_insecure: bool, resolver: Resolve = resolve) -> None:
        """Resolve names by `resolver`."""
        self._allow_insecure = allow_insecure
        self._resolve = resolver
        self._client = httpx.AsyncClient(
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )

    async def close(self) -> None:
        """Close what is still open."""
        await self._client.aclose()

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, timeout_seconds: float
    ) -> None:
        """POST `body` and return when the answer is 2xx.

        Raises `EndpointFailed` otherwise; the whole exchange takes at most `timeout_seconds`.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._post(url, headers, body)
        except TimeoutError as problem:
            raise EndpointFailed("no answer in time") from problem
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as problem:
            raise EndpointFailed(type(problem).__name__) from problem

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> None:
        parts = urlsplit(url)
        host = parts.hostname
        if host is None or (parts.scheme != "https" and not self._allow_insecure):
            raise EndpointFailed("not an https endpoint")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        address = await self._checked(host, port)
        literal = f"[{address}]" if ":" in address else address
        pinned = urlunsplit((parts.scheme, f"{literal}:{port}", parts.path or "/", parts.query, ""))
        async with self._client.stream(
            "POST",
            pinned,
            headers={**headers, "Host": parts.netloc, "Connection": "close"},
            content=body,
            timeout=None,
            extensions={"sni_hostname": host},
        ) as answer:
            if not answer.is_success:
                raise EndpointFailed(f"answered {answer.status_code}")
            read = 0
            async for chunk in answer.aiter_raw():
                read += len(chunk)
                if read > LARGEST_ANSWER:
                    return

    async def _checked(self, host: str, port: int) -> str:
        addresses = await self._resolve(host, port)
        if not addresses:
            raise EndpointFailed("the host has no address")
        if not self._allow_insecure:
            for address in addresses:
                if (reason := refusal(address)) is not None:
                    raise EndpointFailed(f"an address of the host is refused: {reason}")
        return addresses[0]
