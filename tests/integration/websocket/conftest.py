"""A served application per test, and a subscriber that speaks through the third-party client `websockets`.

The tests of a module share a database, and each has a tenant of its own in it.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from fhirserver.kernel.canonical import BACKPORT, TOPIC_DEVICE_ALERT
from fhirserver.kernel.resource import Json
from fhirserver.supervisor.postgres import PostgresServer
from tests.conftest import Database, _database
from tests.integration.websocket.served import Served, served
from tests.patience import PATIENCE_SECONDS


def subscription(
    id_: str = "s1",
    *,
    content: str = "id-only",
    patient: str | None = "ann",
    channel: Json | None = None,
    extensions: Sequence[Json] = (),
) -> Json:
    """A websocket Subscription on device alerts."""
    resource: Json = {
        "resourceType": "Subscription",
        "id": id_,
        "status": "requested",
        "reason": "alerts on the ward's screen",
        "criteria": TOPIC_DEVICE_ALERT,
        "channel": {
            "type": "websocket",
            "payload": "application/fhir+json",
            "_payload": {
                "extension": [{"url": BACKPORT + "backport-payload-content", "valueCode": content}]
            },
            **({"extension": list(extensions)} if extensions else {}),
            **(channel or {}),
        },
    }
    if patient is not None:
        text = f"Flag?patient=Patient/{patient}"
        resource["_criteria"] = {
            "extension": [{"url": BACKPORT + "backport-filter-criteria", "valueString": text}]
        }
    return resource


def status_of(bundle: Any) -> dict[str, Any]:
    """The SubscriptionStatus of a notification, by name; ``events`` are the numbers in it."""
    values: dict[str, Any] = {"events": []}
    for parameter in bundle["entry"][0]["resource"]["parameter"]:
        if parameter["name"] == "notification-event":
            values["events"].append(
                next(
                    int(p["valueString"]) for p in parameter["part"] if p["name"] == "event-number"
                )
            )
        else:
            values[parameter["name"]] = next(v for k, v in parameter.items() if k != "name")
    return values


@dataclass
class Subscriber:
    """One socket; `heard` keeps what came over it, as (Subscription, type, event numbers)."""

    socket: ClientConnection
    heard: list[tuple[str, str, list[int]]]

    async def bind(self, token: str, *, colon: bool = True) -> None:
        await self.socket.send(f"bind-with-token{':' if colon else ''} {token}")

    async def next(self) -> Any:
        async with asyncio.timeout(PATIENCE_SECONDS):
            bundle = json.loads(await self.socket.recv())
        status = status_of(bundle)
        id_ = status["subscription"]["reference"].rpartition("/")[2]
        self.heard.append((id_, status["type"], status["events"]))
        return bundle

    async def until(self, number: int, id_: str = "s1") -> list[int]:
        """Read until event `number` of `id_` has come; return all its numbers so far on this socket."""
        while number not in self.numbers(id_):
            await self.next()
        return self.numbers(id_)

    def numbers(self, id_: str = "s1") -> list[int]:
        return [n for of, _, events in self.heard if of == id_ for n in events]

    async def closed(self) -> tuple[int, str]:
        """Read until the server closes; return code and reason."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.socket.close_code is None:
                with suppress(ConnectionClosed):
                    await self.socket.recv()
        return self.socket.close_code, self.socket.close_reason or ""


@asynccontextmanager
async def listening(url: str, **more: Any) -> AsyncIterator[Subscriber]:
    async with connect(
        url, open_timeout=PATIENCE_SECONDS, close_timeout=1, proxy=None, **more
    ) as socket:
        yield Subscriber(socket, [])


async def put(client: httpx.AsyncClient, resource: Json) -> httpx.Response:
    answer = await client.put(f"{resource['resourceType']}/{resource['id']}", json=resource)
    assert answer.status_code in (200, 201), answer.text
    return answer


async def alarm(client: httpx.AsyncClient, number: int, patient: str = "ann") -> None:
    """Make an event: a Flag of this patient."""
    flag = {
        "resourceType": "Flag",
        "id": f"{patient}-{number}",
        "status": "active",
        "code": {"text": f"alarm {number}"},
        "subject": {"reference": f"Patient/{patient}"},
    }
    await put(client, flag)


async def token_for(client: httpx.AsyncClient, *ids: str) -> dict[str, Any]:
    """The answer of $get-ws-binding-token, by name; ``subscriptions`` are the ids in it."""
    url = httpx.URL("Subscription/$get-ws-binding-token", params=[("id", id_) for id_ in ids])
    answer = await client.get(url)
    assert answer.status_code == 200, answer.text
    return read_token(answer.json())


def read_token(resource: Json) -> dict[str, Any]:
    values: dict[str, Any] = {"subscriptions": []}
    for parameter in resource["parameter"]:
        value = next(v for k, v in parameter.items() if k != "name")
        if parameter["name"] == "subscription":
            values["subscriptions"].append(value)
        else:
            values[parameter["name"]] = value
    return values


async def seed(client: httpx.AsyncClient) -> None:
    """Two patients; a nurse in Ann's team."""
    for resource in (
        {"resourceType": "Patient", "id": "ann"},
        {"resourceType": "Patient", "id": "joe"},
        {"resourceType": "Practitioner", "id": "nina"},
        care_team("Practitioner/nina"),
    ):
        await put(client, resource)


def care_team(*members: str) -> Json:
    return {
        "resourceType": "CareTeam",
        "id": "team-ann",
        "status": "active",
        "subject": {"reference": "Patient/ann"},
        **({"participant": [{"member": {"reference": one}} for one in members]} if members else {}),
    }


@dataclass
class Ward:
    """A served application with two patients, an administrator and a nurse."""

    place: Served
    admin: httpx.AsyncClient
    nurse: httpx.AsyncClient


@asynccontextmanager
async def open_ward(database: Database, **settings: Any) -> AsyncIterator[Ward]:
    async with served(database.dsn, **settings) as place:
        admin = place.client()
        await seed(admin)
        yield Ward(place, admin, await place.client_of("practitioner", "Practitioner/nina"))


@pytest.fixture(scope="module")
def database(postgres_server: PostgresServer, template_database: str) -> Iterator[Database]:
    """A migrated database of this module."""
    with contextmanager(_database)(postgres_server, template_database) as made:
        yield made


@pytest.fixture
async def ward(database: Database) -> AsyncIterator[Ward]:
    async with open_ward(database) as opened:
        yield opened
