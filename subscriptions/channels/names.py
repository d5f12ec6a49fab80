"""Names of hosts to addresses, by the system's resolver, in threads of their own.

A name server that hangs for one client's endpoint must hold up neither the telephones nor the other
endpoints: equal questions share one thread, and whoever stops waiting leaves the rest alone.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
LookUp = Callable[[str, int], Sequence[str]]
_THREADS: Final = ThreadPoolExecutor(64, thread_name_prefix="resolve")


def look_up(host: str, port: int) -> Sequence[str]:
    """Return the addresses of `host` in the order the system prefers; blocks. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Names:
    """Implements `Resolve`."""

    def __init__(self, look_up: LookUp = look_up) -> None:
        """Ask by `look_up`, which may block."""
        self._look_up = look_up
        self._asked: dict[tuple[str, int], asyncio.Future[Sequence[str]]] = {}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses of `host`. Raises OSError when it has none."""
        key = (host, port)
        asked = self._asked.get(key)
        if asked is None:
            loop = asyncio.get_running_loop()
            asked = loop.run_in_executor(_THREADS, self._look_up, host, port)
            self._asked[key] = asked
            asked.add_done_callback(partial(self._answered, key))
        return await asyncio.shield(asked)

    def _answered(self, key: tuple[str, int], answer: asyncio.Future[Sequence[str]]) -> None:
        del self._asked[key]
        if not answer.cancelled():
            answer.exception()  # seen, also when nobody waits any more
