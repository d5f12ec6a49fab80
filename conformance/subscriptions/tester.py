"""Every check of the tester in the order of a report, and a run of them against one server."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from conformance.subscriptions import (
    discovery,
    operations,
    payloads,
    rejections,
    sockets,
    workflow,
)
from conformance.subscriptions.check import Check, Result, Skipped, as_json, perform_all
from conformance.subscriptions.client import Client
from conformance.subscriptions.receiver import listening
from conformance.subscriptions.scene import PATIENCE_SECONDS, Given, Stage

CHECKS: Final[Sequence[Check]] = (
    *discovery.CHECKS.all,
    *workflow.CHECKS.all,
    *payloads.CHECKS.all,
    *operations.CHECKS.all,
    *sockets.CHECKS.all,
    *rejections.CHECKS.all,
)
ANSWER_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the tester's own receiver listens; `url` is how the server reaches it, when otherwise."""

    host: str = "127.0.0.1"
    port: int = 0
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Examined:
    """A run: the topic it used (None without one) and what came out."""

    base: str
    topic: str | None
    results: list[Result] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the report."""
        return as_json(self.base, self.topic, self.results)


async def examine(
    base: str,
    token: str,
    *,
    given: Given,
    listen: Listen,
    only: Sequence[str] = (),
    patience: float = PATIENCE_SECONDS,
    told: Callable[[Result], object],
) -> Examined:
    """Run the checks named in `only` (all when empty) and tell of each as it ends.

    `patience` is how long (s) a check waits for what must come.

    Raises ValueError for a name that is no check.
    """
    unknown = set(only) - {check.name for check in CHECKS}
    if unknown:
        raise ValueError(f"no such check: {', '.join(sorted(unknown))}")
    wanted = [check for check in CHECKS if not only or check.name in only]
    async with (
        httpx.AsyncClient(timeout=ANSWER_SECONDS, trust_env=False) as http,
        listening(listen.host, listen.port, listen.url) as receiver,
    ):
        stage = Stage(Client(http, base, token), receiver, given, patience)
        results = await perform_all(wanted, stage, told)
        try:
            topic: str | None = await stage.topic()
        except (Skipped, httpx.HTTPError):
            topic = None
    return Examined(base, topic, results)
