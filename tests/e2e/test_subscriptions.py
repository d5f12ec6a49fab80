"""Subscriptions of a whole server, from outside: the conformance tester, histories under random failures, a kill.

FHIR_HISTORY_SEED repeats the schedules from that seed on.
"""

import asyncio
import json
import os
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import get_args

import httpx
import psutil
import pytest
from typer.testing import CliRunner

from conformance.load.__main__ import app as load
from conformance.load.server import Server
from conformance.subscriptions.__main__ import app
from conformance.subscriptions.client import Client
from conformance.subscriptions.mortal_server import (
    ANSWER_SECONDS,
    MortalServer,
    a_server,
    fired_by_writing,
    suffer,
)
from conformance.subscriptions.ordeal import planned
from conformance.subscriptions.pulse import Pulse
from conformance.subscriptions.receiver import Arrival, Endpoint, listening
from conformance.subscriptions.schedule import FAILURES, Cast, Deed
from conformance.subscriptions.stimulus import Stimulus
from conformance.subscriptions.subscription import Wish
from tests.patience import PATIENCE_SECONDS

# A killed worker's lease of 5 s, and how often others look for leases that have ended.
ELSEWHERE_SECONDS = 7.0
SEEDS_IN_CI = 20
# So many side by side on one server.
AT_ONCE = 5
LONG = Cast(seconds=15.0, kills=4, api_kills=1, freezes=1, restarts=1, edits=8, removals=3)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server whose deliveries two processes share; tests may kill these."""
    with a_server() as running:
        yield running


def test_the_conformance_tester_finds_nothing_wrong(server: Server, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    place = server.place
    words = ["--base", place.base, "--token", place.admin_token(), "--report", str(report)]
    words += ["--patience", str(PATIENCE_SECONDS)]
    outcome = CliRunner().invoke(app, words)
    assert outcome.exit_code == 0, outcome.output
    found = json.loads(report.read_text())
    assert [one for one in found["checks"] if one["outcome"] != "passed"] == []


def test_a_short_load_is_measured_and_nothing_is_lost(server: Server, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    options = {
        "--base": server.place.base,
        "--data": str(server.place.data),
        "--subscribers": "12",
        "--rate": "30",
        "--seconds": "2",
        "--fan-out": "4",
        "--report": str(report),
    }
    words = [word for pair in options.items() for word in pair]
    outcome = CliRunner().invoke(load, ["subscriptions", *words])
    assert report.exists(), outcome.output
    found = json.loads(report.read_text())
    assert found["faults"] == {"missing": 0, "repeated": 0, "disordered_subscriptions": 0}
    alone, fan_out, beside = found["parts"]
    assert alone["arrived"] == beside["arrived"] == 60
    assert fan_out["notifications"] == 12 * 4
    assert {"postgres", "worker engine+deliver", "worker api"} <= alone["cpu_s"].keys()


def _seed() -> int:
    given = os.environ.get("FHIR_HISTORY_SEED")
    return int(given) if given else random.SystemRandom().getrandbits(32)


def _short(number: int) -> Cast:
    """Return the cast of schedule `number`: what hurts the server is dealt out over those beside each other."""
    return Cast(
        seconds=5.0,
        patients=2,
        kills=1 if number % 3 == 0 else 0,
        api_kills=1 if number % 10 == 1 else 0,
        restarts=1 if number == AT_ONCE + 2 else 0,
        freezes=1 if number == 2 * AT_ONCE + 2 else 0,
        edits=3,
        pause=(0.05, 0.4),
    )


async def test_nothing_is_lost_disordered_or_told_without_right(server: Server) -> None:
    first = _seed()
    print(f"FHIR_HISTORY_SEED={first} repeats this run")
    plans = [planned(first + number, _short(number)) for number in range(SEEDS_IN_CI)]
    assert {step.deed for plan in plans for step in plan.steps} == set(get_args(Deed))
    moods = {mood for plan in plans for one in plan.weather.values() for _, mood in one.changes}
    assert moods >= set(FAILURES)
    found = await suffer(server, plans, print, at_once=AT_ONCE)
    assert len(found) == SEEDS_IN_CI
    assert not any(found.values()), found


@pytest.mark.slow
async def test_the_same_for_longer_and_with_restarts(server: Server) -> None:
    first = _seed()
    print(f"FHIR_HISTORY_SEED={first} repeats this run")
    plans = [planned(first + number, LONG) for number in range(20)]
    found = await suffer(server, plans, print)
    assert len(found) == 20
    assert not any(found.values()), found


def _sender(workers: list[psutil.Process], arrival: Arrival) -> psutil.Process:
    """Return the one of `workers` that holds the connection a notification came by."""
    for worker in workers:
        with suppress(psutil.NoSuchProcess):
            ports = {one.laddr.port for one in worker.net_connections("tcp")}
            if arrival.port in ports:
                return worker
    raise AssertionError(f"nobody sends from port {arrival.port}")


async def _events(endpoint: Endpoint, count: int) -> list[Arrival]:
    return await endpoint.wait_kind("event-notification", PATIENCE_SECONDS, count=count)


async def test_a_killed_workers_work_continues_elsewhere(server: Server) -> None:
    keeper = MortalServer(server)
    await keeper.ready()
    pulse = Pulse()
    async with (
        pulse.beating(),
        httpx.AsyncClient(timeout=ANSWER_SECONDS, trust_env=False) as http,
        listening() as receiver,
    ):
        admin = Client(http, server.place.base, server.place.admin_token())
        topic, template = await fired_by_writing(admin)
        await admin.put({"resourceType": "Patient", "id": "killed"})
        stimulus = Stimulus("killed", template)
        endpoint = receiver.endpoint("killed")
        wish = Wish(topic, endpoint.url, filters=(stimulus.filter,), timeout=60)
        await admin.put(wish.resource(id_="killed"))
        assert await endpoint.wait_kind("handshake", PATIENCE_SECONDS)
        await _status(admin, "active")

        endpoint.always("hangs")
        await admin.must("POST", stimulus.type, stimulus.resource())
        (held,) = await _events(endpoint, 1)
        endpoint.always("takes")
        _sender(keeper.playing("engine+deliver"), held).kill()
        killed = time.time()
        arrived = await _events(endpoint, 2)
        await admin.must("POST", stimulus.type, stimulus.resource())
        arrived = await _events(endpoint, 3)
        await admin.ask("DELETE", "Subscription/killed")

    assert [one.status().numbers for one in arrived] == [(1,), (1,), (2,)]
    assert arrived[1].status().events == held.status().events
    assert pulse.elapsed(killed, arrived[1].at) <= ELSEWHERE_SECONDS


async def _status(admin: Client, wanted: str) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            if (await admin.status("killed")).status == wanted:
                return
            await asyncio.sleep(0.05)
