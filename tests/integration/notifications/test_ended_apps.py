"""What an app subscribed to ends with the app: nobody who let it in no more, or is gone, goes on feeding it."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from fhirserver.accounts import administration
from fhirserver.auth import visible
from fhirserver.auth.kept_scopes import grant_of, with_scopes
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Access, Grant, Principal
from fhirserver.kernel.resource import Json
from fhirserver.smart.client import Client
from fhirserver.smart.family import Code, Family
from fhirserver.store import clients, grants, people
from fhirserver.store.visibility import Visibility
from fhirserver.wire import fhir_json
from tests.integration.notifications.conftest import Ward

FLAG = fhir_json.write({"resourceType": "Flag", "id": "f", "subject": {"reference": "Patient/joe"}})
SCOPES = ("patient/*.rs", "offline_access")


class App:
    """An app that Joe let in, and the Subscription it wrote."""

    def __init__(self, ward: Ward, client: Client, account: str) -> None:
        self.ward = ward
        self.client = client
        self.account = account
        self.joe = Principal(ward.tenant, "patient", "Patient/joe")
        self.seen = Visibility()

    async def let_in(self, scopes: tuple[str, ...] = SCOPES) -> UUID:
        """Joe lets it in (again); the id of what he allowed."""
        family = uuid4()
        async with self.ward.record.transaction(self.ward.tenant) as tx:
            given = Family(
                family,
                self.joe,
                self.client.id,
                self.account,
                "session",
                "Patient/joe",
                scopes,
                "joe",
                tx.now,
                tx.now,
                tx.now + timedelta(days=1),
            )
            code = Code(given, "https://app.example.org/", "c", tx.now, None)
            await grants.begin(tx, given, code, family.bytes)
        return family

    async def subscription(self) -> Json:
        """A Subscription as the server keeps it when the app writes it with its token."""
        held = Grant(self.joe, ("patient/*.rs",), "joe", self.client.id, self.account)
        async with self.ward.record.transaction(self.ward.tenant) as tx:
            access = await self.seen.access(tx, held)
        return with_scopes({"resourceType": "Subscription", "status": "active"}, access)

    async def is_fed(self, subscription: Json) -> bool:
        async with self.ward.record.transaction(self.ward.tenant) as tx:
            found: Access = await self.seen.access(tx, grant_of(subscription, self.joe))
        return visible(found, "Flag", FLAG)


@pytest.fixture
async def app(ward: Ward) -> App:
    async with ward.record.transaction(ward.tenant) as tx:
        client = Client(f"app {uuid4()}", ward.tenant, "App", "none", (), (), SCOPES, tx.now)
        await clients.add(tx, client)
        account = await people.add(tx, "joe", "Joe", "en", None)
    found = App(ward, client, account)
    await found.let_in()
    return found


async def disable_client(app: App, tx: Transaction) -> None:
    await clients.set_disabled(tx, app.client.id, disabled=True)


async def close_account(_app: App, tx: Transaction) -> None:
    await administration.disable(tx, "joe", disabled=True)


async def part_with_the_app(app: App, tx: Transaction) -> None:
    await grants.end_grants(tx, client=app.client.id, account=app.account)


@pytest.mark.parametrize("ending", [disable_client, close_account, part_with_the_app])
async def test_a_subscription_ends_with_what_its_app_was_allowed(app: App, ending: object) -> None:
    subscription = await app.subscription()
    assert await app.is_fed(subscription)
    async with app.ward.record.transaction(app.ward.tenant) as tx:
        await ending(app, tx)  # type: ignore[operator] # one of the three above

    assert not await app.is_fed(subscription)


async def test_while_something_is_left_of_what_was_allowed_it_goes_on(app: App) -> None:
    subscription = await app.subscription()
    family = await app.let_in()
    async with app.ward.record.transaction(app.ward.tenant) as tx:
        await grants.end_grants(tx, family=family)
    assert await app.is_fed(subscription), "on another device he did not part with it"
    async with app.ward.record.transaction(app.ward.tenant) as tx:
        await part_with_the_app(app, tx)
    assert not await app.is_fed(subscription)

    await app.let_in()
    app.seen = Visibility()  # which looks anew by itself within a minute

    assert await app.is_fed(subscription)


async def test_a_session_that_ends_takes_no_standing_order_along(app: App) -> None:
    """Who is called to an alarm is not told of it the less for having gone home."""
    async with app.ward.record.transaction(app.ward.tenant) as tx:
        await tx.execute("DELETE FROM smart_grant WHERE tenant = %s", (tx.tenant,))
    await app.let_in(("patient/*.rs",))
    subscription = await app.subscription()
    async with app.ward.record.transaction(app.ward.tenant) as tx:
        await grants.end_session(tx, "session")

    assert await app.is_fed(subscription)


@pytest.mark.parametrize("how", [disable_client, close_account, part_with_the_app])
@pytest.mark.parametrize("scopes", [SCOPES, ("patient/*.rs",)])
async def test_work_that_an_app_handed_in_ends_with_what_allowed_it(
    ward: Ward, app: App, how: Any, scopes: tuple[str, ...]
) -> None:
    """That of a session, too: nobody waits for the answer who may still have it."""
    async with ward.record.transaction(ward.tenant) as tx:
        await grants.end_grants(tx, client=app.client.id, account=app.account)
        await tx.execute("DELETE FROM smart_grant WHERE client = %s", (app.client.id,))
    await app.let_in(scopes)
    held = Grant(app.joe, ("patient/*.rs",), "joe", app.client.id, app.account)
    assert visible(await ward.record.access_now(held), "Flag", FLAG)

    async with ward.record.transaction(ward.tenant) as tx:
        await how(app, tx)

    assert not visible(await ward.record.access_now(held), "Flag", FLAG)
