"""The subscribers of a load: each asks for its own patient and for one patient everybody asks for."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from conformance.load.rest.clients import Client, Measured, run
from conformance.load.rest.http import Target
from conformance.load.subscriptions.fast_receiver import FastReceiver
from conformance.subscriptions.scene import topics_of
from conformance.subscriptions.stimulus import Stimulus, preferred, template_for
from conformance.subscriptions.subscription import Wish

Json = dict[str, Any]

SETTING_UP: Final = 16
ACTIVE_SECONDS: Final = 180.0
_LOOK_SECONDS: Final = 0.25


class SubscribersError(RuntimeError):
    """The subscribers could not be brought in; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is written: a topic the server offers, and a resource that fires it."""

    topic: str
    template: Json

    @property
    def type(self) -> str:
        """The type of the resource."""
        return str(self.template["resourceType"])

    def resource(self, patient: str, id_: str) -> bytes:
        """Return the resource to write."""
        return orjson.dumps(Stimulus(patient, self.template).resource() | {"id": id_})


@dataclass(frozen=True, slots=True)
class Crowd:
    """`count` subscribers of the run `run`."""

    run: str
    count: int

    @property
    def everybody(self) -> str:
        """The patient all of them ask for."""
        return f"{self.run}-everybody"

    def patient(self, number: int) -> str:
        """The patient subscriber `number` asks for."""
        return f"{self.run}-p{number}"

    def id(self, number: int) -> str:
        """The id of its Subscription."""
        return f"{self.run}-s{number}"

    def path(self, number: int) -> str:
        """The path of its endpoint."""
        return f"/{self.id(number)}"

    def subscription(self, number: int, subject: Subject, receiver: FastReceiver) -> Json:
        """Return its Subscription."""
        filters = (
            f"{subject.type}?patient=Patient/{self.patient(number)},Patient/{self.everybody}",
        )
        wish = Wish(subject.topic, receiver.url + self.path(number), filters=filters, max_count=50)
        return wish.resource(id_=self.id(number))

    def bad(self, name: str, subject: Subject, receiver: FastReceiver) -> Json:
        """Return a Subscription of an endpoint that will answer badly, on everything written."""
        patients = ",".join(
            f"Patient/{self.patient(number)}" for number in range(min(self.count, 50))
        )
        wish = Wish(
            subject.topic,
            f"{receiver.url}/{self.run}-{name}",
            filters=(f"{subject.type}?patient={patients}",),
            timeout=5,
        )
        return wish.resource(id_=f"{self.run}-{name}")


async def subject_of(target: Target) -> Subject:
    """Return what can be written to make a topic fire. Raises `SubscribersError`."""
    found: list[Subject] = []

    async def ask(client: Client, _number: int, _going_on: Callable[[], bool]) -> None:
        statement = (await client.ask("metadata", "GET", "/metadata")).json()
        topic = preferred(topics_of(statement))
        template = None if topic is None else template_for(topic)
        if topic is not None and template is not None:
            found.append(Subject(topic, template))

    await run(target, 1, ask)
    if not found:
        raise SubscribersError("the server offers no topic that this load knows how to fire")
    return found[0]


async def put_all(target: Target, resources: Sequence[Json]) -> Measured:
    """Write `resources` under their ids, several at a time."""
    waiting = iter(resources)

    async def work(client: Client, _number: int, _going_on: Callable[[], bool]) -> None:
        for resource in waiting:
            path = f"/{resource['resourceType']}/{resource['id']}"
            await client.ask("PUT", "PUT", path, orjson.dumps(resource), expect=(200, 201))

    return await run(target, SETTING_UP, work)


async def subscribe(
    target: Target, subject: Subject, receiver: FastReceiver, crowd: Crowd
) -> Measured:
    """Write all patients and Subscriptions and wait until each of these is active; return what writing took.

    Raises `SubscribersError` when some are not in time.
    """
    numbers = range(crowd.count)
    patients = [crowd.everybody, *(crowd.patient(number) for number in numbers)]
    await put_all(target, [{"resourceType": "Patient", "id": one} for one in patients])
    measured = await put_all(
        target, [crowd.subscription(number, subject, receiver) for number in numbers]
    )
    await active(target, [crowd.id(number) for number in numbers])
    return measured


async def unsubscribe(target: Target, subscriptions: Sequence[str]) -> None:
    """Delete all of them: nobody listens any more."""
    waiting = iter(subscriptions)

    async def work(client: Client, _number: int, _going_on: Callable[[], bool]) -> None:
        for one in waiting:
            await client.ask("DELETE", "DELETE", f"/Subscription/{one}", expect=(200, 204, 404))

    await run(target, SETTING_UP, work)


async def active(target: Target, subscriptions: Sequence[str]) -> None:
    """Wait until all of them are active. Raises `SubscribersError`."""
    waiting = set(subscriptions)

    async def work(client: Client, _number: int, _going_on: Callable[[], bool]) -> None:
        while waiting:
            for one in list(waiting):
                answer = await client.ask("GET", "GET", f"/Subscription/{one}")
                if answer.json().get("status") != "active":
                    break
                waiting.discard(one)
            if waiting:
                await asyncio.sleep(_LOOK_SECONDS)

    try:
        async with asyncio.timeout(ACTIVE_SECONDS):
            await run(target, 1, work)
    except TimeoutError:
        raise SubscribersError(
            f"{len(waiting)} of {len(subscriptions)} Subscriptions are not active after "
            f"{ACTIVE_SECONDS:.0f} s: may the server send to this machine (ALLOW_INSECURE_ENDPOINTS)?"
        ) from None
