"""``GET /metrics``: how the server is and how every Subscription stands, for Prometheus.

Read from the database when asked, so that any process answers for all of them. Which Subscriptions
there are and where they fail is the operator's business: a bearer token of an administrator opens
it (in a scrape configuration: ``authorization: {credentials_file: admin.token}``).

Spec: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fhirserver.kernel.errors import Unavailable
from fhirserver.kernel.principal import Grant
from subscriptions.store import (
    interface_counts,
    standing_rows,
    synthetic_rows,
    try_counts,
    watch_rows,
)
from subscriptions.store.interface_counts import LetterCount, LineCount, MessageCount
from subscriptions.store.standing_rows import Standing
from subscriptions.store.synthetic_rows import Runs
from subscriptions.store.try_counts import TryCount
from subscriptions.store.watch_rows import Health
from subscriptions.watching.beats import FRESH_FOR
from subscriptions.watching.synthetic_patient import GIVEN_UP_AFTER
from subscriptions.worker.ports import Clock, Scan

STATUSES = ("requested", "active", "error", "off")
_RUNS_OF = timedelta(hours=1)
_MESSAGES_OF = timedelta(minutes=5)
_LINES_OF = timedelta(seconds=30)
_LABELS = ("tenant", "subscription", "topic", "channel")


class Standings(Collector):
    """Tells Prometheus how Subscriptions stand at `now`; `tenants` are names by number."""

    def __init__(
        self, standings: Iterable[Standing], tenants: Mapping[int, str], now: datetime
    ) -> None:
        """Tell of `standings`."""
        self._standings = list(standings)
        self._tenants = tenants
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """Yield one family after the other."""
        gauges: dict[str, tuple[str, Callable[[Standing], float]]] = {
            "fhir_subscription_lag_events": (
                "Events that are numbered and not delivered.",
                lambda one: one.lag_events,
            ),
            "fhir_subscription_lag_seconds": (
                "For how long the oldest event that is not delivered has waited.",
                lambda one: one.lag_seconds(self._now),
            ),
            "fhir_subscription_failures": (
                "Failed attempts in a row.",
                lambda one: one.failures,
            ),
            "fhir_subscription_dead_letters": (
                "Events that were set aside and not sent again.",
                lambda one: one.dead_letters,
            ),
        }
        for name, (meaning, value) in gauges.items():
            gauge = GaugeMetricFamily(name, meaning, labels=_LABELS)
            for one in self._standings:
                gauge.add_metric(self._labels(one), value(one))
            yield gauge
        yield self._notifications()
        yield self._status()

    def _notifications(self) -> Metric:
        counter = CounterMetricFamily(
            "fhir_subscription_notifications",
            "Notifications that were sent, by result.",
            labels=(*_LABELS, "result"),
        )
        for one in self._standings:
            counter.add_metric([*self._labels(one), "delivered"], one.handed)
            counter.add_metric([*self._labels(one), "failed"], one.missed)
        return counter

    def _status(self) -> Metric:
        gauge = GaugeMetricFamily(
            "fhir_subscription_status",
            "1 for the status a Subscription has, 0 for the others.",
            labels=(*_LABELS, "status"),
        )
        for one in self._standings:
            for status in STATUSES:
                gauge.add_metric([*self._labels(one), status], int(one.status == status))
        return gauge

    def _labels(self, one: Standing) -> list[str]:
        tenant = self._tenants.get(one.tenant, str(one.tenant))
        return [tenant, one.subscription, one.topic, one.channel]


class ServerHealth(Collector):
    """Tells Prometheus what the watchdog found last and how the synthetic patient fares."""

    def __init__(self, health: Health | None, runs: Runs, now: datetime) -> None:
        """Tell of `health` and of the `runs` of the last hour."""
        self._health = health
        self._runs = runs
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """Yield one family after the other."""
        health, runs = self._health, self._runs
        yield GaugeMetricFamily(
            "fhir_server_well",
            "1 while the watchdog finds everything in order and is alive itself.",
            value=int(health is not None and health.is_well and self._now - health.at <= FRESH_FOR),
        )
        if health is not None and health.lag_ms is not None:
            yield GaugeMetricFamily(
                "fhir_evaluation_lag_seconds",
                "For how long the oldest message of a device that is not evaluated has waited.",
                value=health.lag_ms / 1000,
            )
        counted = GaugeMetricFamily(
            "fhir_synthetic_runs",
            "Runs of the synthetic patient in the last hour, by result.",
            labels=("result",),
        )
        counted.add_metric(["arrived"], runs.arrived)
        counted.add_metric(["missed"], runs.runs - runs.arrived)
        yield counted
        if runs.seconds is not None:
            yield GaugeMetricFamily(
                "fhir_synthetic_seconds",
                "From the synthetic device's message to its page with the sink, the last time.",
                value=runs.seconds,
            )


class Tries(Collector):
    """Tells Prometheus how the telephone companies have fared in the last hour."""

    def __init__(self, counts: Iterable[TryCount]) -> None:
        """Tell of `counts`."""
        self._counts = list(counts)

    def collect(self) -> Iterator[Metric]:
        """Yield the one family."""
        gauge = GaugeMetricFamily(
            "fhir_telephone_tries",
            "Texts and calls begun in the last hour, by company, medium and result. Of 'lost' and "
            "'unheard' ones a copy went another way: some of them rang twice.",
            labels=("company", "medium", "result"),
        )
        for one in self._counts:
            gauge.add_metric([one.company, one.medium, one.result], one.count)
        yield gauge


class Interfaces(Collector):
    """Tells Prometheus what came over HL7 v2 in the last minutes, and what no door could process."""

    def __init__(
        self,
        tenant: str,
        messages: Iterable[MessageCount],
        letters: Iterable[LetterCount],
        lines: Iterable[LineCount],
    ) -> None:
        """Tell of the `messages`, `letters` and `lines` of one tenant."""
        self._lines = list(lines)
        self._tenant = tenant
        self._messages = list(messages)
        self._letters = list(letters)

    def collect(self) -> Iterator[Metric]:
        """Yield one family after the other."""
        taken = GaugeMetricFamily(
            "fhir_hl7v2_messages",
            "Messages received over HL7 v2 in the last five minutes, by sender, kind and outcome.",
            labels=("tenant", "sender", "kind", "outcome"),
        )
        for one in self._messages:
            taken.add_metric([self._tenant, one.sender, one.kind, one.outcome], one.number)
        yield taken
        letters = GaugeMetricFamily(
            "fhir_dead_letters",
            "Messages no door could process that were not replayed, by door and reason.",
            labels=("tenant", "door", "reason"),
        )
        for letter in self._letters:
            letters.add_metric([self._tenant, letter.door, letter.reason], letter.number)
        yield letters
        lines = GaugeMetricFamily(
            "fhir_hl7v2_connections",
            "Open connections of HL7 v2: in at a port of ours, out to a receiver.",
            labels=("tenant", "side", "place"),
        )
        for line in self._lines:
            lines.add_metric([self._tenant, line.side, line.place], line.open)
        yield lines


def route(
    scan: Scan,
    grant: Callable[[str], Awaitable[Grant | None]],
    tenants: Callable[[], Mapping[str, int]],
    clock: Clock,
) -> Route:
    """Return the route; an administrator sees the Subscriptions of their own tenant."""

    async def scrape(request: Request) -> Response:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        held = await grant(token.strip()) if scheme.lower() == "bearer" and token else None
        if held is None:
            return Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})
        caller = held.principal
        if caller.kind != "admin":
            return Response(status_code=403)
        try:
            rows = await scan(standing_rows.OF_TENANT, (caller.tenant,))
            health = await watch_rows.health(scan)
            now = clock()
            # A run that has just begun has not failed yet.
            runs = await synthetic_rows.runs(scan, now - _RUNS_OF, now - GIVEN_UP_AFTER)
            tries = await scan(try_counts.OF_TENANT, (caller.tenant, now - _RUNS_OF))
            came = await scan(interface_counts.MESSAGES, (caller.tenant, now - _MESSAGES_OF))
            letters = await scan(interface_counts.LETTERS, (caller.tenant,))
            lines = await scan(interface_counts.LINES, (caller.tenant, now - _LINES_OF))
        except Unavailable:
            return Response(status_code=503)
        names = {number: name for name, number in tenants().items()}
        registry = CollectorRegistry(auto_describe=False)
        standings = [standing_rows.standing(row) for row in rows]
        registry.register(Standings(standings, names, clock()))
        registry.register(ServerHealth(health, runs, clock()))
        registry.register(Tries(map(try_counts.try_count, tries)))
        counts = (
            [MessageCount(*row) for row in came],
            [LetterCount(*row) for row in letters],
            [LineCount(*row) for row in lines],
        )
        registry.register(Interfaces(names.get(caller.tenant, str(caller.tenant)), *counts))
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return Route("/metrics", scrape, methods=["GET"])
