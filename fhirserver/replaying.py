"""Processing again what could not be processed, over the database an operator's command was given.

Like `fhirserver.bootstrap` it knows all parts.
"""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from adapters.batch import Batch, Incoming
from adapters.hl7v2.intake import Intake
from adapters.hl7v2.sites import Peer
from adapters.ingest import Ingest
from adapters.mqtt import messages
from adapters.mqtt.messages import Birth, Event, Telemetry, Topic
from fhirserver.command_database import RefusedError, command_database
from fhirserver.hl7v2_side import behind, intake, site_of
from fhirserver.parts import open_server
from fhirserver.settings import Settings
from fhirserver.store import dead_letters
from fhirserver.store.dead_letters import Listed, Wanted
from fhirserver.store.record import Record

_MOST: Final = 1000
# Clocks of devices that are further off are not believed: the message counts as sent when it was received.
_EARLIEST: Final = timedelta(days=7)
_LATEST: Final = timedelta(seconds=60)
# Connections are over; who sent is known by the message alone.
_NOBODY: Final = Peer("127.0.0.1")


class _RefusedAgainError(Exception):
    """Nothing of this attempt may be stored: the letter is there already."""


@dataclass(slots=True)
class Done:
    """How many were taken now, refused again, and `left` because their kind cannot be replayed."""

    taken: int = 0
    refused: int = 0
    left: int = 0


def replay_letters(tenant: str, door: str | None, source: str | None, reason: str | None) -> Done:
    """Process the open letters that are meant, oldest first. Raises `RefusedError` when there is no such tenant."""
    settings = Settings.from_environment(os.environ)

    async def run(url: str) -> Done:
        async with open_server(replace(settings, database_url=url)) as server:
            number = await server.record.tenant_number(tenant)
            if number is None:
                raise RefusedError(f"there is no tenant {tenant!r}")
            parts = behind(settings, server)
            async with intake(parts, site_of(settings), (number, tenant)) as taking:
                replaying = Replaying(
                    server.record, Ingest(parts.record, parts.observer), taking, (number, tenant)
                )
                return await replaying.run(Wanted(door, source, reason))

    with command_database(settings) as url:
        return asyncio.run(run(url))


class Replaying:
    """Replays letters of one tenant."""

    def __init__(
        self, record: Record, ingest: Ingest, intake_: Intake, tenant: tuple[int, str]
    ) -> None:
        """Work for `tenant` (number and name)."""
        self._record = record
        self._ingest = ingest
        self._intake = intake_
        self._number, self._name = tenant

    async def run(self, wanted: Wanted) -> Done:
        """Process what is meant, and return how many went which way."""
        done = Done()
        async with self._record.transaction(self._number) as tx:
            letters = await dead_letters.listed(tx, wanted, _MOST)
        for letter in letters:
            if letter.door == "hl7v2":
                taken = await self._interface(letter)
            elif letter.kind in ("tel", "evt"):
                taken = await self._device(letter)
            elif letter.kind == "birth":
                taken = await self._birth(letter)
            else:
                # Whether a machine is there is known now by whether it is heard.
                done.left += 1
                continue
            done.taken += taken
            done.refused += not taken
        return done

    async def _interface(self, letter: Listed) -> bool:
        found = await self._intake.replay(await self._raw(letter.id), _NOBODY)
        taken = bool(found) and all(one.is_accepted and not one.is_partly for one in found)
        if taken:
            async with self._record.transaction(self._number) as tx:
                await dead_letters.take(tx, letter.id)
        return taken

    async def _device(self, letter: Listed) -> bool:
        raw = await self._raw(letter.id)
        topic = Topic(self._name, letter.source, letter.kind)  # type: ignore[arg-type]  # tel or evt
        message = messages.decode(topic, raw)
        if not isinstance(message, Telemetry | Event):
            return False
        said = _said(message, letter.parts, letter.received)
        try:
            async with self._record.telemetry(self._number) as tx:
                # Whoever else replays this letter waits here, and then finds it taken.
                if not await dead_letters.take(tx, letter.id):
                    return True
                incoming = Incoming(topic, raw, tx.now, replayed=True)
                state = await self._ingest.take(tx, [(incoming, said)])
                _require_whole(state)
        except _RefusedAgainError:
            return False
        self._ingest.settled(self._number, state)
        return True

    async def _birth(self, letter: Listed) -> bool:
        """Take what a machine said it is, unless it has said so since: then that stands."""
        raw = await self._raw(letter.id)
        topic = Topic(self._name, letter.source, "birth")
        message = messages.decode(topic, raw)
        if not isinstance(message, Birth):
            return False
        try:
            async with self._record.telemetry(self._number) as tx:
                if not await dead_letters.take(tx, letter.id):
                    return True
                if await tx.is_born_since(letter.source, letter.received):
                    return True
                # When it came counts: the device's own clock is told by that.
                incoming = Incoming(topic, raw, letter.received, replayed=True)
                state = await self._ingest.take(tx, [(incoming, message)])
                _require_whole(state)
        except _RefusedAgainError:
            return False
        self._ingest.settled(self._number, state)
        return True

    async def _raw(self, letter: UUID) -> bytes:
        async with self._record.transaction(self._number) as tx:
            found = await dead_letters.shown(tx, letter)
        assert found is not None
        return found[1]


def _require_whole(state: Batch) -> None:
    if state.letters:
        raise _RefusedAgainError


def _said(
    message: Telemetry | Event, parts: Sequence[str], received: datetime
) -> Telemetry | Event:
    """Return what is left of a message, without its number and judged by its own time."""
    sent = message.dev_time
    if sent is None or not received - _EARLIEST <= sent <= received + _LATEST:
        sent = received
    said = replace(message, seq=None, mono_ms=None, dev_time=sent, believed=True)
    if not parts or isinstance(said, Event):
        return said
    samples = tuple(
        replace(one, values={code: value for code, value in one.values.items() if code in parts})
        for one in said.samples
    )
    return replace(said, samples=samples)
