"""What a conformance check is, and how many of them are run: each is named, and ends with a reason."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, Protocol

import httpx

from conformance.subscriptions.client import Client, UnexpectedAnswer
from conformance.subscriptions.notification import Unreadable
from conformance.subscriptions.receiver import Endpoint
from conformance.subscriptions.stimulus import Stimulus
from conformance.subscriptions.subscription import Wish

Json = dict[str, Any]
Outcome = Literal["passed", "failed", "skipped"]
# How much a failure weighs, in the words of the guide.
Level = Literal["SHALL", "SHOULD", "MAY"]

AT_ONCE: Final = 8


class Failed(AssertionError):
    """The server does not do what the check asks; the message says what was seen."""


class NotTaken(Failed):
    """A Subscription of a check was refused; the message quotes the answer."""


class Skipped(Exception):
    """The check does not apply to this server; the message says why."""


class Live(Protocol):
    """A Subscription of a check: already made, and removed when the check is over."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def wish(self) -> Wish:
        """What was asked for."""

    @property
    def endpoint(self) -> Endpoint:
        """Where its notifications arrive."""

    @property
    def stimulus(self) -> Stimulus:
        """What makes its topic fire."""


class Scene(Protocol):
    """What a check works with."""

    client: Client
    patience: float

    async def statement(self) -> Json:
        """Return the CapabilityStatement."""

    async def topic(self) -> str:
        """Return the canonical of the topic checks subscribe to. Raises `Skipped` without one."""

    async def stimulus(self) -> Stimulus:
        """Return something that makes the topic fire, about a patient of its own."""

    async def endpoint(self, label: str) -> Endpoint:
        """Return a fresh endpoint."""

    def live(
        self, label: str, *, active: bool = True, plain: bool = False, **wishes: Any
    ) -> AbstractAsyncContextManager[Live]:
        """Make a Subscription with `wishes` (fields of `Wish`), wait until it is `active`, delete it after.

        A `plain` one has search criteria in the place of a topic. Raises `NotTaken` when it cannot be made.
        """

    async def fire(self, live: Live) -> str:
        """Make the topic of `live` fire; return the focus as ``Type/id``."""

    async def settles(self, subscription: str, status: str) -> None:
        """Wait until the Subscription has `status`. Raises `Failed`."""


Run = Callable[[Scene], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing a tester looks for: `requirement` in words, `run` returns what was seen."""

    name: str
    level: Level
    requirement: str
    run: Run


@dataclass(frozen=True, slots=True)
class Result:
    """How a check ended, and why."""

    name: str
    level: Level
    requirement: str
    outcome: Outcome
    reason: str
    seconds: float

    def as_json(self) -> Json:
        """Return it for a report."""
        return asdict(self) | {"seconds": round(self.seconds, 3)}


class Checks:
    """A list of checks; `add` is a decorator."""

    def __init__(self) -> None:
        self.all: list[Check] = []

    def add(self, name: str, level: Level, requirement: str) -> Callable[[Run], Run]:
        """Enter the decorated function as the check `name`."""

        def enter(run: Run) -> Run:
            self.all.append(Check(name, level, requirement, run))
            return run

        return enter


async def perform(check: Check, scene: Scene) -> Result:
    """Run one check; whatever it meets becomes its result."""
    begun = time.perf_counter()
    outcome: Outcome
    try:
        reason = await check.run(scene)
        outcome = "passed"
    except Skipped as skipped:
        outcome, reason = "skipped", str(skipped)
    except (Failed, UnexpectedAnswer, Unreadable) as failed:
        outcome, reason = "failed", str(failed)
    except (httpx.HTTPError, OSError, TimeoutError) as problem:
        outcome, reason = "failed", f"{type(problem).__name__}: {problem}"
    seconds = time.perf_counter() - begun
    return Result(check.name, check.level, check.requirement, outcome, reason, seconds)


async def perform_all(
    checks: Sequence[Check], scene: Scene, told: Callable[[Result], object]
) -> list[Result]:
    """Run `checks`, several at a time; return the results in the order of `checks`."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(check: Check) -> Result:
        async with gate:
            result = await perform(check, scene)
        told(result)
        return result

    return list(await asyncio.gather(*(one(check) for check in checks)))


def conforms(results: Sequence[Result]) -> bool:
    """Return whether nothing that is a SHALL failed, and something passed."""
    broken = any(one.outcome == "failed" and one.level == "SHALL" for one in results)
    return not broken and any(one.outcome == "passed" for one in results)


def as_json(base: str, topic: str | None, results: Sequence[Result]) -> Json:
    """Return the report of a run."""
    counts = {
        outcome: sum(one.outcome == outcome for one in results)
        for outcome in ("passed", "failed", "skipped")
    }
    return {
        "base": base,
        "topic": topic,
        "conforms": conforms(results),
        **counts,
        "checks": [one.as_json() for one in results],
    }
