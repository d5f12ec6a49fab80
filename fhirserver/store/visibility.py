"""The access decision for deliveries: asked when a change is matched and again when it is sent."""

from fhirserver.auth import decide, visible
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Membership, Principal
from fhirserver.kernel.resource import Json
from fhirserver.wire import fhir_json


class Visibility:
    """Answers from the memberships as they stand in the asking transaction."""

    async def may_see(self, tx: Transaction, owner: Principal, resource: Json) -> bool:
        """Return whether `owner` may read `resource` now."""
        rows = await tx.execute(
            "SELECT patient, member, role, starts, ends FROM care_membership WHERE tenant = %s AND member = %s",
            (tx.tenant, owner.reference),
        )
        access = decide(owner, [Membership(*row) for row in rows], tx.now)
        return visible(access, resource["resourceType"], fhir_json.write(resource))
