"""Who is asking, as the settings that row-level security reads."""

from functools import lru_cache
from typing import Final, LiteralString, NamedTuple

from fhirserver.crypto.blind_index import BlindIndex
from fhirserver.kernel.principal import Access
from fhirserver.store.connection import Query

# Local to the transaction: no connection carries one caller's rights to the next.
SET_TENANT: Final[LiteralString] = "SELECT set_config('app.tenant', %s, true)"
SET_CALLER: Final[LiteralString] = (
    f"{SET_TENANT}, set_config('app.scope', %s, true), set_config('app.patients', %s, true)"
)
_REMEMBERED: Final = 1024


class Caller(NamedTuple):
    """The arguments of `SET_CALLER`: two callers with the same ones see the same rows."""

    tenant: str
    scope: str
    patients: str


def entering(tenant: int) -> Query:
    """Return what makes a transaction one of `tenant`, for questions the server asks on its own account."""
    return Query(SET_TENANT, (str(tenant),))


@lru_cache(maxsize=_REMEMBERED)
def caller_of(access: Access, blind: BlindIndex) -> Caller:
    """Return the settings of `access`, whose patients are named by keys of its tenant's blind index."""
    patients = ",".join(str(blind.own(f"Patient/{one}")) for one in sorted(access.patients))
    scope = "tenant" if access.everything or access.tenant_wide else ""
    return Caller(str(access.principal.tenant), scope, "{" + patients + "}")
