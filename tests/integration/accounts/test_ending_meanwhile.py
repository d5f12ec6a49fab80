"""Somebody's account, session or role ends in the moment in which they let an app in: it is refused, or ended with the rest."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from fhirserver.accounts import administration
from fhirserver.accounts.role import read_role
from fhirserver.crypto.secret_digest import secret_digest
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Principal
from fhirserver.smart.family import Code, Family
from fhirserver.smart.people import SignedIn
from fhirserver.store import grants, people, sessions
from tests.integration.accounts.conftest import House
from tests.integration.accounts.test_apps_page import REDIRECT, let_in
from tests.integration.accounts.test_consent import BOB

End = Callable[[Transaction], Awaitable[object]]


async def _disabled(tx: Transaction) -> None:
    await administration.disable(tx, "bob", disabled=True)


async def _unlinked(tx: Transaction) -> None:
    await administration.unlink(tx, "bob", read_role(BOB))


async def _signed_out(tx: Transaction) -> None:
    known = await people.by_login(tx, "bob")
    assert known is not None
    for ended in await sessions.end(tx, known.id):
        await grants.end_session(tx, ended)


ENDINGS = pytest.mark.parametrize("ending", [_disabled, _unlinked, _signed_out])


async def bob_in_front_of_the_page(house: House) -> SignedIn:
    await house.person("bob", BOB)
    browser = house.browser()
    await browser.sign_in("bob")
    async with house.record.transaction(house.tenant) as tx:
        known = await people.by_login(tx, "bob")
        assert known is not None
        (session,) = await sessions.of_account(tx, known.id)
    principal = Principal(house.tenant, "related-person", "RelatedPerson/bob")
    return SignedIn(
        house.tenant, known.id, session.id, "Bob", principal, principal.reference, house.time(), ()
    )


@ENDINGS
async def test_what_ends_while_the_grant_is_made_ends_the_grant(
    plain_house: House, ending: End
) -> None:
    house = plain_house
    who = await bob_in_front_of_the_page(house)
    given = await let_in(house, "bob", who.principal, "Other")
    digest = secret_digest("a code that is being made")

    async def end() -> None:
        async with house.record.transaction(house.tenant) as tx:
            await ending(tx)

    async with house.record.transaction(house.tenant) as tx:
        (other,) = [one for one in await grants.listed(tx) if str(one.family) == given.family]
        assert other.client is not None
        assert await house.accounts.people.hold(tx, who)
        task = asyncio.create_task(end())
        # The other waits for us, however long we take.
        done, _ = await asyncio.wait({task}, timeout=0.2)
        assert not done, "it ended beside a grant that is being made"
        late = tx.now + timedelta(hours=1)
        family = Family(
            uuid4(), who.principal, other.client, who.account, who.session, who.fhir_user,
            ("patient/Observation.rs",), "ann", who.since, tx.now, late,
        )  # fmt: skip
        await grants.begin(tx, family, Code(family, REDIRECT, "c", late, None), digest)
    await task
    async with house.record.transaction(house.tenant) as tx:
        code = await grants.take_code(tx, digest)
        assert code is not None
        assert code.family.revoked is not None


@ENDINGS
async def test_who_was_ended_before_allows_nothing(plain_house: House, ending: End) -> None:
    house = plain_house
    who = await bob_in_front_of_the_page(house)
    async with house.record.transaction(house.tenant) as tx:
        assert await house.accounts.people.hold(tx, who)
    async with house.record.transaction(house.tenant) as tx:
        await ending(tx)
    async with house.record.transaction(house.tenant) as tx:
        assert not await house.accounts.people.hold(tx, who)
