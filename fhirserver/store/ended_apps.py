"""Which apps may no longer be told what they once asked to be told: what outlives a token ends with what allowed it.

A Subscription keeps the app and the account it was written with (`fhirserver.auth.kept_scopes`). It is fed while the app
is not disabled, the account not closed, and something is left of what the person allowed the app. A session that ends takes
only tokens along, unless they were for longer (``offline_access``): a standing order is not given up by going home.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from collections.abc import Collection
from typing import Final, LiteralString

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Grant

_ENDED: Final[LiteralString] = """
SELECT a.client, a.account FROM unnest(%(clients)s::text[], %(accounts)s::text[]) AS a (client, account)
WHERE EXISTS (
  SELECT 1 FROM smart_client c WHERE c.client = a.client AND c.tenant = %(tenant)s AND c.disabled IS NOT NULL
) OR EXISTS (
  SELECT 1 FROM account p WHERE p.tenant = %(tenant)s AND p.id = a.account::uuid AND p.disabled IS NOT NULL
) OR (
  SELECT bool_and(g.revoked IS NOT NULL) AND (%(sessions)s OR bool_or('offline_access' = ANY (g.scopes)))
  FROM smart_grant g WHERE g.tenant = %(tenant)s AND g.client = a.client AND g.account = a.account
)
"""


async def ended_apps(
    tx: Transaction, asking: Collection[Grant], *, with_sessions: bool = False
) -> frozenset[Grant]:
    """Return those of `asking` that were given to an app and are over; `with_sessions`: also by the end of a session."""
    given = {(one.client, one.account) for one in asking if one.client is not None}
    if not given:
        return frozenset()
    asked = sorted(given, key=str)
    found = await tx.execute(
        _ENDED,
        {
            "tenant": tx.tenant,
            "sessions": with_sessions,
            "clients": [client for client, _ in asked],
            "accounts": [account for _, account in asked],
        },
    )
    over = {(client, account) for client, account in found}
    return frozenset(one for one in asking if (one.client, one.account) in over)
