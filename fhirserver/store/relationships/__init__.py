"""Rows of relationships with patients: what follows from resources, and what operations make and end.

Whatever changes who may see what raises the access epoch in the same transaction, so that every
process notices within a quarter of a second.
"""

from dataclasses import dataclass, field

from fhirserver.store.relationships.emergencies import EmergencyRows
from fhirserver.store.relationships.guardians import GuardianRows
from fhirserver.store.relationships.invitations import InvitationRows
from fhirserver.store.relationships.machines import MachineRows
from fhirserver.store.relationships.peers import PeerRows
from fhirserver.store.relationships.people import PeopleRows


@dataclass(frozen=True, slots=True)
class RelationshipRows:
    """Implements `fhirserver.kernel.relationships.Relationships`."""

    emergencies: EmergencyRows = field(default_factory=EmergencyRows)
    invitations: InvitationRows = field(default_factory=InvitationRows)
    peers: PeerRows = field(default_factory=PeerRows)
    guardians: GuardianRows = field(default_factory=GuardianRows)
    people: PeopleRows = field(default_factory=PeopleRows)
    machines: MachineRows = field(default_factory=MachineRows)
