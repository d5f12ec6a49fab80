"""The public keys of clients that publish them at a URL, kept for a while and asked for anew when a key is missing.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html#registering-a-client-communicating-public-keys
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakValueDictionary

import orjson
import structlog
from authlib.oauth2.rfc6749.errors import InvalidClientError

from fhirserver.smart.assertion import has_key
from fhirserver.smart.client import Client

# Returns the document at a URL. Raises `KeysUnavailable` when there is none to be had.
Fetch = Callable[[str], Awaitable[bytes]]

KEPT_SECONDS: Final = 300.0
# A key nobody has heard of is asked for, but not by every request that names one.
AGAIN_SECONDS: Final = 10.0
_MOST: Final = 1000
log = structlog.get_logger(__name__)


class KeysUnavailable(Exception):
    """The document could not be fetched; the message says why, for the operator."""


class ClientKeys:
    """JWK sets by client. Whoever names a client makes us ask its server at most once in a while."""

    def __init__(self, fetch: Fetch, monotonic: Callable[[], float]) -> None:
        """Fetch by `fetch`, which keeps to the rules for addresses others chose."""
        self._fetch = fetch
        self._monotonic = monotonic
        self._kept: dict[str, _Kept] = {}
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def of(self, client: Client, kid: str) -> Mapping[str, Any]:
        """Return the keys of `client`, among them `kid` if the client has it. Raises `InvalidClientError`."""
        if client.jwks is not None:
            return client.jwks
        if client.jwks_uri is None:
            raise InvalidClientError("The client has no keys.", status_code=401)
        lock = self._asking.get(client.jwks_uri)
        if lock is None:
            lock = self._asking[client.jwks_uri] = asyncio.Lock()
        async with lock:
            kept = self._kept.get(client.jwks_uri)
            if kept is None or not kept.is_enough(kid, self._monotonic()):
                kept = await self._asked(client, client.jwks_uri)
        if kept.keys is None:
            raise InvalidClientError("The keys of the client cannot be fetched.", status_code=401)
        return kept.keys

    async def _asked(self, client: Client, url: str) -> "_Kept":
        keys: Mapping[str, Any] | None = None
        try:
            found = orjson.loads(await self._fetch(url))
            keys = found if isinstance(found, dict) else None
        except (KeysUnavailable, orjson.JSONDecodeError) as problem:
            log.warning("keys of a client cannot be fetched", client=client.id, reason=str(problem))
        if len(self._kept) >= _MOST:
            self._kept.clear()
        kept = self._kept[url] = _Kept(self._monotonic(), keys)
        return kept


@dataclass(frozen=True, slots=True)
class _Kept:
    """What was at a URL at a time; None: nothing of use."""

    since: float
    keys: Mapping[str, Any] | None

    def is_enough(self, kid: str, now: float) -> bool:
        """Return whether nobody need be asked for the key `kid` at `now`."""
        age = now - self.since
        has_it = self.keys is not None and has_key(self.keys, kid)
        return age < AGAIN_SECONDS or (age < KEPT_SECONDS and has_it)
