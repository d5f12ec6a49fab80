"""Births that an alarm must not be judged without, although their own consumer has not come to them yet.

Ten thousand machines that come back at once say ten thousand births, and those take their time; an alarm does not wait
for them. What a device said of itself in the boot it speaks in is taken along with its alarm, out of the stream, where it
stays until its own consumer has committed it: the same birth again writes nothing.
https://docs.nats.io/reference/reference-protocols/nats_api_reference
"""

import asyncio
import base64
import json
from collections.abc import Sequence
from typing import Final

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError

from adapters.mqtt import broker_time
from adapters.mqtt.consumer import Published

_REMEMBERED: Final = 50_000
_PATIENCE_SECONDS: Final = 1.0
_NOT_FOUND: Final = 404

log = structlog.get_logger(__name__)


class BirthsAhead:
    """Asks the broker once for each boot of a device that tells of an alarm."""

    def __init__(self, client: Client, stream: str) -> None:
        """Look into `stream` through `client`."""
        self._client = client
        self._stream = stream
        self._known: set[tuple[str, str]] = set()

    async def before(self, published: Sequence[Published]) -> list[Published]:
        """Return births that are still in the stream, of devices whose alarms are among `published`.

        A broker that does not answer leaves them out: the alarm counts, and is judged by what is known.
        """
        asked: dict[str, tuple[str, str]] = {}
        for one in published:
            device, _, leaf = one.subject.rpartition(".")
            if leaf == "evt":
                boot = (device, _boot(one.payload))
                if boot not in self._known:
                    asked[f"{device}.birth"] = boot
        found = await asyncio.gather(*(self._last(subject, asked[subject]) for subject in asked))
        return [one for one in found if one is not None]

    async def _last(self, subject: str, boot: tuple[str, str]) -> Published | None:
        """Return what was last said on `subject`, None when it is committed or was never said."""
        question = json.dumps({"last_by_subj": subject}).encode()
        try:
            reply = await self._client.request(
                f"$JS.API.STREAM.MSG.GET.{self._stream}", question, timeout=_PATIENCE_SECONDS
            )
        except (NatsError, TimeoutError, OSError) as problem:
            log.warning("an alarm is judged without its birth", problem=type(problem).__name__)
            return None
        answer = json.loads(reply.data)
        if "message" not in answer and answer.get("error", {}).get("code") != _NOT_FOUND:
            log.warning("an alarm is judged without its birth", problem=answer.get("error"))
            return None
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known.add(boot)
        if "message" not in answer:
            return None
        message = answer["message"]
        payload = base64.b64decode(message.get("data", ""))
        return Published(
            str(message["subject"]), payload, broker_time.in_words(str(message["time"]))
        )


def _boot(payload: bytes) -> str:
    """Return the boot an alarm was told in, "" when it does not say."""
    try:
        said = json.loads(payload)
    except ValueError:
        return ""
    boot = said.get("boot") if isinstance(said, dict) else None
    return boot if isinstance(boot, str) else ""
