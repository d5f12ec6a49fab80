"""Answers the broker's question "may this device come in, and what may it say and hear?".

nats-server delegates every unknown connection to a service on ``$SYS.REQ.USER.AUTH``
(https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_callout). Several
processes may answer; they share a queue group, so each question is answered once. While nobody
answers, no device is let in: that is how devices are kept out until the server is ready.
"""

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from fhirserver.supervisor.broker_config import DEVICE_ACCOUNT
from fhirserver.supervisor.nats_jwt import (
    AccountKey,
    ConnectRequest,
    UnusableToken,
    answer,
    read_request,
    user_token,
)

QUESTION: Final = "$SYS.REQ.USER.AUTH"
QUEUE_GROUP: Final = "device-authenticator"
MQTT: Final = "mqtt"
SIMULATOR_CONTROL: Final = "hd.v1.sim.ctl"
# Whole subjects only: a dot would open another level, * and > other devices.
TOPIC_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
# After a power cut all devices of a region connect at once; each question costs one database read.
CONCURRENT_CHECKS: Final = 16

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DeviceGrant:
    """What an authenticated device is: its tenant's and its own name as they stand in topics.

    A gateway also speaks for the devices `behind` it. `simulated` devices may also hear the
    simulator's control topic (demo mode). Raises ValueError for a name that could widen the
    permission.
    """

    tenant: str
    device: str
    behind: tuple[str, ...] = ()
    simulated: bool = False

    def __post_init__(self) -> None:
        """Refuse names that are not one plain level of a topic."""
        for name in (self.tenant, self.device, *self.behind):
            if TOPIC_NAME.fullmatch(name) is None:
                raise ValueError(f"{name!r} cannot be a level of a device's topic")

    @property
    def publish(self) -> tuple[str, ...]:
        """The NATS subjects the device may publish to (MQTT's ``/`` is NATS's ``.``)."""
        return tuple(f"hd.v1.{self.tenant}.{one}.>" for one in (self.device, *self.behind))

    @property
    def subscribe(self) -> tuple[str, ...]:
        """The NATS subjects the device may subscribe to: its own answers, and what all devices are told."""
        own = tuple(
            f"hd.v1.{self.tenant}.{one}.{leaf}"
            for one in (self.device, *self.behind)
            for leaf in ("ack", "cmd")
        )
        heard = (*own, f"hd.v1.{self.tenant}.cmd")
        return (*heard, SIMULATOR_CONTROL) if self.simulated else heard


Check = Callable[[str, str], Awaitable[DeviceGrant | None]]
# Is told the name that was given and the address it came from.
Refused = Callable[[str, str], Awaitable[None]]


async def _unnoticed(_username: str, _host: str) -> None:
    """Take no notice."""


class DeviceAuthenticator:
    """Serves the broker's questions over `connection` (made with the authenticator's URL).

    `check(username, password)` returns what the device may do, or None to refuse; it must take the
    same time for an unknown name as for a wrong password. Every failure of `check` refuses.
    `refused` is told of each refusal, once the broker has its answer.
    """

    def __init__(
        self, connection: Client, key: AccountKey, check: Check, refused: Refused = _unnoticed
    ) -> None:
        """Answer nothing yet; `start` does."""
        self._connection = connection
        self._key = key
        self._check = check
        self._refused = refused
        self._places = asyncio.Semaphore(CONCURRENT_CHECKS)
        self._running: set[asyncio.Task[None]] = set()
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        """Begin to answer; returns once the broker knows it."""
        self._subscription = await self._connection.subscribe(
            QUESTION, queue=QUEUE_GROUP, cb=self._asked
        )
        await self._round_trip()

    async def stop(self) -> None:
        """Stop answering; questions already taken are answered first."""
        if self._subscription is not None:
            # The broker must know before we are gone, or it goes on asking us and devices wait.
            await self._subscription.drain()  # type: ignore[no-untyped-call] # not annotated by nats-py
            await self._round_trip()
            self._subscription = None
        await asyncio.gather(*self._running)

    async def _round_trip(self) -> None:
        """Return once the broker has read everything sent so far.

        nats-py's flush sends its PING ahead of what still waits to be written; the first one makes
        it write that, the second one is read by the broker after it.
        """
        await self._connection.flush()
        await self._connection.flush()

    async def _asked(self, message: Msg) -> None:
        await self._places.acquire()
        task = asyncio.create_task(self._answer(message))
        self._running.add(task)
        task.add_done_callback(self._answered)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._places.release()

    async def _answer(self, message: Msg) -> None:
        try:
            request = read_request(message.data.decode())
        except (UnusableToken, UnicodeDecodeError) as error:
            log.warning("broker asked with an unusable token", reason=str(error))
            return
        user = await self._user(request)
        reply = answer(self._key, request, user=user, now=datetime.now(UTC), jti=uuid.uuid4().hex)
        await message.respond(reply.encode())
        if user is None:
            await self._refused(request.username or "", request.host or "")

    async def _user(self, request: ConnectRequest) -> str | None:
        grant: DeviceGrant | None = None
        # The port of our own processes asks us too; a device's credentials are for MQTT alone.
        if request.connection_type == MQTT and request.username and request.password:
            try:
                grant = await self._check(request.username, request.password)
            except Exception:
                # Whatever the store's trouble is: the device is refused and will try again.
                log.exception("device credentials could not be checked")
        if grant is None:
            log.warning("device refused", username=request.username, host=request.host)
            return None
        return user_token(
            self._key,
            request=request,
            account=DEVICE_ACCOUNT,
            publish=grant.publish,
            subscribe=grant.subscribe,
            now=datetime.now(UTC),
            jti=uuid.uuid4().hex,
        )
