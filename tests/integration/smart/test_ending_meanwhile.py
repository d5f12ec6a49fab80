"""What is ended while a token is being made: either the token is not made, or it is ended with the rest.

Spec: https://www.rfc-editor.org/rfc/rfc7009#section-2.1
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from fhirserver.crypto.secret_digest import secret_digest
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Principal
from fhirserver.smart.family import Family, Known
from fhirserver.store import clients, grants
from tests.integration.smart.app import App, answer_of
from tests.integration.smart.conftest import House
from tests.integration.smart.test_backend_services import program

pytestmark = pytest.mark.asyncio(loop_scope="module")

OFFLINE = "launch/patient offline_access patient/*.rs"
NEW = "a token that is being made"


def token(house: House, app: App, family: Family | None) -> Known:
    now = house.clock()
    holder = Principal(house.tenant, "client", app.client.id)
    account = None if family is None else family.account
    return Known(holder, (), None, app.client.id, account, now, now + timedelta(hours=1), family)


async def ended_meanwhile(
    house: House,
    app: App,
    making: Callable[[Transaction], Awaitable[Family | None]],
    ending: Callable[[Transaction], Awaitable[object]],
) -> None:
    """Begin to make a token, end what it comes of, and make it: it is good for nothing."""

    async def end() -> None:
        async with house.record.transaction(house.tenant) as tx:
            await ending(tx)

    async with house.record.transaction(house.tenant) as tx:
        family = await making(tx)
        task = asyncio.create_task(end())
        # The other waits for us, however long we take.
        done, _ = await asyncio.wait({task}, timeout=0.2)
        assert not done, "it was ended beside a token that is being made"
        await grants.add_access(tx, secret_digest(NEW), token(house, app, family))
    await task
    async with house.record.transaction(house.tenant) as tx:
        assert await grants.find_access(tx, secret_digest(NEW)) is None
        await tx.execute("DELETE FROM access_token WHERE digest = %s", (secret_digest(NEW),))


async def test_a_grant_that_is_ended_while_it_is_refreshed(house: House) -> None:
    app = await house.app()
    refresh = secret_digest((await app.tokens(scope=OFFLINE))["refresh_token"])

    async def making(tx: Transaction) -> Family:
        found = await grants.find_refresh(tx, refresh)
        assert found is not None
        return found.family

    await ended_meanwhile(
        house, app, making, lambda tx: grants.end_grants(tx, account=house.nina.account)
    )


async def test_a_grant_that_is_ended_while_its_code_is_taken(house: House) -> None:
    app = await house.app()
    code = secret_digest(await app.code(scope=OFFLINE))

    async def making(tx: Transaction) -> Family:
        found = await grants.take_code(tx, code)
        assert found is not None
        return found.family

    await ended_meanwhile(
        house, app, making, lambda tx: grants.end_grants(tx, client=app.client.id)
    )


async def test_a_program_that_is_disabled_while_it_gets_a_token(house: House) -> None:
    app = await program(house)

    async def making(tx: Transaction) -> None:
        assert await clients.hold_enabled(tx, app.client.id)

    async def ending(tx: Transaction) -> None:
        await clients.set_disabled(tx, app.client.id, disabled=True)
        await grants.end_grants(tx, client=app.client.id)

    await ended_meanwhile(house, app, making, ending)
    async with house.record.transaction(house.tenant) as tx:
        assert not await clients.hold_enabled(tx, app.client.id)
        assert not await clients.hold_enabled(tx, "nobody")


async def test_who_is_gone_when_the_grant_is_made_allows_nothing(house: House) -> None:
    app = await house.app()
    house.people.stays = False
    told = answer_of(await app.allow(scope=OFFLINE))
    assert told["error"] == "access_denied"
    async with house.record.transaction(house.tenant) as tx:
        made = await tx.execute("SELECT 1 FROM smart_grant WHERE client = %s", (app.client.id,))
    assert not made
