"""The command `subscriptions`: how soon, how many, and whether one bad endpoint delays the others."""

import json
import secrets
import time
from typing import Annotated, Any, Final

import typer
import uvloop

from conformance.load import processes
from conformance.load.rest.clients import UnexpectedError
from conformance.load.rest.http import Target
from conformance.load.subscriptions.delivering import Delivering, passed
from conformance.load.subscriptions.fast_receiver import listening
from conformance.load.subscriptions.measured import (
    Base,
    Data,
    ReportFile,
    Token,
    finish,
    server_to_measure,
)
from conformance.load.subscriptions.subscribers import (
    Crowd,
    SubscribersError,
    subject_of,
    subscribe,
)

app = typer.Typer(name="subscriptions", add_completion=False)
EXPECTED: Final = (UnexpectedError, SubscribersError)


@app.command()
def subscriptions(
    *,
    base: Base = "",
    token: Token = "",
    data: Data = None,
    subscribers: Annotated[int, typer.Option(help="Active Subscriptions.")] = 1000,
    rate: Annotated[float, typer.Option(help="Events a second in the steady part.")] = 200.0,
    seconds: Annotated[float, typer.Option(help="How long each steady part lasts.")] = 30.0,
    fan_out: Annotated[int, typer.Option(help="Events that go to every subscriber.")] = 50,
    report: ReportFile = None,
) -> None:
    """Time from a write to the POST about it, alone and beside bad endpoints, and a fan-out to all.

    The server must be allowed to send to this machine: with this product, ALLOW_INSECURE_ENDPOINTS=1.
    Ends with exit code 1 when a promise was not kept.
    """
    with server_to_measure(base, token, data, {"ALLOW_INSECURE_ENDPOINTS": "1"}) as server:
        figures = uvloop.run(
            _measure(
                server.target,
                server.meter(),
                subscribers,
                rate,
                seconds=seconds,
                fan_out=fan_out,
            )
        )
    finish(figures, report, kept=all(figures["kept"].values()))


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
