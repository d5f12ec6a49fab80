"""Plays a schedule against a server of our own: writes, failing receivers, kills, edits; then holds the history
against the rules of `conformance.subscriptions.history`.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

import httpx

from conformance.subscriptions.client import Client, Reply, UnexpectedAnswer
from conformance.subscriptions.discovery import operation_stated
from conformance.subscriptions.history import (
    GIVES_UP_AFTER,
    Blow,
    Period,
    Violation,
    Write,
    check_all,
)
from conformance.subscriptions.listener import OPERATION, Listener
from conformance.subscriptions.pulse import Pulse
from conformance.subscriptions.receiver import Endpoint, Receiver
from conformance.subscriptions.schedule import Cast, Schedule, Step, schedule
from conformance.subscriptions.stimulus import Stimulus
from conformance.subscriptions.subscription import Wish
from conformance.subscriptions.watched import Span, Watched

Json = dict[str, Any]

DRAIN_SECONDS: Final = 60.0
QUIET_SECONDS: Final = 1.0
# Longer than a lease: what a frozen process held is in other hands when it thaws.
FREEZE_SECONDS: Final = 7.0
# A write nobody answered may still have been carried out this much later.
UNSURE_SECONDS: Final = 2.0
LOOK_SECONDS: Final = 0.2
ON_ITS_WAY_SECONDS: Final = 0.5
PARTS: Final = ("all", "batches", "nurse", "empty", "edited", "deleted")


class Keeper(Protocol):
    """Who can hurt the server and knows when it is well."""

    async def kill(self, roles: str, which: int) -> None:
        """Kill -9 one process that plays `roles` (the `which`-th, where there are several)."""

    async def freeze(self, roles: str, which: int, seconds: float) -> None:
        """Stop one such process in its tracks, and let it go on after `seconds`."""

    async def restart(self) -> None:
        """Stop the server and start it again; return when it is ready."""

    async def ready(self) -> None:
        """Wait until the server is ready."""


@dataclass
class Ordeal:
    """One schedule on one server. `story` is told what happens; `blows` is shared by all who hurt that server.

    What is promised in time is held against `pulse`, which beats while this is played.
    """

    admin: Client
    receiver: Receiver
    keeper: Keeper
    plan: Schedule
    topic: str
    template: Json
    story: Callable[[str], object]
    blows: list[Blow]
    pulse: Pulse
    watched: dict[str, Watched] = field(default_factory=dict)
    writes: list[Write] = field(default_factory=list)
    rights: dict[str, list[Period]] = field(default_factory=dict)
    begun: float = 0.0

    def __post_init__(self) -> None:
        self.key = f"ordeal{self.plan.seed}"
        self.patients = [f"{self.key}-p{number}x" for number in range(self.plan.cast.patients)]
        self._calm = False
        self._frozen: list[asyncio.Future[None]] = []
        self._listener: Listener | None = None
        self._listening: asyncio.Future[None] | None = None
        self._changing = asyncio.Lock()

    async def storm(self) -> None:
        """Write and let go wrong what the schedule says, once settled."""
        self.begun = time.time()
        writers = [asyncio.ensure_future(self._write(patient)) for patient in self.patients]
        waking = asyncio.ensure_future(self._wake())
        try:
            for step in self.plan.steps:
                await asyncio.sleep(max(0.0, self.begun + step.at - time.time()))
                self._say(str(step))
                await self._do(step)
            await asyncio.sleep(max(0.0, self.begun + self.plan.cast.seconds - time.time()))
            self._calm = True
            if self._listener is not None:
                self._listener.stay()
            await asyncio.gather(*writers, *self._frozen)
        finally:
            for task in (*writers, *self._frozen, waking):
                task.cancel()
            await asyncio.gather(*writers, *self._frozen, waking, return_exceptions=True)

    async def settle(self) -> None:
        """Write patients, a nurse and her teams, and every Subscription; wait until all are active."""
        nurse = f"{self.key}-nurse"
        await self.admin.put({"resourceType": "Practitioner", "id": nurse})
        for patient in self.patients:
            await self.admin.put({"resourceType": "Patient", "id": patient})
            reply = await self.admin.put(self._team(patient, nurse))
            self.rights[patient] = [Period(reply.begun, reply.ended)]
        token = await self.admin.must("POST", "$issue-token", _token_wish(nurse))
        values = {one["name"]: one for one in (token.body or {})["parameter"]}
        hers = self.admin.as_holder_of(str(values["token"]["valueString"]))
        for part in PARTS:
            await self._subscribe(part, hers if part == "nurse" else self.admin)
        if operation_stated(await self.admin.get("metadata"), OPERATION):
            await self._subscribe("socket", self.admin)
            self._listen(self.watched["socket"])
        async with asyncio.timeout(DRAIN_SECONDS):
            for one in self.watched.values():
                await self._active(one)

    async def _active(self, one: Watched) -> None:
        while True:
            found = await self.admin.get(f"Subscription/{one.id}")
            if found["status"] == "active":
                return
            if found["status"] == "error":
                # On a machine with much else to do a handshake may come too late: asked for again.
                await one.owner.put(one.resource())
            await asyncio.sleep(LOOK_SECONDS)

    async def _subscribe(self, part: str, owner: Client) -> None:
        endpoint = self._endpoint(part)
        wish = Wish(self.topic, endpoint.url, timeout=int(GIVES_UP_AFTER))
        if part == "batches":
            wish = replace(wish, content="full-resource", max_count=3)
        elif part == "nurse":
            wish = replace(wish, content="full-resource", max_count=1)
        elif part == "empty":
            wish = replace(wish, content="empty")
        elif part == "socket":
            wish = replace(wish, channel="websocket", endpoint=None, timeout=None)
        one = Watched(
            f"{self.key}-{part}",
            owner,
            wish,
            str(self.template["resourceType"]),
            frozenset(self.patients),
            [endpoint],
            self.rights if owner is not self.admin else None,
            always_empty=part == "empty",
        )
        reply = await owner.put(one.resource())
        one.asks_since(Span(reply.begun, reply.ended))
        self.watched[part] = one

    def _endpoint(self, name: str) -> Endpoint:
        endpoint = self.receiver.endpoint(f"{self.key}-{name}")
        weather = self.plan.weather.get(name)
        if weather is not None:
            endpoint.mood = lambda at: (
                "takes" if self._calm or not self.begun else weather.at(at - self.begun)
            )
        return endpoint

    def _listen(self, one: Watched) -> None:
        """Listen as its owner, until `verdict`."""
        seed = f"{self.plan.seed}/socket"
        self._listener = Listener(one.owner, one.id, one.endpoints[0], seed)
        self._listening = asyncio.ensure_future(self._listener.run())

    def _say(self, text: str) -> None:
        self.story(f"seed {self.plan.seed}: {text}")

    def _team(self, patient: str, *members: str) -> Json:
        team: Json = {
            "resourceType": "CareTeam",
            "id": f"{patient}-team",
            "status": "active",
            "subject": {"reference": f"Patient/{patient}"},
        }
        if members:
            team["participant"] = [
                {"member": {"reference": f"Practitioner/{one}"}} for one in members
            ]
        return team

    async def _write(self, patient: str) -> None:
        """Write one resource after the other until it is calm."""
        dice = random.Random(f"{self.plan.seed}/{patient}")
        number = 0
        while not self._calm:
            await asyncio.sleep(dice.uniform(*self.plan.cast.pause))
            number += 1
            resource = Stimulus(patient, self.template).resource()
            resource["id"] = f"{patient}-{number}"
            focus = f"{resource['resourceType']}/{resource['id']}"
            begun = time.time()
            try:
                reply = await self.admin.ask("PUT", focus, resource)
            except httpx.TransportError:
                reply = None
            if reply is not None and reply.is_refusal:
                raise UnexpectedAnswer(f"PUT {focus}", reply)
            if reply is not None and reply.is_success:
                self.writes.append(Write(focus, patient, begun, reply.ended, sure=True))
            else:
                ended = time.time() + UNSURE_SECONDS
                self.writes.append(Write(focus, patient, begun, ended, sure=False))
                await asyncio.sleep(LOOK_SECONDS)

    async def _wake(self) -> None:
        """As a client does: ask for every Subscription in error to be tried again."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for part, one in list(self.watched.items()):
                if one.over is not None or part in ("nurse", "socket"):
                    continue
                async with self._changing:
                    try:
                        found = await self.admin.ask("GET", f"Subscription/{one.id}")
                        if (found.body or {}).get("status") == "error" and one.over is None:
                            self._say(f"{part} is in error: asked for again")
                            await one.owner.ask("PUT", f"Subscription/{one.id}", one.resource())
                    except httpx.TransportError:
                        continue

    async def _do(self, step: Step) -> None:
        if step.deed == "restart":
            await self._hurt(self.keeper.restart)
        elif step.deed == "freeze":
            freeze = self.keeper.freeze("engine+deliver", step.who, FREEZE_SECONDS)
            self._frozen.append(asyncio.ensure_future(self._hurt(lambda: freeze)))
        elif step.deed in ("kill-delivery", "kill-api"):
            roles = "engine+deliver" if step.deed == "kill-delivery" else "api"
            await self._hurt(lambda: self.keeper.kill(roles, step.who))
        elif step.deed in ("remove-member", "add-member"):
            await self._member(self.patients[step.who], stays=step.deed == "add-member")
        elif step.deed == "delete":
            one = self.watched["deleted"]
            async with self._changing:
                one.stops(
                    await self._surely(lambda: self.admin.ask("DELETE", f"Subscription/{one.id}"))
                )
        else:
            await self._edit(step)

    async def _hurt(self, how: Callable[[], Awaitable[None]]) -> None:
        at = time.time()
        await how()
        # What was sent by then is still on its way to us: on a busy machine it is noted later.
        await asyncio.sleep(ON_ITS_WAY_SECONDS)
        self.blows.append(Blow(at, time.time()))

    async def _member(self, patient: str, *, stays: bool) -> None:
        members = (f"{self.key}-nurse",) if stays else ()
        team = self._team(patient, *members)
        span = await self._surely(lambda: self.admin.ask("PUT", f"CareTeam/{team['id']}", team))
        periods = self.rights[patient]
        if stays:
            periods.append(Period(span.begun, span.ended))
        else:
            periods[-1] = replace(periods[-1], ends=span.begun, ended=span.ended)

    async def _edit(self, step: Step) -> None:
        one = self.watched["edited"]
        async with self._changing:
            if step.how == "endpoint":
                endpoint = self._endpoint(f"edited-{len(one.endpoints)}")
                one.endpoints.append(endpoint)
                one.wish = replace(one.wish, endpoint=endpoint.url)
            elif step.how == "content":
                other = "id-only" if one.wish.content == "full-resource" else "full-resource"
                one.wish = replace(one.wish, content=other)
            elif step.how == "max-count":
                one.wish = replace(one.wish, max_count=1 + step.who)
            else:
                one.patients = frozenset(self.patients[: 1 + step.who])
            resource = one.resource()
            span = await self._surely(
                lambda: self.admin.ask("PUT", f"Subscription/{one.id}", resource)
            )
            one.asks_since(span)

    async def _surely(self, act: Callable[[], Awaitable[Reply]]) -> Span:
        """Repeat a request that may be repeated until it is acknowledged."""
        begun = time.time()
        async with asyncio.timeout(DRAIN_SECONDS):
            while True:
                try:
                    reply = await act()
                except httpx.TransportError:
                    await asyncio.sleep(LOOK_SECONDS)
                    continue
                if reply.is_success:
                    return Span(begun, time.time())
                if reply.is_refusal and reply.status != 409:
                    raise UnexpectedAnswer("a change that must be possible", reply)
                await asyncio.sleep(LOOK_SECONDS)

    async def drain(self) -> None:
        """Wait, as a client that asks again, until everything numbered has arrived and no more is numbered."""
        waking = asyncio.ensure_future(self._wake())
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._drained()
        except TimeoutError:
            self._say("not everything arrived; what is missing is told at the end")
            if self._listener is not None:
                self._say(f"the last problem of the websocket: {self._listener.last_problem}")
        finally:
            waking.cancel()
            await asyncio.gather(waking, return_exceptions=True)

    async def _drained(self) -> None:
        counts: dict[str, int] = {}
        since = time.time()
        while time.time() - since < QUIET_SECONDS or not self._arrived(counts):
            await asyncio.sleep(LOOK_SECONDS)
            found = {
                part: (await self.admin.status(one.id)).since_start or 0
                for part, one in self.watched.items()
                if one.over is None
            }
            if found != counts:
                counts, since = found, time.time()
        calm_since = self.begun + self.plan.cast.seconds
        self._say(f"drained after {time.time() - calm_since:.1f} s")

    def _arrived(self, counts: dict[str, int]) -> bool:
        return all(self.watched[part].reached >= count for part, count in counts.items())

    async def verdict(self) -> list[Violation]:
        """Return every broken promise of this history."""
        await self.close()
        for one in self.watched.values():
            if one.over is None:
                one.log = await self._log(one.id)
        followed = [
            one.followed(self.patients, self.pulse.elapsed) for one in self.watched.values()
        ]
        sure = sum(write.sure for write in self.writes)
        posts = sum(len(one.received) for one in followed)
        events = sum(len(one.log or ()) for one in followed)
        self._say(
            f"{sure} writes ({len(self.writes) - sure} unsure), {events} events, {posts} POSTs"
        )
        return check_all(followed, self.writes, self.blows)

    async def close(self) -> None:
        """End what still listens."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    async def _log(self, subscription: str) -> tuple[tuple[int, str | None], ...]:
        """Return the whole event log; a server may answer it in parts."""
        log: list[tuple[int, str | None]] = []
        while True:
            since = log[-1][0] + 1 if log else None
            said = await self.admin.events_of(subscription, since)
            fresh = [
                (one.number, one.focus)
                for one in said.events
                if since is None or one.number >= since
            ]
            log += fresh
            if not fresh or log[-1][0] >= (said.since_start or 0):
                return tuple(log)


def _token_wish(nurse: str) -> Json:
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "kind", "valueCode": "practitioner"},
            {"name": "reference", "valueString": f"Practitioner/{nurse}"},
            {"name": "lifetime", "valuePositiveInt": 3600},
        ],
    }


def planned(seed: int, cast: Cast) -> Schedule:
    """Return the schedule an `Ordeal` plays for `seed`."""
    endpoints = [*PARTS, *(f"edited-{number}" for number in range(1, cast.edits + 1))]
    steady: Sequence[str] = ("nurse",)
    return schedule(seed, cast, [one for one in endpoints if one not in steady], steady)
