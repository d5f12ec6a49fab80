"""The keys of a tenant in the database, wrapped by the root keys: one wraps data keys, one makes the blind index.

Both have versions. What is new is made with the newest; older ones stay until nothing needs them. The key of links is
the index's first one for good (`fhirserver.crypto.blind_index`).
"""

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fhirserver.crypto import envelope
from fhirserver.crypto.blind_index import BlindIndex
from fhirserver.crypto.root_keys import RootKeys
from fhirserver.search.coarse import shipped
from fhirserver.store.connection import Query, Row

WRAP: Final = "wrap"
INDEX: Final = "index"
LINK: Final = "link"
FIRST: Final = 1
# What `spread` says where the shipped shares are used; what was measured stands there as a mapping.
_SHIPPED: Final = "shipped"

ADD: Final[LiteralString] = (
    "INSERT INTO tenant_key (tenant, purpose, version, ring_key, wrapped, spread) "
    "SELECT %s, %s, %s, %s, %s, %b WHERE NOT EXISTS (SELECT 1 FROM tenant_key WHERE tenant = %s AND purpose = %s "
    "AND version >= %s) ON CONFLICT DO NOTHING"
)
ALL: Final[LiteralString] = (
    "SELECT purpose, version, ring_key, wrapped, spread, retired IS NOT NULL FROM tenant_key WHERE tenant = %s "
    "ORDER BY version"
)


@dataclass(frozen=True, slots=True)
class TenantKeys:
    """The keys of a tenant.

    New data keys are wrapped by `wrapping`, which is `wrappings[wrapping_version]`. `blind` makes the index of what is
    written; while the index is re-keyed, rows are found by any of `blinds`, the newest first.
    """

    tenant: int
    wrapping_version: int
    wrappings: Mapping[int, AESGCM]
    blinds: tuple[BlindIndex, ...]

    @property
    def wrapping(self) -> AESGCM:
        """The key that wraps new data keys."""
        return self.wrappings[self.wrapping_version]

    @property
    def blind(self) -> BlindIndex:
        """The index that is written."""
        return self.blinds[0]


def label(tenant: int, purpose: str, version: int) -> str:
    """Return what a wrapped tenant key is bound to."""
    return f"tenant|{tenant}|{purpose}|{version}"


def added(
    root: RootKeys, tenant: int, purpose: str, version: int, key: bytes, spread: bytes | None = None
) -> tuple[Any, ...]:
    """Return the arguments of `ADD`, which adds a version of a key, unless it or a newer one is there."""
    nonce = secrets.token_bytes(envelope.NONCE_BYTES)
    name, wrapped = root.wrap(nonce, label(tenant, purpose, version), key)
    return tenant, purpose, version, name, wrapped, spread, tenant, purpose, version


def first_keys(root: RootKeys, tenant: int) -> list[Query]:
    """Return what gives a tenant that has none its first keys."""
    index = secrets.token_bytes(envelope.KEY_BYTES)
    return [
        Query(ADD, added(root, tenant, WRAP, FIRST, secrets.token_bytes(envelope.KEY_BYTES))),
        Query(
            ADD, added(root, tenant, INDEX, FIRST, index, sealed_spread(tenant, FIRST, index, None))
        ),
    ]


def link_key(root: RootKeys, tenant: int, rows: Iterable[Row]) -> Query | None:
    """Return what keeps the key of links beside the first index key in `rows` of `ALL`, None when it is there."""
    named = {(row[0], row[1]): row for row in rows}
    if (LINK, FIRST) in named:
        return None
    first = named[INDEX, FIRST]
    key = root.unwrap(first[2], label(tenant, INDEX, FIRST), bytes(first[3]))
    return Query(ADD, added(root, tenant, LINK, FIRST, key))


def opened(root: RootKeys, tenant: int, rows: Sequence[Row]) -> TenantKeys:
    """Return the keys in `rows` of `ALL`, among which all three kinds are."""
    unwrapped: dict[str, dict[int, bytes]] = {}
    spreads: dict[int, bytes | None] = {}
    usable: list[int] = []
    for purpose, version, name, wrapped, spread, retired in rows:
        key = root.unwrap(name, label(tenant, purpose, version), bytes(wrapped))
        unwrapped.setdefault(purpose, {})[version] = key
        if purpose == INDEX:
            spreads[version] = spread
            if not retired:
                usable.append(version)
    link = unwrapped[LINK][FIRST]
    blinds = tuple(
        _blind(tenant, version, unwrapped[INDEX][version], link, spreads[version])
        for version in sorted(usable, reverse=True)
    )
    wrappings = {version: AESGCM(key) for version, key in unwrapped[WRAP].items()}
    return TenantKeys(tenant, max(wrappings), wrappings, blinds)


def index_key(root: RootKeys, tenant: int, rows: Iterable[Row], version: int) -> bytes:
    """Return the key of a version of the index that is in `rows` of `ALL`."""
    ((name, wrapped),) = ((row[2], row[3]) for row in rows if (row[0], row[1]) == (INDEX, version))
    return root.unwrap(name, label(tenant, INDEX, version), bytes(wrapped))


def sealed_spread(
    tenant: int,
    version: int,
    key: bytes,
    measured: Mapping[str, int] | None,
    *,
    fresh: Iterable[str] = (),
    since: int | None = None,
) -> bytes:
    """Return the envelope of what a version of the index spreads: what was `measured`, or what is shipped.

    `fresh` and `since`: see `BlindIndex`.
    """
    told: dict[str, Any] = {"spread": _SHIPPED if measured is None else dict(measured)}
    if since is not None:
        told |= {"fresh": sorted(fresh), "since": since}
    nonce = secrets.token_bytes(envelope.NONCE_BYTES)
    return envelope.seal(
        AESGCM(key), nonce, _spread_place(tenant, version), json.dumps(told).encode()
    )


def _blind(tenant: int, version: int, key: bytes, link: bytes, sealed: bytes | None) -> BlindIndex:
    if sealed is None:
        return BlindIndex(key, version, link=link)
    told = json.loads(envelope.unseal(AESGCM(key), _spread_place(tenant, version), bytes(sealed)))
    if "spread" not in told:
        # As earlier releases wrote it: what was measured alone, or the one word.
        told = {"spread": told}
    spread = shipped() if told["spread"] == _SHIPPED else told["spread"]
    fresh = frozenset(told.get("fresh", ()))
    return BlindIndex(key, version, link=link, spread=spread, fresh=fresh, since=told.get("since"))


def _spread_place(tenant: int, version: int) -> bytes:
    return f"index-spread|{tenant}|{version}".encode()
