"""The command `subscription-fanout`: one event to many websockets, and how soon the last one has it."""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import orjson
import typer
import uvloop

from conformance.load import processes
from conformance.load.percentiles import spread
from conformance.load.rest.clients import Client, UnexpectedError, run
from conformance.load.rest.http import Target
from conformance.load.subscriptions.fast_socket import FastSocket
from conformance.load.subscriptions.measured import (
    Base,
    Data,
    ReportFile,
    Token,
    finish,
    server_to_measure,
)
from conformance.load.subscriptions.subscribers import (
    Subject,
    SubscribersError,
    put_all,
    subject_of,
)
from conformance.subscriptions.notification import Unreadable, read
from conformance.subscriptions.subscription import Wish

app = typer.Typer(name="subscription-fanout", add_completion=False)
EXPECTED: Final = (UnexpectedError, SubscribersError)
# What is asked for: from the request that makes the event to the socket that has it.
PROMISED_MS: Final = 500.0
_SETTING_UP: Final = 16
_PATIENCE: Final = 30.0
_LOOK_SECONDS: Final = 0.005


@app.command(name="subscription-fanout")
def subscription_fanout(
    *,
    base: Base = "",
    token: Token = "",
    data: Data = None,
    sockets: Annotated[int, typer.Option(help="Open websockets, each with a Subscription.")] = 1000,
    events: Annotated[int, typer.Option(help="Events, one after the other.")] = 30,
    owners: Annotated[
        int, typer.Option(help="Practitioners who own them; needs $issue-token. 0: the caller.")
    ] = 0,
    content: Annotated[str, typer.Option(help="Content level of the notifications.")] = "id-only",
    report: ReportFile = None,
) -> None:
    """Time from a write to each of many sockets that hear of it.

    Ends with exit code 1 when a promise was not kept.
    """
    with server_to_measure(base, token, data) as server:
        load = FanOut(server.target, sockets, owners, content)
        figures = uvloop.run(_measure(load, events, server.meter()))
    finish(figures, report, kept=all(figures["kept"].values()))


@dataclass
class FanOut:
    """`count` sockets on one patient's events."""

    target: Target
    count: int
    owners: int
    content: str
    run: str = field(default_factory=lambda: f"fan-{secrets.token_hex(3)}")
    opened: list[FastSocket] = field(default_factory=list)

    def subscription(self, number: int) -> str:
        """Return the id of a Subscription."""
        return f"{self.run}-s{number}"

    async def open(self, subject: Subject) -> None:
        """Write patient and Subscriptions, open every socket and wait until each is greeted."""
        await put_all(self.target, [{"resourceType": "Patient", "id": self.run}])
        targets = await self._owners()
        filters = (f"{subject.type}?patient=Patient/{self.run}",)
        wish = Wish(subject.topic, None, filters=filters, channel="websocket", content=self.content)
        for place, owner in enumerate(targets):
            numbers = range(place, self.count, len(targets))
            await put_all(owner, [wish.resource(id_=self.subscription(one)) for one in numbers])
            await self._bind(owner, numbers)
        await self._until(lambda socket: len(socket.messages) >= 1)

    async def fire(self, subject: Subject, number: int) -> tuple[float, float]:
        """Make one event; return when it was asked for and answered (s)."""
        moments: list[float] = []

        async def write(client: Client, _number: int, _going_on: Callable[[], bool]) -> None:
            id_ = f"{self.run}-{number}"
            body = subject.resource(self.run, id_)
            moments.append(time.time())
            await client.ask("PUT", "PUT", f"/{subject.type}/{id_}", body, expect=(200, 201))
            moments.append(time.time())

        await run(self.target, 1, write)
        await self._until(lambda socket: len(socket.messages) >= number + 1)
        return moments[0], moments[1]

    def faults(self, events: int) -> dict[str, int]:
        """Return how many sockets did not hear of every event once and in order."""
        wrong = closed = 0
        for socket in self.opened:
            heard: list[int] = []
            for _, message in socket.messages:
                try:
                    said = read(orjson.loads(message))
                except (Unreadable, orjson.JSONDecodeError):
                    continue
                heard += [one.number for one in said.events]
            wrong += heard != list(range(1, events + 1))
            closed += socket.closed is not None
        return {"sockets_not_told_all": wrong, "sockets_closed": closed}

    async def _owners(self) -> list[Target]:
        """Return who owns Subscriptions: the caller, or practitioners of the patient's team."""
        if not self.owners:
            return [self.target]
        members = [f"Practitioner/{self.run}-o{number}" for number in range(self.owners)]
        practitioners = [
            {"resourceType": "Practitioner", "id": one.partition("/")[2]} for one in members
        ]
        team = {
            "resourceType": "CareTeam",
            "id": f"{self.run}-team",
            "status": "active",
            "subject": {"reference": f"Patient/{self.run}"},
            "participant": [{"member": {"reference": one}} for one in members],
        }
        await put_all(self.target, practitioners)
        await put_all(self.target, [team])
        tokens: dict[str, str] = {}
        waiting = iter(members)

        async def ask(client: Client, _number: int, _going_on: Callable[[], bool]) -> None:
            for member in waiting:
                body = {
                    "resourceType": "Parameters",
                    "parameter": [
                        {"name": "kind", "valueCode": "practitioner"},
                        {"name": "reference", "valueString": member},
                    ],
                }
                answer = await client.ask("token", "POST", "/$issue-token", orjson.dumps(body))
                tokens[member] = str(_values(answer.json())["token"])

        await run(self.target, _SETTING_UP, ask)
        return [Target(self.target.base, tokens[member]) for member in members]

    async def _bind(self, owner: Target, numbers: range) -> None:
        waiting = iter(numbers)

        async def bind(client: Client, _number: int, _going_on: Callable[[], bool]) -> None:
            for number in waiting:
                path = f"/Subscription/{self.subscription(number)}/$get-ws-binding-token"
                given = _values((await client.ask("token", "GET", path)).json())
                socket = await FastSocket.open(str(given["websocket-url"]))
                socket.send(f"bind-with-token: {given['token']}")
                self.opened.append(socket)

        await run(owner, min(_SETTING_UP, len(numbers)), bind)

    async def _until(self, ready: Callable[[FastSocket], bool]) -> None:
        waiting = list(self.opened)
        ends = time.time() + _PATIENCE
        while waiting and time.time() < ends:
            waiting = [socket for socket in waiting if not ready(socket)]
            await asyncio.sleep(_LOOK_SECONDS)


async def _measure(load: FanOut, events: int, meter: processes.Meter | None) -> dict[str, Any]:
    subject = await subject_of(load.target)
    begun = time.perf_counter()
    await load.open(subject)
    opened_s = time.perf_counter() - begun
    print(f"{len(load.opened)} sockets open after {opened_s:.1f} s", flush=True)
    if meter is not None:
        meter.start()
    requested: list[float] = []
    answered: list[float] = []
    last: list[float] = []
    for number in range(1, events + 1):
        asked, done = await load.fire(subject, number)
        came = [s.messages[number][0] for s in load.opened if len(s.messages) > number]
        requested += [at - asked for at in came]
        answered += [at - done for at in came]
        last.append(max(came, default=float("inf")) - asked)
    usage = None if meter is None else {n: one.cpu_s for n, one in meter.usage().items()}
    faults = load.faults(events)
    for socket in load.opened:
        socket.close()
    measured = spread(requested)
    return {
        "name": "subscription-fanout",
        "topic": subject.topic,
        "content": load.content,
        "sockets": len(load.opened),
        "owners": max(1, load.owners),
        "events": events,
        "opened_s": round(opened_s, 1),
        "request_to_socket_ms": measured.as_json(),
        "answer_to_socket_ms": spread(answered).as_json(),
        "request_to_last_socket_ms": spread(last).as_json(),
        "cpu_s": usage,
        "faults": faults,
        "kept": {
            "fan_out": measured.p99 is not None and measured.p99 <= PROMISED_MS,
            "told_all": not any(faults.values()) and len(load.opened) == load.count,
        },
    }


def _values(parameters: Any) -> dict[str, Any]:
    """Return the values of a Parameters resource by name."""
    return {
        one["name"]: next(value for name, value in one.items() if name != "name")
        for one in parameters["parameter"]
    }
