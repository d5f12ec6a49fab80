"""The command `subscription-matching`: what a write costs beside few and beside many Subscriptions.

Everything is written by one administrator over websocket Subscriptions that nobody is bound to, so
that nothing is delivered: what is left is the write, and finding out who wants it. One in every
hundred writes is wanted, and by one Subscription alone.
"""

import asyncio
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Annotated, Any, Final

import orjson
import typer
import uvloop

from conformance.load import processes
from conformance.load.rest.clients import Client, UnexpectedError, run
from conformance.load.rest.http import Target
from conformance.load.subscriptions.measured import (
    Base,
    Data,
    ReportFile,
    finish,
    server_to_measure,
)
from conformance.subscriptions.scene import topics_of
from conformance.subscriptions.subscription import Wish

Json = dict[str, Any]

app = typer.Typer(name="subscription-matching", add_completion=False)
# What is asked for: so much more processor time for a write beside many than beside few.
PROMISED: Final = 1.10
_SYSTEM: Final = "urn:load:matching"
_BUNDLE: Final = 250
_SENDERS: Final = 3
_CLIENTS: Final = 16
_WANTED_EVERY: Final = 100
_WARM_SECONDS: Final = 5.0
_IDLE_SECONDS: Final = 5.0
_SLICES: Final = 5


@app.command(name="subscription-matching")
def subscription_matching(
    *,
    base: Base = "",
    data: Data = None,
    few: Annotated[int, typer.Option(help="Active Subscriptions at first.")] = 100,
    many: Annotated[int, typer.Option(help="Active Subscriptions in the end.")] = 100_000,
    seconds: Annotated[float, typer.Option(help="How long each part writes.")] = 30.0,
    report: ReportFile = None,
) -> None:
    """Compare the processor time of a write beside few and beside many active Subscriptions.

    Ends with exit code 1 when it grows by more than a tenth.
    """
    with server_to_measure(base, "", data) as server:
        meter = server.meter()
        if meter is None:
            raise typer.BadParameter(
                "--base needs --data: processor time is read off its processes"
            )
        figures = uvloop.run(_measure(server.target, meter, few, many, seconds))
    finish(figures, report, kept=figures["kept"])


@dataclass(frozen=True, slots=True)
class _Crowd:
    """Subscriptions to several topics, each of which wants a code of its own."""

    run: str
    topics: tuple[str, ...]

    def subscription(self, number: int) -> Json:
        """Return one of them."""
        wish = Wish(
            self.topics[number % len(self.topics)],
            None,
            filters=(f"Observation?code={_SYSTEM}|{self.code(number)}&status=final,amended",),
            channel="websocket",
        )
        return wish.resource(id_=f"{self.run}-{number}")

    def code(self, number: int) -> str:
        """Return the code that one of them wants."""
        return f"{self.run}-c{number}"

    def observation(self, number: int, few: int) -> bytes:
        """Return what is written; every hundredth is wanted by one of the first `few`."""
        code = self.code(number % few) if number % _WANTED_EVERY == 0 else f"{self.run}-nobody"
        return orjson.dumps(
            {
                "resourceType": "Observation",
                "status": "final",
                "code": {"coding": [{"system": _SYSTEM, "code": code}]},
                "effectiveDateTime": "2026-01-01T00:00:00Z",
                "valueInteger": number % 1000,
            }
        )


async def _measure(
    target: Target, meter: processes.Meter, few: int, many: int, seconds: float
) -> Json:
    crowd = _Crowd(f"m{secrets.token_hex(3)}", await _topics(target))
    await _subscribe(target, crowd, 0, few)
    beside_few = await _writing(target, meter, crowd, few, seconds)
    begun = time.perf_counter()
    await _subscribe(target, crowd, few, many)
    filing_s = time.perf_counter() - begun
    beside_many = await _writing(target, meter, crowd, few, seconds)
    growth = beside_many["cpu_us_per_write"] / beside_few["cpu_us_per_write"]
    return {
        "name": "subscription-matching",
        "topics": crowd.topics,
        "subscribed_per_s": round((many - few) / filing_s, 1),
        "beside_few": {"subscriptions": few, **beside_few},
        "beside_many": {"subscriptions": many, **beside_many},
        "growth": round(growth, 3),
        "kept": growth <= PROMISED,
    }


async def _topics(target: Target) -> tuple[str, ...]:
    found: list[str] = []

    async def ask(client: Client, _number: int, _going_on: Callable[[], bool]) -> None:
        statement = (await client.ask("metadata", "GET", "/metadata")).json()
        wanted = ("patient-observation", "resource-change")
        found.extend(one for one in topics_of(statement) if one.rpartition("/")[2] in wanted)

    await run(target, 1, ask)
    if not found:
        raise UnexpectedError("the server offers no topic about Observations that is known here")
    return tuple(found)


async def _subscribe(target: Target, crowd: _Crowd, first: int, end: int) -> None:
    """Write Subscriptions `first` .. `end`, many in one transaction, and see that each is active."""
    starts = iter(range(first, end, _BUNDLE))

    async def work(client: Client, _number: int, _going_on: Callable[[], bool]) -> None:
        for start in starts:
            resources = [crowd.subscription(n) for n in range(start, min(start + _BUNDLE, end))]
            entries = [
                {
                    "resource": one,
                    "request": {"method": "PUT", "url": f"Subscription/{one['id']}"},
                }
                for one in resources
            ]
            body = orjson.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})
            answer: Json = (await client.ask("transaction", "POST", "", body)).json()
            for entry in answer["entry"]:
                if not entry["response"]["status"].startswith("20"):
                    raise UnexpectedError(f"a Subscription was refused: {json.dumps(entry)[:400]}")
            if start % 10_000 == 0:
                print(f"  {start} Subscriptions", flush=True)

    async def look(client: Client, _number: int, _going_on: Callable[[], bool]) -> None:
        path = f"/Subscription/{crowd.run}-{end - 1}"
        if (await client.ask("read", "GET", path)).json()["status"] != "active":
            raise UnexpectedError(f"{path} is not active")

    await run(target, _SENDERS, work)
    await run(target, 1, look)


async def _writing(
    target: Target, meter: processes.Meter, crowd: _Crowd, few: int, seconds: float
) -> Json:
    """Return the processor time of a write, without what the server uses when nothing is written."""
    numbers = count()

    async def work(client: Client, _number: int, going_on: Callable[[], bool]) -> None:
        while going_on():
            body = crowd.observation(next(numbers), few)
            await client.ask("create", "POST", "/Observation", body, expect=(201,))

    await run(target, _CLIENTS, work, seconds=_WARM_SECONDS)
    meter.start()
    await asyncio.sleep(_IDLE_SECONDS)
    at_rest = _cpu(meter) / _IDLE_SECONDS
    costs = []
    requests = 0
    for _ in range(_SLICES):
        meter.start()
        measured = await run(target, _CLIENTS, work, seconds=seconds / _SLICES)
        used = _cpu(meter) - at_rest * measured.seconds
        costs.append(used / measured.requests * 1e6)
        requests += measured.requests
    costs.sort()
    return {
        "writes": requests,
        "cpu_us_per_write": round(costs[_SLICES // 2], 1),
        "cpu_us_per_write_slices": [round(one, 1) for one in costs],
        "cpu_s_per_s_at_rest": round(at_rest, 3),
    }


def _cpu(meter: processes.Meter) -> float:
    return sum(one.cpu_s for one in meter.usage().values())
