"""What an EHR starts apps for, between its call and the app's authorization request.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch
"""

import json
from datetime import datetime
from typing import Any

from fhirserver.crypto.secret_digest import secret_digest
from fhirserver.kernel.ports import Transaction


async def remember(
    tx: Transaction,
    handle: str,
    context: dict[str, Any],
    *,
    client: str | None,
    reference: str | None,
    expires: datetime,
) -> None:
    """Remember `context` (JSON) under `handle`, for one `client` and the person who is `reference`; None: for any."""
    digest = secret_digest(handle)
    sealed = await tx.seal(None, f"launch|{digest.hex()}", json.dumps(context).encode())
    await tx.execute(
        "INSERT INTO launch_handle (tenant, digest, client, reference, sealed, expires) VALUES (%s, %s, %s, %s, %s, %s)",
        (tx.tenant, digest, client, reference, sealed, expires),
    )


async def find(
    tx: Transaction, handle: str, *, consume: bool
) -> tuple[str | None, str | None, dict[str, Any]] | None:
    """Return client, reference and context of `handle`, None when it is unknown, used or too old.

    With `consume` it is used by this.
    """
    digest = secret_digest(handle)
    rows = await tx.execute(
        "SELECT client, reference, sealed FROM launch_handle WHERE tenant = %s AND digest = %s AND expires > %s FOR UPDATE",
        (tx.tenant, digest, tx.now),
    )
    if not rows:
        return None
    if consume:
        await tx.execute(
            "DELETE FROM launch_handle WHERE tenant = %s AND digest = %s", (tx.tenant, digest)
        )
    client, reference, sealed = rows[0]
    context = json.loads(await tx.unseal(None, f"launch|{digest.hex()}", bytes(sealed)))
    return client, reference, context
