"""Two tenants and one telephone company: what is said to one means nothing to the other."""

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette

from subscriptions.rest import routes
from tests.integration.response.conftest import BOB, Place
from tests.integration.response.test_webhooks import PUBLIC, TOKEN, Caller


@pytest.fixture
async def caller(place: Place) -> AsyncIterator[Caller]:
    """The telephone company of two tenants."""
    other = await place.record.ensure_tenant("other")
    app = Starlette(
        routes=routes(
            response=place.response,
            transactions=place.record.transaction,
            public_url=PUBLIC,
            tokens=(TOKEN,),
            tenant_of={"home": place.tenant, "other": other}.get,
        )
    )
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://inside") as client:
        yield Caller(client)


async def answers(place: Place) -> list[tuple[object, ...]]:
    return await place.query("SELECT response FROM alert")


async def test_a_code_of_one_tenant_answers_nothing_through_another(
    place: Place, caller: Caller
) -> None:
    await place.alarm()
    code = place.pages(BOB, "sms")[0].code
    fields = {"From": BOB, "To": "+15550009999", "Body": f"{code}h", "MessageSid": "SM-other"}
    await caller.post("/telephony/other/sms", fields)
    assert await answers(place) == [("notifying",)]
    await caller.sms(BOB, f"{code}h", sid="SM-own")
    assert await answers(place) == [("at-patient",)]


async def test_stop_to_one_tenant_does_not_silence_another(place: Place, caller: Caller) -> None:
    fields = {"From": BOB, "To": "+15550009999", "Body": "STOP", "MessageSid": "SM-stop"}
    await caller.post("/telephony/other/sms", fields)
    await place.alarm()
    assert place.pages(BOB, "sms")


async def test_a_status_report_through_another_tenant_changes_nothing(
    place: Place, caller: Caller
) -> None:
    await place.alarm()
    before = await place.query("SELECT * FROM attempt ORDER BY 1, 2, 3")
    attempts = await place.query("SELECT id FROM attempt")
    assert attempts, "nothing was sent that could be reported on"

    async def report(tenant: str) -> None:
        for (attempt,) in attempts:
            path = f"/telephony/{tenant}/status?attempt={attempt}"
            fields = {"MessageSid": "SM-1", "MessageStatus": "failed", "ErrorCode": "30003"}
            assert (await caller.post(path, fields)).status_code == 204

    await report("other")
    assert await place.query("SELECT * FROM attempt ORDER BY 1, 2, 3") == before
    # The same words through the tenant's own address are heard.
    await report("home")
    assert await place.query("SELECT * FROM attempt ORDER BY 1, 2, 3") != before
