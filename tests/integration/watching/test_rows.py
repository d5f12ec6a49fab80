"""What processes tell each other about the server, and whom a late evaluation concerns."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from fhirserver.kernel.errors import Unavailable
from fhirserver.kernel.principal import Principal
from fhirserver.kernel.readings import Contact, Mode
from fhirserver.store.database import open_database
from fhirserver.store.own_rows import OwnRows
from subscriptions.core.vigil import Notice
from subscriptions.evaluation.lateness import Lateness
from subscriptions.rest import metrics
from subscriptions.store import watch_rows
from subscriptions.store.watch_rows import Health
from subscriptions.watching.beats import Pulse, RoleBeats
from subscriptions.watching.watchdog import Eyes, Watchdog
from tests.conftest import ROLE_PASSWORDS
from tests.integration.watching.conftest import Server


async def write(server: Server, *, lag_ms: int = 0, late_since: datetime | None = None) -> None:
    health = Health(server.clock(), late_since is None, lag_ms, late_since, ())
    await watch_rows.save_health(server.record.tend, health)


async def test_the_watchdog_reads_signs_of_life_and_everybody_reads_the_watchdog(
    server: Server,
) -> None:
    told: list[Notice] = []

    async def tell(notice: Notice) -> bool:
        told.append(notice)
        return True

    async def lag() -> timedelta | None:
        return timedelta(0)

    async def answers() -> bool | None:
        return None

    beats = RoleBeats(server.record.tend, server.clock, ("engine", "ingest"), "p1")
    pulse = Pulse(server.record.scan, server.clock)
    eyes = Eyes(server.record.tend, lag, lambda: True, answers, server.clock)
    watchdog = Watchdog(eyes, tell, ("engine", "ingest"), None)

    def is_well() -> bool:
        return pulse.is_well

    assert not is_well()
    await pulse.look()
    assert is_well(), "no watchdog has ever run here"
    await beats.beat()
    await watchdog.look()
    await pulse.look()
    assert is_well()
    # Nobody has looked for a while: what was found is not known any more.
    server.ahead += timedelta(seconds=6)
    assert not is_well()
    for _ in range(15):
        server.ahead += timedelta(seconds=1)
        await watchdog.look()
    assert [[code for code, _ in one.ailments] for one in told] == [
        ["engine-silent", "ingest-silent"]
    ]
    await pulse.look()
    assert not is_well()
    assert pulse.health is not None
    assert pulse.health.troubles == ("engine-silent", "ingest-silent")


async def test_work_that_is_due_and_not_done_is_seen(server: Server) -> None:
    assert await watch_rows.due(server.record.tend, server.clock()) == watch_rows.Due(
        None, None, None
    )
    await server.synthetic()._say({"150021": 62, "150022": 41})
    server.ahead += timedelta(seconds=40)
    due = await watch_rows.due(server.record.tend, server.clock())
    # Nobody runs timers here; what is to be sent has not even got its number.
    assert due.timer is not None
    assert due.timer < server.clock()


async def test_companies_that_take_nothing_are_seen_and_the_sink_does_not_count(
    server: Server,
) -> None:
    tenant = server.names["home"]

    async def attempt(company: str, outcome: str, medium: str = "sms") -> None:
        async with server.record.transaction(tenant) as tx:
            await tx.execute(
                "INSERT INTO attempt (bucket, tenant, id, subscription, epoch, medium, company,"
                " started, finished, outcome)"
                " VALUES (0, %s, gen_random_uuid(), 's', 1, %s, %s, %s, %s, %s)",
                (tenant, medium, company, server.clock(), server.clock(), outcome),
            )

    async def refused() -> bool:
        return (await watch_rows.due(server.record.tend, server.clock())).refused

    await attempt("first", "unavailable", "rest-hook")
    await attempt("sink", "handed-over")
    assert not await refused()
    await attempt("first", "unavailable")
    assert await refused()
    await attempt("second", "handed-over")
    assert not await refused()
    server.ahead = timedelta(seconds=61)
    await attempt("first", "lost")
    assert await refused()


async def test_a_database_that_is_away_costs_the_watchdog_two_seconds(server: Server) -> None:
    async with open_database("postgresql://u:p@127.0.0.1:9/none", ROLE_PASSWORDS) as pools:
        rows = OwnRows(pools.work)
        async with asyncio.timeout(6):
            with pytest.raises(Unavailable):
                await rows("SELECT 1", ())


async def test_people_in_treatment_hear_of_a_lateness_and_of_its_end(server: Server) -> None:
    tenant = server.names["home"]
    async with server.record.transaction(tenant) as tx:
        modes: tuple[tuple[str, Mode], ...] = (("ann", "TX"), ("eve", "IDL"))
        for patient, mode in modes:
            await tx.put({"resourceType": "Patient"}, id_=patient)
            await tx.put({"resourceType": "Device"}, id_=f"m-{mode}")
            await tx.put(
                {
                    "resourceType": "DeviceUseStatement",
                    "status": "active",
                    "subject": {"reference": f"Patient/{patient}"},
                    "device": {"reference": f"Device/m-{mode}"},
                }
            )
        signs = [
            Contact(tenant, f"m-{mode}", patient, mode, True, server.clock(), False)
            for patient, mode in modes
        ]
        await server.parts.observer.contacts(tx, signs)
    lateness = Lateness(server.parts.response, server.record.work, server.record.tend, server.clock)
    began = lateness.listening_since()

    async def alerts() -> list[tuple[Any, ...]]:
        async with server.record.transaction(tenant) as tx:
            return await tx.execute("SELECT patient, priority, code, condition FROM alert", ())

    late_since = server.clock()
    for seconds in (0, 30, 59):
        server.ahead = timedelta(seconds=seconds)
        await write(server, lag_ms=7000, late_since=late_since)
        await lateness()
        # Meanwhile no device's silence is judged.
        assert lateness.listening_since() > began
        assert await alerts() == []
    server.ahead = timedelta(seconds=61)
    await write(server, lag_ms=60_000, late_since=late_since)
    await lateness()
    await lateness()
    assert await alerts() == [("ann", "PM", "evaluation-late", "present")]
    since = lateness.listening_since()
    server.ahead = timedelta(seconds=70)
    await write(server)
    await lateness()
    assert await alerts() == [("ann", "PM", "evaluation-late", "absent")]
    assert lateness.listening_since() == since


async def test_what_is_late_is_told_bit_by_bit(server: Server) -> None:
    """Telling people takes its share of a second, so that it makes nothing later still."""
    tenant = server.names["home"]
    names = [f"late-{number}" for number in range(25)]
    async with server.record.transaction(tenant) as tx:
        for name in names:
            await tx.put({"resourceType": "Patient"}, id_=name)
            await tx.put({"resourceType": "Device"}, id_=f"m-{name}")
            await tx.put(
                {
                    "resourceType": "DeviceUseStatement",
                    "status": "active",
                    "subject": {"reference": f"Patient/{name}"},
                    "device": {"reference": f"Device/m-{name}"},
                }
            )
        # Those in no treatment were heard before all others, and hold up nobody.
        idle: Mode = "IDL"
        heard = [
            Contact(
                tenant, f"m-{name}", name, idle if at < 12 else "TX", True, server.clock(), False
            )
            for at, name in enumerate(names)
        ]
        await server.parts.observer.contacts(tx, heard)
    late_since = server.clock()
    server.ahead = timedelta(seconds=61)
    await write(server, lag_ms=60_000, late_since=late_since)
    now, step = server.clock(), timedelta(seconds=1)

    def clock() -> datetime:
        nonlocal now
        now += step
        return now

    lateness = Lateness(server.parts.response, server.record.work, server.record.tend, clock)

    async def told() -> int:
        async with server.record.transaction(tenant) as tx:
            found = await tx.execute("SELECT patient FROM alert WHERE condition = 'present'", ())
        assert {patient for (patient,) in found} <= set(names[12:])
        return len(found)

    await lateness()
    assert await told() == 10
    step = timedelta(0)
    await lateness()
    assert await told() == 13
    server.ahead = timedelta(seconds=70)
    await write(server)
    now = server.clock()
    await lateness()
    assert await told() == 0


async def test_metrics_tell_how_the_server_is(server: Server) -> None:
    await write(server, lag_ms=1500)
    token = await server.record.issue_token(Principal(1, "admin", ""), 3600)
    route = metrics.route(
        server.record.scan, server.record.grant, lambda: server.names, server.clock
    )
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(Starlette(routes=[route])), base_url="http://test"
    ) as client:
        answer = await client.get("/metrics", headers={"authorization": f"Bearer {token}"})
    assert "fhir_server_well 1.0" in answer.text
    assert "fhir_evaluation_lag_seconds 1.5" in answer.text
    assert 'fhir_synthetic_runs{result="missed"} 0.0' in answer.text
