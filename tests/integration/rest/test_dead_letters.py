"""$dead-letters: counted for administrators, closed to everybody else."""

import httpx

from fhirserver.kernel.principal import Principal
from fhirserver.kernel.telemetry import DeadLetter
from fhirserver.validation import validate
from tests.conftest import Database
from tests.integration.rest.conftest import BASE, Clients, open_application


async def test_nothing_refused_is_an_empty_answer(clients: Clients) -> None:
    assert (await clients.admin.get("$dead-letters")).json() == {"resourceType": "Parameters"}


async def test_only_administrators_see_them(clients: Clients) -> None:
    for client in (clients.nurse, clients.partner, clients.patient):
        assert (await client.get("$dead-letters")).status_code == 403
    assert (await clients.nobody.get("$dead-letters")).status_code == 401


async def test_they_are_counted_by_door_sender_and_reason(database: Database) -> None:
    async with open_application(database) as (record, transport):
        tenant = await record.ensure_tenant("home")
        token = await record.issue_token(Principal(tenant, "admin", ""), 60)
        letter = DeadLetter("mqtt", "0A1B", "malformed", b"{")
        async with record.telemetry(tenant) as tx:
            await tx.dead_letter([letter, letter, DeadLetter("mqtt", "0A1B", "wrong-unit", b"{}")])
        headers = {"authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(
            transport=transport, base_url=f"{BASE}/", headers=headers
        ) as admin:
            answer = (await admin.get("$dead-letters")).json()
    assert validate(answer) == []
    told = [
        {part["name"]: next(v for k, v in part.items() if k != "name") for part in one["part"]}
        for one in answer["parameter"]
    ]
    assert [(one["source"], one["reason"], one["count"]) for one in told] == [
        ("0A1B", "malformed", 2),
        ("0A1B", "wrong-unit", 1),
    ]
