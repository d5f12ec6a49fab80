"""The command `subscriptions`: how soon, how many, and whether one bad endpoint delays the others."""

import json
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import uvloop

from conformance.load import processes
from conformance.load.rest.clients import UnexpectedError
from conformance.load.rest.http import Target
from conformance.load.server import fresh_data, running
from conformance.load.subscriptions.delivering import Delivering, passed
from conformance.load.subscriptions.fast_receiver import listening
from conformance.load.subscriptions.subscribers import (
    Crowd,
    SubscribersError,
    subject_of,
    subscribe,
)

app = typer.Typer(name="subscriptions", add_completion=False)
EXPECTED: Final = (UnexpectedError, SubscribersError)
FAILED: Final = 1


@app.command()
def subscriptions(
    *,
    base: Annotated[
        str, typer.Option(help="FHIR base URL; a fresh server of ours without one.")
    ] = "",
    token: Annotated[str, typer.Option(help="Bearer token, where the server wants one.")] = "",
    data: Annotated[
        Path | None, typer.Option(help="DATA of a server of ours: token, processor time.")
    ] = None,
    subscribers: Annotated[int, typer.Option(help="Active Subscriptions.")] = 1000,
    rate: Annotated[float, typer.Option(help="Events a second in the steady part.")] = 200.0,
    seconds: Annotated[float, typer.Option(help="How long each steady part lasts.")] = 30.0,
    fan_out: Annotated[int, typer.Option(help="Events that go to every subscriber.")] = 50,
    report: Annotated[
        Path | None, typer.Option("--report", help="Write the figures here (JSON).")
    ] = None,
) -> None:
    """Time from a write to the POST about it, alone and beside bad endpoints, and a fan-out to all.

    The server must be allowed to send to this machine: with this product, ALLOW_INSECURE_ENDPOINTS=1.
    Ends with exit code 1 when a promise was not kept.
    """
    with _place(base, token, data) as (target, place):
        meter = None if place is None else processes.Meter(processes.server_pid(place))
        figures = uvloop.run(
            _measure(target, meter, subscribers, rate, seconds=seconds, fan_out=fan_out)
        )
    print(json.dumps(figures, indent=1))
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(json.dumps(figures, indent=2) + "\n")
    if not all(figures["kept"].values()):
        raise typer.Exit(FAILED)


@contextmanager
def _place(base: str, token: str, data: Path | None) -> Iterator[tuple[Target, Path | None]]:
    """Return the server to measure and its DATA; a fresh one is started when none is named."""
    if base:
        if not token and data is not None:
            token = (data / "admin.token").read_text().strip()
        yield Target(base.rstrip("/"), token), data
        return
    fresh = fresh_data()
    try:
        with running({"ALLOW_INSECURE_ENDPOINTS": "1"}, data=fresh) as server:
            yield Target(server.place.base, server.place.admin_token()), fresh
    finally:
        shutil.rmtree(fresh)


async def _measure(
    target: Target,
    meter: processes.Meter | None,
    subscribers: int,
    rate: float,
    *,
    seconds: float,
    fan_out: int,
) -> dict[str, Any]:
    subject = await subject_of(target)
    crowd = Crowd(f"load-{secrets.token_hex(3)}", subscribers)
    async with listening() as receiver:
        load = Delivering(target, subject, receiver, crowd, _say)
        _say(f"{subscribers} subscribers to {subject.topic}")
        begun = time.perf_counter()
        await subscribe(target, subject, receiver, crowd)
        active_s = time.perf_counter() - begun
        parts: list[dict[str, Any]] = []

        async def measured(work: Any) -> dict[str, Any]:
            if meter is not None:
                meter.start()
            own = time.process_time()
            found: dict[str, Any] = await work
            if meter is not None:
                found["cpu_s"] = {name: one.cpu_s for name, one in meter.usage().items()}
                found["cpu_s"][processes.OURSELVES] = round(time.process_time() - own, 3)
            parts.append(found)
            _say(json.dumps(found))
            return found

        alone = await measured(load.steady("alone", rate, seconds))
        fan = await measured(load.fan_out(fan_out))
        await load.bad_endpoints()
        beside = await measured(load.steady("beside bad endpoints", rate, seconds))
        wrong = load.faults()
        await load.leave()
    return {
        "name": "subscriptions",
        "topic": subject.topic,
        "subscribers": subscribers,
        "subscribed_and_active_s": round(active_s, 1),
        "parts": parts,
        "faults": wrong,
        "kept": passed(alone, beside, fan, wrong),
    }


def _say(text: str) -> None:
    print(text, flush=True)
