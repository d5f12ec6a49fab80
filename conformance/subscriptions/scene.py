"""The scene of a conformance run: one server, one receiver, and Subscriptions that come and go."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Final

import httpx

from conformance.subscriptions.check import Failed, Live, NotTaken, Skipped
from conformance.subscriptions.client import Client
from conformance.subscriptions.notification import local
from conformance.subscriptions.receiver import Endpoint, Receiver
from conformance.subscriptions.stimulus import Stimulus, preferred, template_for
from conformance.subscriptions.subscription import BACKPORT, Wish

Json = dict[str, Any]

TOPICS: Final = BACKPORT + "StructureDefinition/capabilitystatement-subscriptiontopic-canonical"
PATIENCE_SECONDS: Final = 15.0
_LOOK_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Given:
    """What the caller of the tester decided; empty texts and None mean: find out yourself."""

    topic: str = ""
    patient: str = ""
    trigger: Json | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A Subscription of a check (see `check.Live`)."""

    id: str
    wish: Wish
    endpoint: Endpoint
    stimulus: Stimulus


def subscription_resource(statement: Json) -> Json | None:
    """Return what a CapabilityStatement says about Subscription, None when nothing."""
    for rest in statement.get("rest", []):
        for resource in rest.get("resource", []):
            if resource.get("type") == "Subscription":
                found: Json = resource
                return found
    return None


def topics_of(statement: Json) -> list[str]:
    """Return the topics a CapabilityStatement offers."""
    said = subscription_resource(statement) or {}
    return [
        str(one["valueCanonical"])
        for one in said.get("extension", [])
        if one.get("url") == TOPICS and "valueCanonical" in one
    ]


class Stage:
    """Implements `check.Scene` on a real server."""

    def __init__(
        self,
        client: Client,
        receiver: Receiver,
        given: Given,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self.client = client
        self.patience = patience
        self._receiver = receiver
        self._given = given
        self._run = secrets.token_hex(4)
        self._made = 0
        self._statement: Json | None = None

    async def statement(self) -> Json:
        """See `check.Scene`."""
        if self._statement is None:
            self._statement = await self.client.get("metadata")
        return self._statement

    async def topic(self) -> str:
        """See `check.Scene`."""
        if self._given.topic:
            return self._given.topic
        offered = topics_of(await self.statement())
        found = preferred(offered)
        if found is None:
            raise Skipped(
                "the server offers no topic this tester knows how to fire (say --topic and "
                f"--trigger); it offers: {', '.join(offered) or 'none'}"
            )
        return found

    async def stimulus(self) -> Stimulus:
        """See `check.Scene`."""
        template = self._given.trigger or template_for(await self.topic())
        if template is None:
            raise Skipped("say with --trigger which resource makes the topic fire")
        return Stimulus(self._given.patient or await self._patient(), template)

    async def _patient(self) -> str:
        made = await self.client.must(
            "POST", "Patient", {"resourceType": "Patient", "name": [{"family": "Conformance"}]}
        )
        return _id_of(made.body, made.headers)

    async def endpoint(self, label: str) -> Endpoint:
        """See `check.Scene`."""
        self._made += 1
        return self._receiver.endpoint(f"{self._run}-{self._made}-{label}")

    @asynccontextmanager
    async def live(
        self, label: str, *, active: bool = True, plain: bool = False, **wishes: Any
    ) -> AsyncIterator[Live]:
        """See `check.Scene`."""
        stimulus = await self.stimulus()
        endpoint = await self.endpoint(label)
        mood = wishes.pop("mood", None)
        if mood is not None:
            endpoint.always(mood)
        wish = (
            Wish(stimulus.filter, endpoint.url, content=None)
            if plain
            else Wish(await self.topic(), endpoint.url, filters=(stimulus.filter,))
        )
        wish = replace(wish, **wishes)
        reply = await self.client.ask("POST", "Subscription", wish.resource())
        if reply.status != 201:
            raise NotTaken(f"a Subscription on {wish.topic} was answered {reply.problem()}")
        made = Made(_id_of(reply.body, reply.headers), wish, endpoint, stimulus)
        try:
            if active:
                await self.settles(made.id, "active")
            yield made
        finally:
            with suppress(httpx.HTTPError):
                await self.client.ask("DELETE", f"Subscription/{made.id}")

    async def fire(self, live: Live) -> str:
        """See `check.Scene`."""
        resource = live.stimulus.resource()
        made = await self.client.must("POST", live.stimulus.type, resource)
        return f"{live.stimulus.type}/{_id_of(made.body, made.headers)}"

    async def settles(self, subscription: str, status: str) -> None:
        """See `check.Scene`."""
        said = "nothing"
        try:
            async with asyncio.timeout(self.patience):
                while said != status:
                    resource = await self.client.get(f"Subscription/{subscription}")
                    said = str(resource.get("status"))
                    if said != status:
                        await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            raise Failed(
                f"Subscription.status is {said!r} after {self.patience:.0f} s, not {status!r}"
            ) from None


def _id_of(body: Json | None, headers: Any) -> str:
    if body is not None and "id" in body and body.get("resourceType") != "OperationOutcome":
        return str(body["id"])
    place = str(headers.get("location", ""))
    if not place:
        raise Failed("a create was answered without a resource and without Location")
    return local(place).rpartition("/")[2]
