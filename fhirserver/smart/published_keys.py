"""The signing keys as this process knows them, read again every minute."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from fhirserver.kernel.errors import Unavailable
from fhirserver.smart import signing_key
from fhirserver.smart.signing_key import SigningKey
from fhirserver.store.authorizations import Authorizations

# Shorter than a key is known before it signs, so that every process publishes it in time.
_SECONDS: Final = 60.0


class PublishedKeys:
    """One object for a process."""

    def __init__(self, store: Authorizations, monotonic: Callable[[], float]) -> None:
        """Read the keys from `store`."""
        self._store = store
        self._monotonic = monotonic
        self._keys: Sequence[SigningKey] = ()
        self._read = 0.0
        self._reading = asyncio.Lock()

    async def signing(self) -> SigningKey:
        """Return the key that signs now. Raises `Unavailable` while there is none."""
        found = signing_key.signing(await self._known(), self._store.now())
        if found is None:
            raise Unavailable("there is no key to sign with yet, try again")
        return found

    async def public(self) -> dict[str, Any]:
        """Return the JWK set of all keys."""
        return {"keys": [key.public() for key in await self._known()]}

    async def _known(self) -> Sequence[SigningKey]:
        async with self._reading:
            if not self._keys or self._monotonic() - self._read > _SECONDS:
                self._keys = await self._store.signing_keys()
                self._read = self._monotonic()
            return self._keys
