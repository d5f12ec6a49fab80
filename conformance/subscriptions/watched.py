"""One Subscription during an ordeal: what it asked for when, where it is told, and its side of the history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

from conformance.subscriptions.client import Client
from conformance.subscriptions.history import Elapsed, Followed, Interest, Period, Received
from conformance.subscriptions.notification import Unreadable
from conformance.subscriptions.receiver import Arrival, Endpoint
from conformance.subscriptions.subscription import Wish

Json = dict[str, Any]
Log = tuple[tuple[int, str | None], ...]


@dataclass(frozen=True, slots=True)
class Span:
    """When a request began, and when it was surely carried out."""

    begun: float
    ended: float


@dataclass
class Watched:
    """Made by `owner`; `interests` grow with each edit of whom it asks for."""

    id: str
    owner: Client
    wish: Wish
    kind: str
    patients: frozenset[str]
    endpoints: list[Endpoint]
    rights: Mapping[str, list[Period]] | None = None
    interests: list[Interest] = field(default_factory=list)
    over: float | None = None
    log: Log | None = None
    always_empty: bool = False

    def resource(self) -> Json:
        """Return the Subscription as it shall be now."""
        filters = (
            f"{self.kind}?patient=" + ",".join(f"Patient/{one}" for one in sorted(self.patients)),
        )
        return replace(self.wish, filters=filters).resource(id_=self.id)

    def asks_since(self, span: Span) -> None:
        """Note that from this request on `patients` are asked for, and nobody else."""
        if self.interests:
            last = self.interests[-1]
            period = replace(last.period, ends=span.begun, ended=span.ended)
            self.interests[-1] = replace(last, period=period)
        self.interests.append(Interest(Period(span.begun, span.ended), self.patients))

    def stops(self, span: Span) -> None:
        """Note that it was deleted by this request."""
        last = self.interests[-1]
        period = replace(last.period, ends=span.begun, ended=span.ended)
        self.interests[-1] = replace(last, period=period)
        self.over = span.ended

    @property
    def reached(self) -> int:
        """The highest number of an event that its endpoints took."""
        return max(
            (
                number
                for arrival in self._arrivals()
                if arrival.answered in ("taken", "uncertain")
                for number, _ in _events(arrival)
            ),
            default=0,
        )

    def followed(self, everybody: Sequence[str], elapsed: Elapsed) -> Followed:
        """Return its side of the history; `everybody` are the patients whose naming is looked for."""
        rights = None
        if self.rights is not None:
            rights = {patient: tuple(periods) for patient, periods in self.rights.items()}
        return Followed(
            self.id,
            tuple(self.interests),
            self.log,
            tuple(_received(one, everybody) for one in self._arrivals()),
            rights,
            self.over,
            names_focus=not self.always_empty,
            elapsed=elapsed,
        )

    def _arrivals(self) -> list[Arrival]:
        return [arrival for endpoint in self.endpoints for arrival in endpoint.arrivals]


def _received(arrival: Arrival, everybody: Sequence[str]) -> Received:
    return Received(
        arrival.at,
        inf if arrival.ended is None else arrival.ended,
        _events(arrival),
        frozenset(one for one in everybody if one.encode() in arrival.body),
        arrival.answered or "unanswered",
    )


def _events(arrival: Arrival) -> Log:
    try:
        said = arrival.status()
    except Unreadable:
        return ()
    if said.kind != "event-notification":
        return ()
    return tuple((event.number, event.focus) for event in said.events)
