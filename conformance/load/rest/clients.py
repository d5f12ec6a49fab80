"""A closed loop of clients: each sends its next request when the last one is answered, without thinking."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from conformance.load.percentiles import spread
from conformance.load.rest.http import Answer, Connection, Target


class UnexpectedError(RuntimeError):
    """An answer that the workload does not allow; the message quotes it."""


@dataclass(slots=True)
class Measured:
    """Times in seconds by kind of request, and how long the whole took."""

    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    seconds: float = 0.0
    units: int = 0

    @property
    def requests(self) -> int:
        """How many requests were answered as expected."""
        return sum(len(each) for each in self.times.values())

    def as_json(self) -> dict[str, Any]:
        """Return rates and spreads for a report."""
        every = [one for each in self.times.values() for one in each]
        return {
            "seconds": round(self.seconds, 2),
            "requests": self.requests,
            "requests_per_s": round(self.requests / self.seconds, 1),
            "all_ms": spread(every).as_json(),
            "by_kind_ms": {kind: spread(each).as_json() for kind, each in sorted(self.times.items())},
        }  # fmt: skip


class Client:
    """One client with one connection; what it measures goes to `measured`."""

    def __init__(self, connection: Connection, measured: Measured) -> None:
        """Send through `connection`."""
        self._connection = connection
        self._measured = measured

    async def ask(
        self,
        kind: str,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        expect: tuple[int, ...] = (200,),
        more: str = "",
    ) -> Answer:
        """Return the answer, timed under `kind`. Raises `UnexpectedError` for another status than `expect`."""
        begun = time.perf_counter()
        answer = await self._connection.request(method, path, body, more=more)
        if answer.status not in expect:
            said = answer.content()[:400].decode(errors="replace")
            raise UnexpectedError(f"{method} {path} answered {answer.status}: {said}")
        self._measured.times[kind].append(time.perf_counter() - begun)
        return answer


Work = Callable[[Client, int, Callable[[], bool]], Coroutine[Any, Any, None]]


async def run(
    target: Target, clients: int, work: Work, *, seconds: float | None = None
) -> Measured:
    """Return what `clients` of them measured; `work(client, number, going_on)` is one client's life.

    `going_on()` turns False after `seconds`; without them it never does. Raises what the first failing client raised.
    """
    connections = [await Connection.open(target) for _ in range(clients)]
    measured = Measured()
    begun = time.perf_counter()

    def going_on() -> bool:
        return seconds is None or time.perf_counter() - begun < seconds

    try:
        async with asyncio.TaskGroup() as group:
            for number, connection in enumerate(connections):
                group.create_task(work(Client(connection, measured), number, going_on))
    finally:
        measured.seconds = time.perf_counter() - begun
        for connection in connections:
            connection.close()
    return measured
