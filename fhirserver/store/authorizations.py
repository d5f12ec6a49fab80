"""The authorization server's side of the record: clients by their id, transactions, and the signing keys."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime

from fhirserver.crypto.root_keys import RootKeys
from fhirserver.smart.client import Client
from fhirserver.smart.signing_key import SigningKey
from fhirserver.store import clients, grants, signing_keys
from fhirserver.store.database import Database
from fhirserver.store.transaction import WriteTransaction


class Authorizations:
    """Reads across tenants what must be found before a tenant is known; everything else is done in a transaction."""

    def __init__(
        self,
        database: Database,
        transaction: Callable[[int], AbstractAsyncContextManager[WriteTransaction]],
        ring: RootKeys,
        clock: Callable[[], datetime],
    ) -> None:
        """Serve `database`, whose signing keys are wrapped under `ring`."""
        self._database = database
        self._ring = ring
        self.transaction = transaction
        self.now = clock

    async def client(self, client: str) -> Client | None:
        """Return the client of this id, None when there is none."""
        return await clients.find(self._database.read, client)

    async def origins(self) -> frozenset[str]:
        """Return the origins whose pages belong to clients."""
        return await clients.origins(self._database.read)

    async def signing_keys(self) -> Sequence[SigningKey]:
        """Return the keys that sign identity tokens, or did."""
        return await signing_keys.known(self._database.write, self._ring)

    async def keep_going(self, tenants: Sequence[int]) -> None:
        """Make a signing key when one is due, and forget what ended some days ago."""
        await signing_keys.keep_going(self._database.write, self._ring, self.now())
        for tenant in tenants:
            async with self.transaction(tenant) as tx:
                await grants.forget(tx)
