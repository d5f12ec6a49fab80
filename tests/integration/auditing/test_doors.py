"""What is refused at the doors beside the FHIR API is in the audit: each refusal, a flood as its count.

The whole application on a loopback port: websockets, the telephone company's webhooks, links of text messages, sign-in.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import psycopg
import pytest
from websockets.exceptions import InvalidStatus

from fhirserver import definitions
from fhirserver.auditing.expanding import Expander
from fhirserver.kernel.principal import Access, Principal
from fhirserver.kernel.resource import Json
from fhirserver.rest.rate_limits import Rates
from fhirserver.store.audit_rows import AuditRows
from fhirserver.supervisor.postgres import PostgresServer
from fhirserver.wire import fhir_json
from subscriptions.channels.twilio import Account
from subscriptions.telephones import Companies
from tests.conftest import Database
from tests.integration.auditing.conftest import module_database, open_house, references
from tests.integration.auditing.test_requests import query_of
from tests.integration.rest.conftest import BASE
from tests.integration.websocket.conftest import (
    Ward,
    alarm,
    listening,
    open_ward,
    put,
    subscription,
    token_for,
)
from tests.integration.websocket.served import Served
from tests.oracles.balp import violations
from tests.patience import PATIENCE_SECONDS

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SOCKETS = "/ws/subscriptions"
COMPANIES = Companies([Account("https://127.0.0.1", "AC1", "the-token", "+15550009999")])


@pytest.fixture(scope="module")
def doors_database(postgres_server: PostgresServer, template_database: str) -> Iterator[Database]:
    with module_database(postgres_server, template_database) as made:
        yield made


@asynccontextmanager
async def opened(database: Database, **rates: int) -> AsyncIterator[Ward]:
    async with open_ward(database, audited=True, rates=Rates(**rates), companies=COMPANIES) as ward:
        yield ward


async def told(place: Served, database: Database, code: str, least: int = 1) -> list[Json]:
    """AuditEvents of this code in the tenant, oldest first, once there are so many."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            found = await _events(place, database, code)
            if len(found) >= least:
                return found
            await asyncio.sleep(0.05)


async def _events(place: Served, database: Database, code: str) -> list[Json]:
    await place.audit.flush()
    await Expander(place.record.audit_expansion(AuditRows(place.base)), lambda: 0.0).all()
    number = definitions.load().type_number("AuditEvent")
    with psycopg.connect(database.dsn) as connection:
        rows = connection.execute(
            "SELECT coalesce(fhir_id, id::text) FROM resource WHERE type = %s AND tenant = %s ORDER BY id",
            (number, place.tenant),
        ).fetchall()
    access = Access(Principal(place.tenant, "admin", ""), everything=True)
    events = [
        fhir_json.read((await place.record.read(access, "AuditEvent", row[0])).content)
        for row in rows
    ]
    return [one for one in events if any(sub["code"] == code for sub in one["subtype"])]


def statuses(events: list[Json]) -> list[str]:
    return [one["outcomeDesc"] for one in events]


async def test_a_webhook_that_is_not_the_companys_is_told(doors_database: Database) -> None:
    async with (
        opened(doors_database) as ward,
        httpx.AsyncClient(base_url=ward.place.url, timeout=PATIENCE_SECONDS) as caller,
    ):
        answer = await caller.post("/telephony/home/sms", data={"From": "+15550001111"})
        assert answer.status_code == 403
        (event,) = await told(ward.place, doors_database, "unauthenticated")
        assert (event["outcome"], event["outcomeDesc"]) == ("4", "403")
        assert query_of(event) == "POST /telephony/home/sms"
        assert event["agent"][0]["network"] == {"address": "127.0.0.1", "type": "2"}
        assert "+1555" not in str(event)
        asked = answer.headers["x-request-id"]
        assert any(one.get("what") == {"identifier": {"value": asked}} for one in event["entity"])


async def test_a_link_nobody_was_sent_is_told_without_the_link(doors_database: Database) -> None:
    async with (
        opened(doors_database) as ward,
        httpx.AsyncClient(base_url=ward.place.url, timeout=PATIENCE_SECONDS) as caller,
    ):
        answer = await caller.get("/a/0123456789abcdef0123456789abcdef")
        assert answer.status_code in (404, 410)
        (event,) = await told(ward.place, doors_database, "unauthenticated")
        assert event["outcomeDesc"] == str(answer.status_code)
        assert query_of(event) == "GET /a/"


async def test_a_flood_at_a_door_is_told_as_its_count(doors_database: Database) -> None:
    async with open_house(
        doors_database, rates=Rates(alarms=5), clock=lambda: AT, monotonic=lambda: 0.0
    ) as house:
        caller = house.stranger()
        url = f"{BASE.removesuffix('/fhir')}/telephony/home/sms"
        refused = [(await caller.post(url)).status_code for _ in range(230)]
        assert refused == [404] * 5 + [429] * 225
        events = await house.events(code="unauthenticated")
        # Twenty are told one by one; of the others their number, each time it is ten times what it was.
        assert sorted(statuses(events)) == ["404"] * 5 + ["429"] * 20 + ["429, 180 times more"]
        assert all(violations(one) == [] for one in events)


@pytest.mark.parametrize(("path", "rate"), [("/auth/login", "sign_in"), ("/nowhere", "strangers")])
async def test_who_asks_too_often_at_another_door_is_told(
    doors_database: Database, path: str, rate: str
) -> None:
    async with (
        opened(doors_database, **{rate: 10}) as ward,
        httpx.AsyncClient(base_url=ward.place.url, timeout=PATIENCE_SECONDS) as caller,
    ):
        asked = [(await caller.post(path)).status_code for _ in range(20)]
        refused = asked.count(429)
        assert refused
        events = await told(ward.place, doors_database, "unauthenticated", refused)
        assert statuses(events) == ["429"] * refused
        assert {query_of(one) for one in events} == {f"POST {path}"}


async def test_who_asks_the_api_too_often_is_told(doors_database: Database) -> None:
    async with open_house(doors_database, rates=Rates(account=8), monotonic=lambda: 0.0) as house:
        nurse = await house.client("practitioner", "Practitioner/nurse")
        asked = [(await nurse.get("Patient/ann")).status_code for _ in range(10)]
        assert asked == [200] * 8 + [429] * 2
        events = await house.events(code="unauthenticated")
        assert statuses(events) == ["429", "429"]
        assert {query_of(one) for one in events} == {"GET Patient/ann"}


async def test_a_websocket_with_a_wrong_token_is_told(doors_database: Database) -> None:
    async with opened(doors_database) as ward:
        async with listening(ward.place.url.replace("http", "ws") + SOCKETS) as subscriber:
            await subscriber.bind("0123456789abcdefghijklmnop")
            assert (await subscriber.closed())[0] == 1008
        (event,) = await told(ward.place, doors_database, "unauthenticated")
        assert (event["outcomeDesc"], query_of(event)) == ("1008", f"GET {SOCKETS}")
        assert "0123456789" not in str(event)


async def test_a_page_of_a_foreign_origin_is_told(doors_database: Database) -> None:
    async with open_ward(
        doors_database, audited=True, origins=("https://ours.example.org",)
    ) as ward:
        url = ward.place.url.replace("http", "ws") + SOCKETS
        with pytest.raises(InvalidStatus):
            async with listening(url, origin="https://theirs.example.org"):
                pass
        (event,) = await told(ward.place, doors_database, "unauthenticated")
        assert event["outcomeDesc"] == "403"


async def test_what_a_websocket_delivers_is_a_disclosure(doors_database: Database) -> None:
    async with opened(doors_database) as ward:
        await put(ward.nurse, subscription())
        token = (await token_for(ward.nurse, "s1"))["token"]
        async with listening(ward.place.url.replace("http", "ws") + SOCKETS) as subscriber:
            await subscriber.bind(token)
            # The handshake tells nothing of anybody.
            await subscriber.next()
            await alarm(ward.admin, 1)
            await subscriber.until(1)
        (event,) = await told(ward.place, doors_database, "disclosed")
        assert violations(event) == []
        assert references(event) == ["Subscription/s1", "Patient/ann"]
        assert event["agent"][1]["who"] == {"reference": "Practitioner/nina"}
        assert (event["outcome"], event["outcomeDesc"]) == ("0", "websocket handed-over")
        assert await _events(ward.place, doors_database, "unauthenticated") == []
