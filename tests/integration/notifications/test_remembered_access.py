"""What is remembered of an access decision between deliveries, and what ends it."""

from contextlib import suppress

import pytest

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Grant, Principal
from fhirserver.store import visibility
from fhirserver.store.relations import relations_within
from fhirserver.store.visibility import Visibility
from tests.integration.notifications.conftest import Ward


class Counted:
    """Counts who was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = 0

        async def counted(tx: Transaction, principals: set[Principal]) -> object:
            self.asked += len(principals)
            return await relations_within(tx, principals)

        monkeypatch.setattr(visibility, "relations_within", counted)


def joe(ward: Ward) -> Grant:
    return Grant(Principal(ward.tenant, "patient", "Patient/joe"))


async def reached(ward: Ward, seen: Visibility) -> frozenset[str]:
    async with ward.record.transaction(ward.tenant) as tx:
        return (await seen.access(tx, joe(ward))).patients


async def test_nobody_is_asked_for_twice_while_nothing_changed(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted, seen = Counted(monkeypatch), Visibility()
    for _ in range(3):
        assert await reached(ward, seen) == {"joe"}
    assert counted.asked == 1


async def test_a_change_counts_from_its_commit(ward: Ward) -> None:
    seen, peers = Visibility(), ward.record.relationships.peers
    assert await reached(ward, seen) == {"joe"}
    async with ward.record.transaction(ward.tenant) as tx:
        await peers.agree(tx, "ann", "joe")
    assert await reached(ward, seen) == {"joe", "ann"}
    async with ward.record.transaction(ward.tenant) as tx:
        assert await peers.end(tx, "joe", "ann", "Patient/joe")
    assert await reached(ward, seen) == {"joe"}


async def test_what_a_transaction_changed_itself_is_seen_there_and_remembered_by_nobody(
    ward: Ward,
) -> None:
    seen, peers = Visibility(), ward.record.relationships.peers
    with suppress(RuntimeError):
        async with ward.record.transaction(ward.tenant) as tx:
            await peers.agree(tx, "ann", "joe")
            assert (await seen.access(tx, joe(ward))).patients == {"joe", "ann"}
            raise RuntimeError
    # The next change has the number that the one given up would have had.
    async with ward.record.transaction(ward.tenant) as tx:
        await peers.agree(tx, "ann", "somebody")
    assert await reached(ward, seen) == {"joe"}
