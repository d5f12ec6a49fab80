"""What a role in a CareTeam takes away of what its holder might do otherwise: data, with a reason per role.

Spec: https://hl7.org/fhir/R4/careteam-definitions.html#CareTeam.participant.role
"""

from dataclasses import dataclass
from typing import Final

from fhirserver.auth.policy_table import ALL, READ, Audience, Interaction


@dataclass(frozen=True, slots=True)
class RoleLimit:
    """What a role in a CareTeam leaves of what its holder might do otherwise.

    The rows of `audience` must allow it too (None: no matter), it is one of `interactions`, and about one of
    `types` (None: any).
    """

    reason: str
    audience: Audience | None = None
    interactions: frozenset[Interaction] = ALL
    types: frozenset[str] | None = None


# By CareTeam.participant.role code. A role that is not here takes nothing away, and none ever adds.
ROLES: Final[dict[str, RoleLimit]] = {
    "technician": RoleLimit(
        "whoever is in a team for its machines sees no more than a technician",
        audience="technician",
    ),
    "viewer": RoleLimit("a viewer changes nothing", interactions=READ),
    "alarm-contact": RoleLimit(
        "somebody who is only called sees the alarm, for whom, and who else is called",
        types=frozenset({"CareTeam", "Communication", "Flag", "Patient", "Subscription", "Task"}),
    ),
}
