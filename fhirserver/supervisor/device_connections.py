"""Ends connections of devices that would not be let in any more.

The broker asks once, when a device connects (`fhirserver.supervisor.device_authenticator`). What
changes after that it must be told: its system account lists connections and ends one by its number,
on every server of a cluster (https://docs.nats.io/running-a-nats-service/configuration/sys_accounts).
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog
from nats.aio.client import Client
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NoAnswerError

from fhirserver.supervisor.broker_config import DEVICE_ACCOUNT
from fhirserver.supervisor.device_authenticator import MQTT

_LIST: Final = "$SYS.REQ.SERVER.PING.CONNZ"
_PAGE: Final = 1024
# All servers of a cluster answer; the last one is waited for this long (s).
_LAST_ANSWER_SECONDS: Final = 0.5
_ORDER_SECONDS: Final = 2.0
_MOST_PAGES: Final = 1000
_NANOSECONDS: Final = re.compile(r"(\.\d{6})\d+")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Connection:
    server: str
    number: int
    username: str
    began: datetime


class DeviceConnections:
    """The connections of devices, seen over `client` (made with the authenticator's URL)."""

    def __init__(self, client: Client) -> None:
        """Ask nothing yet."""
        self._client = client

    async def end(self, good_from: Mapping[str, datetime]) -> int:
        """End the connections of these usernames that began before the given times; return how many were ended."""
        ended = 0
        async for one in self._all():
            limit = good_from.get(one.username)
            if limit is None or one.began >= limit:
                continue
            order = json.dumps({"cid": one.number}).encode()
            try:
                # An order without a reply address is not followed.
                await self._client.request(
                    f"$SYS.REQ.SERVER.{one.server}.KICK", order, timeout=_ORDER_SECONDS
                )
            except (NoAnswerError, NoRespondersError):
                log.warning("device could not be disconnected", username=one.username)
                continue
            log.info("device disconnected", username=one.username)
            ended += 1
        return ended

    async def _all(self) -> AsyncIterator[_Connection]:
        for page in range(_MOST_PAGES):
            asked = {"auth": True, "acc": DEVICE_ACCOUNT, "limit": _PAGE, "offset": page * _PAGE}
            is_full = False
            for answer in await self._ask(json.dumps(asked).encode()):
                connections = answer.get("data", {}).get("connections") or []
                is_full = is_full or len(connections) == _PAGE
                for one in connections:
                    if one.get("type") == MQTT:
                        yield _connection(answer["server"]["id"], one)
            if not is_full:
                return

    async def _ask(self, question: bytes) -> list[dict[str, Any]]:
        inbox = self._client.new_inbox()
        subscription = await self._client.subscribe(inbox)
        answers: list[dict[str, Any]] = []
        try:
            await self._client.publish(_LIST, question, reply=inbox)
            async with asyncio.timeout(_LAST_ANSWER_SECONDS * 10):
                while True:
                    message = await subscription.next_msg(timeout=_LAST_ANSWER_SECONDS)
                    # Empty is the broker's word that nobody answers.
                    if message.data:
                        answers.append(json.loads(message.data))
        except (NoAnswerError, TimeoutError):
            if not answers:
                log.warning(
                    "the broker does not tell who is connected: its SYS account must let AUTH ask"
                )
            return answers
        finally:
            await subscription.unsubscribe()


def _connection(server: str, one: Mapping[str, Any]) -> _Connection:
    began = datetime.fromisoformat(_NANOSECONDS.sub(r"\1", str(one["start"])))
    return _Connection(server, int(one["cid"]), str(one.get("authorized_user", "")), began)
