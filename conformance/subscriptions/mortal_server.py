"""A server of our own that may be killed: two processes deliver, so that one can take the other's work over."""

import asyncio
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import httpx
import psutil

from conformance.load import processes
from conformance.load.server import Server, fresh_data, running
from conformance.subscriptions.client import Client
from conformance.subscriptions.history import Blow, Violation
from conformance.subscriptions.ordeal import Ordeal
from conformance.subscriptions.pulse import Pulse
from conformance.subscriptions.receiver import listening
from conformance.subscriptions.scene import topics_of
from conformance.subscriptions.schedule import Schedule
from conformance.subscriptions.stimulus import preferred, template_for

Json = dict[str, Any]

SETTINGS: Final = {
    "ROLES": "api,ingest,engine+deliver,engine+deliver",
    "ALLOW_INSECURE_ENDPOINTS": "1",
}
FOUND_SECONDS: Final = 120.0
_LOOK_SECONDS: Final = 0.05
ANSWER_SECONDS: Final = 120.0
# Schedules played side by side on one server, where nobody says otherwise.
AT_ONCE: Final = 4
_LIMITS: Final = httpx.Limits(max_connections=None)


class MortalServer:
    """Implements `ordeal.Keeper` for a `Server` started with `SETTINGS`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._restarting: asyncio.Future[None] | None = None

    def playing(self, roles: str) -> list[psutil.Process]:
        """Return the processes that play `roles` (as ROLES names them), the oldest first."""
        everything = processes.of_data(self._server.place.data, self._server.pid)
        return sorted(processes.matching(everything, f"worker {roles}"), key=lambda one: one.pid)

    async def kill(self, roles: str, which: int) -> None:
        """See `ordeal.Keeper`. Raises TimeoutError when no such process comes up."""
        (await self._one(roles, which)).kill()

    async def freeze(self, roles: str, which: int, seconds: float) -> None:
        """See `ordeal.Keeper`. Raises TimeoutError when no such process comes up."""
        victim = await self._one(roles, which)
        with suppress(psutil.NoSuchProcess):
            victim.suspend()
            try:
                await asyncio.sleep(seconds)
            finally:
                victim.resume()

    async def _one(self, roles: str, which: int) -> psutil.Process:
        async with asyncio.timeout(FOUND_SECONDS):
            found = self.playing(roles)
            while not found:
                await asyncio.sleep(_LOOK_SECONDS)
                found = self.playing(roles)
        return found[which % len(found)]

    async def restart(self) -> None:
        """See `ordeal.Keeper`; those who want it while it is done share one restart."""
        if self._restarting is None or self._restarting.done():
            self._restarting = asyncio.ensure_future(self._again())
        await asyncio.shield(self._restarting)

    async def _again(self) -> None:
        await asyncio.to_thread(self._server.stop)
        self._server.start()
        await self.ready()

    async def ready(self) -> None:
        """See `ordeal.Keeper`."""
        await asyncio.to_thread(self._server.wait_ready)

    @property
    def last_words(self) -> str:
        """The end of the server's log."""
        return self._server.last_words()


@contextmanager
def a_server(data: Path | None = None) -> Iterator[Server]:
    """Run a server that may be killed, on `data` or on a directory that is removed afterwards."""
    with ExitStack() as stack:
        place = data
        if place is None:
            place = fresh_data()
            stack.callback(shutil.rmtree, place)
        yield stack.enter_context(running(SETTINGS, data=place))


async def suffer(
    server: Server,
    plans: Sequence[Schedule],
    story: Callable[[str], object],
    *,
    at_once: int = AT_ONCE,
) -> dict[int, list[Violation]]:
    """Play `plans` on `server`, `at_once` side by side; return what was wrong by seed.

    What one does to the server, all that are played beside it suffer. Raises ValueError when the
    server offers no topic that can be fired by writing.
    """
    keeper = MortalServer(server)
    found: dict[int, list[Violation]] = {}
    async with (
        httpx.AsyncClient(timeout=ANSWER_SECONDS, limits=_LIMITS, trust_env=False) as http,
        listening() as receiver,
    ):
        admin = Client(http, server.place.base, server.place.admin_token())
        topic, template = await fired_by_writing(admin)
        for position in range(0, len(plans), at_once):
            blows: list[Blow] = []
            pulse = Pulse()
            ordeals = [
                Ordeal(admin, receiver, keeper, plan, topic, template, story, blows, pulse)
                for plan in plans[position : position + at_once]
            ]
            try:
                async with pulse.beating():
                    found |= await _together(ordeals, keeper)
            except BaseException:
                story(f"the end of the server's log:\n{keeper.last_words}")
                raise
    for seed, violations in found.items():
        for violation in violations:
            story(f"seed {seed}: {violation}")
    return found


async def _together(ordeals: Sequence[Ordeal], keeper: MortalServer) -> dict[int, list[Violation]]:
    """Play schedules side by side: nobody is hurt before all are settled, nor after the storm."""
    try:
        await asyncio.gather(*(ordeal.settle() for ordeal in ordeals))
        await asyncio.gather(*(ordeal.storm() for ordeal in ordeals))
        await keeper.ready()
        await asyncio.gather(*(ordeal.drain() for ordeal in ordeals))
        return {ordeal.plan.seed: await ordeal.verdict() for ordeal in ordeals}
    finally:
        await asyncio.gather(*(ordeal.close() for ordeal in ordeals))


async def fired_by_writing(admin: Client) -> tuple[str, Json]:
    """Return a topic the server offers, and a resource that fires it. Raises ValueError when there is none."""
    offered = topics_of(await admin.get("metadata"))
    topic = preferred(offered)
    template = None if topic is None else template_for(topic)
    if topic is None or template is None:
        raise ValueError(f"none of these topics can be fired by writing: {', '.join(offered)}")
    return topic, template
