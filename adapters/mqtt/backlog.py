"""How late evaluation is: the age of the oldest reading, alarm or state of a device that is not committed.

Births are not among them: they say what a machine is, and no alarm waits for those of others. Asked of the broker itself
and by anybody, so that it is known also when nothing takes messages in.
https://docs.nats.io/reference/reference-protocols/nats_api_reference
"""

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from nats.aio.client import Client
from nats.errors import Error as NatsError

from adapters.mqtt import broker_time
from adapters.mqtt.worker import MEASURED, URGENT
from fhirserver.supervisor.broker_stream import DEVICE_STREAM, device_subject

_PATIENCE_SECONDS: Final = 2.0
_NOT_FOUND: Final = 404


class CannotTell(Exception):
    """The broker does not answer, or has nothing that takes messages in."""


async def lag(client: Client, now: datetime) -> timedelta:
    """Return how long the oldest of them that is not committed has waited; zero without any.

    Raises `CannotTell`.
    """
    oldest: list[datetime] = []
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            for lane in (URGENT, MEASURED):
                info = await _ask(client, f"CONSUMER.INFO.{DEVICE_STREAM}.{lane.consumer}", {})
                if info["num_pending"] + info["num_ack_pending"]:
                    oldest += await _waiting(
                        client, int(info["ack_floor"]["stream_seq"]), lane.leaves
                    )
    except (TimeoutError, NatsError, OSError) as problem:
        raise CannotTell(type(problem).__name__) from problem
    return max(timedelta(0), now - min(oldest)) if oldest else timedelta(0)


async def _waiting(client: Client, committed: int, leaves: Sequence[str]) -> list[datetime]:
    """Return when the broker took the first message of each kind behind number `committed`."""
    found = []
    for leaf in leaves:
        wanted = {"seq": committed + 1, "next_by_subj": device_subject(leaf)}
        try:
            answer = await _ask(client, f"STREAM.MSG.GET.{DEVICE_STREAM}", wanted)
        except _NothingThere:
            continue
        found.append(broker_time.in_words(str(answer["message"]["time"])))
    return found


class _NothingThere(Exception):
    """No such message, or no such consumer."""


async def _ask(client: Client, what: str, body: dict[str, Any]) -> dict[str, Any]:
    reply = await client.request(
        f"$JS.API.{what}", json.dumps(body).encode(), timeout=_PATIENCE_SECONDS
    )
    answer: dict[str, Any] = json.loads(reply.data)
    error = answer.get("error")
    if error is None:
        return answer
    if error.get("code") == _NOT_FOUND and what.startswith("STREAM"):
        raise _NothingThere
    raise CannotTell(str(error.get("description", "refused")))
