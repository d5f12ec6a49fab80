"""What administrators do to accounts is told to the audit in the same transaction, and names nobody by name."""

from collections.abc import Awaitable, Callable

import pytest

from fhirserver.accounts import administration
from fhirserver.accounts.role import read_role
from fhirserver.kernel.ports import Transaction
from tests.integration.accounts.conftest import BOB, House

OTHER = read_role("patient:Patient/ann")


@pytest.mark.parametrize(
    ("deed", "told"),
    [
        (lambda tx: administration.add(tx, "eve", "Eve Roe", "en", ()), ("account-changed", "added")),
        (lambda tx: administration.link(tx, "bob", OTHER), ("role-changed", "linked patient")),
        (lambda tx: administration.unlink(tx, "bob", read_role(BOB)), ("role-changed", "unlinked related-person")),
        (lambda tx: administration.reset(tx, "bob", factors_too=False), ("account-changed", "reset")),
        (lambda tx: administration.reset(tx, "bob", factors_too=True), ("account-changed", "reset with factors")),
        (lambda tx: administration.disable(tx, "bob", disabled=True), ("account-changed", "disabled")),
        (lambda tx: administration.disable(tx, "bob", disabled=False), ("account-changed", "enabled")),
        (lambda tx: administration.unlock(tx, "bob"), ("account-changed", "unlocked")),
    ],
)  # fmt: skip
async def test_each_change_of_an_account_is_told(
    house: House, deed: Callable[[Transaction], Awaitable[object]], told: tuple[str, str]
) -> None:
    await house.person("bob", BOB)
    async with house.record.transaction(house.tenant) as tx:
        await deed(tx)
        (happening,) = tx._audit.happenings
    assert (happening.what, happening.detail) == told
    assert happening.actor.kind == "admin"
    assert happening.actor.account
    assert not {"bob", "eve"} & set(repr(happening).lower().replace("'", " ").split())
