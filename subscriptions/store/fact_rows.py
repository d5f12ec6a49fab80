"""What topics may be filtered by beside the changed resource itself: facts about its patient."""

from collections.abc import Collection, Mapping

from fhirserver.kernel.ports import Transaction


async def care_teams(tx: Transaction, patients: Collection[str]) -> Mapping[str, frozenset[str]]:
    """Return the active CareTeams (``CareTeam/id``) of each of `patients`, in one question."""
    asked = sorted(patients)
    rows = await tx.execute(
        "SELECT DISTINCT m.patient, m.team"
        " FROM unnest(%s::int[], %s::text[]) AS asked (bucket, patient)"
        " JOIN care_membership m ON m.bucket = asked.bucket AND m.tenant = %s"
        " AND m.patient = asked.patient",
        ([tx.bucket(patient, "", "") for patient in asked], asked, tx.tenant),
    )
    teams: dict[str, set[str]] = {patient: set() for patient in asked}
    for patient, team in rows:
        teams[patient].add(f"CareTeam/{team}")
    return {patient: frozenset(found) for patient, found in teams.items()}
