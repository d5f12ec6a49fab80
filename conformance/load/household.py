"""The FHIR resources of one synthetic home: patient, machine, binding, and who is called. Pure.

https://hl7.org/fhir/R4/patient.html, deviceusestatement.html, careteam.html
"""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]

MDC: Final = "urn:iso:std:iso:11073:10101"
EUI64: Final = "urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680"
ESCALATION_TIER: Final = "https://w3id.org/fhirserver/StructureDefinition/escalation-tier"
HEMODIALYSIS_MACHINE: Final = "70929"
# Ten-thousand numbers to a run, none of which anybody has.
NUMBERS_A_RUN: Final = 10_000
_ROLES: Final = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
_BOUND_SINCE: Final = "2020-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Household:
    """Home number `number` of the run `run` (a few letters and digits)."""

    run: str
    number: int

    def __post_init__(self) -> None:
        if not 0 <= self.number < NUMBERS_A_RUN:
            raise ValueError(f"a run has at most {NUMBERS_A_RUN} homes")

    @property
    def key(self) -> str:
        """What the ids of this home begin with."""
        return f"load-{self.run}-{self.number}"

    @property
    def patient(self) -> str:
        """The patient's id."""
        return f"{self.key}-patient"

    @property
    def device(self) -> str:
        """The machine's id."""
        return f"{self.key}-machine"

    @property
    def eui64(self) -> str:
        """The machine's hardware address, dashed, locally administered."""
        digest = bytearray(hashlib.sha256(self.key.encode()).digest()[:8])
        digest[0] = (digest[0] & 0xFC) | 0x02
        digest[3:5] = b"\xff\xfe"
        return "-".join(f"{byte:02X}" for byte in digest)

    @property
    def telephone(self) -> str:
        """The care partner's number (E.164)."""
        area = 200 + int.from_bytes(hashlib.sha256(self.run.encode()).digest()[:2], "big") % 800
        return f"+1{area}555{self.number:04d}"

    def resources(self) -> list[Json]:
        """Return patient, machine and binding, in an order in which references resolve."""
        return [
            {
                "resourceType": "Patient",
                "id": self.patient,
                "active": True,
                "name": [{"family": f"Load{self.number}", "given": ["Synthetic"]}],
                "gender": "unknown",
                "birthDate": "1960-01-01",
            },
            {
                "resourceType": "Device",
                "id": self.device,
                "identifier": [{"system": EUI64, "value": self.eui64}],
                "status": "active",
                "type": {"coding": [{"system": MDC, "code": HEMODIALYSIS_MACHINE}]},
            },
            {
                "resourceType": "DeviceUseStatement",
                "id": f"{self.key}-use",
                "status": "active",
                "subject": {"reference": f"Patient/{self.patient}"},
                "timingPeriod": {"start": _BOUND_SINCE},
                "device": {"reference": f"Device/{self.device}"},
            },
        ]

    def contact(self) -> list[Json]:
        """Return the care partner and the team that says they are called first."""
        partner = f"{self.key}-partner"
        return [
            {
                "resourceType": "RelatedPerson",
                "id": partner,
                "active": True,
                "patient": {"reference": f"Patient/{self.patient}"},
                "relationship": [{"coding": [{"system": _ROLES, "code": "DOMPART"}]}],
                "name": [{"family": f"Partner{self.number}", "given": ["Synthetic"]}],
                "telecom": [{"system": "sms", "value": self.telephone, "use": "mobile", "rank": 1}],
            },
            {
                "resourceType": "CareTeam",
                "id": f"{self.key}-team",
                "status": "active",
                "subject": {"reference": f"Patient/{self.patient}"},
                "participant": [
                    {
                        "extension": [{"url": ESCALATION_TIER, "valuePositiveInt": 1}],
                        "member": {"reference": f"RelatedPerson/{partner}"},
                    }
                ],
            },
        ]
