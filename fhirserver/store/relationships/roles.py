"""The role of a participant of a CareTeam: https://hl7.org/fhir/R4/careteam-definitions.html#CareTeam.participant.role."""

from fhirserver.kernel.resource import Json


def role_of(participant: Json) -> str | None:
    """Return the code of the first role that has one, None without."""
    for concept in participant.get("role", ()):
        for coding in concept.get("coding", ()):
            if "code" in coding:
                return str(coding["code"])
    return None
