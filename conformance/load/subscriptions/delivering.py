"""The load itself: events at a steady rate to many subscribers, the same with bad endpoints beside, then a fan-out."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from conformance.load.rest.clients import Client, run
from conformance.load.rest.http import Target
from conformance.load.subscriptions import figures
from conformance.load.subscriptions.fast_receiver import FastReceiver
from conformance.load.subscriptions.figures import Told, Written
from conformance.load.subscriptions.subscribers import Crowd, Subject, active, put_all, unsubscribe

WRITERS: Final = 64
BAD: Final = ("dead", "slow")
DRAIN_SECONDS: Final = 120.0
_LOOK_SECONDS: Final = 0.1


@dataclass
class Delivering:
    """One run against `target`; what was written and what arrived is kept for the verdict."""

    target: Target
    subject: Subject
    receiver: FastReceiver
    crowd: Crowd
    say: Callable[[str], object]
    owed: dict[str, int] = field(default_factory=dict)
    written: dict[str, Written] = field(default_factory=dict)
    _number: int = 0

    async def steady(self, name: str, rate: float, seconds: float) -> dict[str, Any]:
        """Write `rate` resources a second, each of one subscriber's patient; return how soon they arrived."""
        self.say(f"{name}: {rate:.0f} events/s for {seconds:.0f} s")
        before = len(self.receiver.posts)
        plan = [(number / rate, number % self.crowd.count) for number in range(int(rate * seconds))]
        written = await self._write(plan)
        await self._arrived()
        found = figures.latency(written, self._own(figures.told(self.receiver.posts[before:])))
        late = max(0.0, (time.time() - min(one.begun for one in written.values())) - seconds)
        return {
            "name": name,
            "rate": rate,
            "seconds": seconds,
            "ended_late_s": round(late, 1),
            **found,
        }

    async def bad_endpoints(self) -> None:
        """Add one endpoint that never answers and one that answers late; both want events of many patients."""
        await put_all(
            self.target, [self.crowd.bad(name, self.subject, self.receiver) for name in BAD]
        )
        await active(self.target, [f"{self.crowd.run}-{name}" for name in BAD])
        self.receiver.spoiled[f"/{self.crowd.run}-dead"] = "dead"
        self.receiver.spoiled[f"/{self.crowd.run}-slow"] = "slow"

    async def fan_out(self, writes: int) -> dict[str, Any]:
        """Write `writes` resources of the patient everybody asks for, as fast as they are acknowledged."""
        self.say(f"fan-out: {writes} events to {self.crowd.count} subscribers")
        before = len(self.receiver.posts)
        begun = time.time()
        await self._write([(0.0, None)] * writes)
        await self._arrived()
        posts = self.receiver.posts[before:]
        return {
            "name": "fan-out",
            **figures.throughput(begun, self._own(figures.told(posts)), len(posts)),
        }

    async def leave(self) -> None:
        """Delete every Subscription of this run."""
        crowd = self.crowd
        await unsubscribe(
            self.target,
            [*(f"{crowd.run}-{name}" for name in BAD), *map(crowd.id, range(crowd.count))],
        )

    def faults(self) -> dict[str, int]:
        """Return what is missing, repeated or out of order of everything this run wrote."""
        return figures.faults(self._own(figures.told(self.receiver.posts)), self.owed)

    def _own(self, arrived: list[Told]) -> list[Told]:
        """Leave out what went to bad endpoints."""
        return [one for one in arrived if one.path not in self.receiver.spoiled]

    async def _write(self, plan: Sequence[tuple[float, int | None]]) -> dict[str, Written]:
        """Write by `plan`: when (s from now), and whose patient (None: everybody's)."""
        written: dict[str, Written] = {}
        steps = iter(plan)
        begun = time.time()

        async def work(client: Client, _number: int, _going_on: Callable[[], bool]) -> None:
            for at, who in steps:
                self._number += 1
                id_ = f"{self.crowd.run}-{self._number}"
                patient = self.crowd.everybody if who is None else self.crowd.patient(who)
                body = self.subject.resource(patient, id_)
                await asyncio.sleep(max(0.0, begun + at - time.time()))
                asked = time.time()
                path = f"/{self.subject.type}/{id_}"
                await client.ask("PUT", "PUT", path, body, expect=(200, 201))
                written[f"{self.subject.type}/{id_}"] = Written(asked, time.time())
                for number in range(self.crowd.count) if who is None else (who,):
                    place = self.crowd.path(number)
                    self.owed[place] = self.owed.get(place, 0) + 1

        await run(self.target, WRITERS, work)
        self.written |= written
        return written

    async def _arrived(self) -> None:
        """Wait until everything owed has come, or nothing has for long; what is missing shows in `faults`."""
        counted, seen = 0, 0
        last = time.time()
        while seen < sum(self.owed.values()) and time.time() - last < DRAIN_SECONDS / 8:
            posts = self.receiver.posts[counted:]
            fresh = len(self._own(figures.told(posts)))
            if fresh:
                last = time.time()
            seen, counted = seen + fresh, counted + len(posts)
            await asyncio.sleep(_LOOK_SECONDS)


def passed(
    alone: dict[str, Any], beside: dict[str, Any], fan: dict[str, Any], wrong: dict[str, int]
) -> dict[str, bool]:
    """Return by promise whether it was kept."""
    return {
        "commit_to_post": figures.p99_ms(alone) <= figures.LATENCY_MS,
        "isolation": figures.p99_ms(beside) - figures.p99_ms(alone) <= figures.DELAY_BY_OTHERS_MS,
        "throughput": fan["notifications_per_s"] >= figures.NOTIFICATIONS_A_SECOND,
        "nothing_missing": wrong["missing"] == 0,
        "in_order": wrong["disordered_subscriptions"] == 0,
        "nothing_repeated": wrong["repeated"] == 0,
    }
