"""Rows of `contact`: who stands on a patient's ladder and how they are reached."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fhirserver.kernel.ports import Transaction
from subscriptions.core.message import Language


@dataclass(frozen=True, slots=True)
class ContactRow:
    """One member of one CareTeam. `phone_lookup` and `subscription` are None without a number."""

    patient: str
    care_team: str
    member: str
    tier: int
    language: Language
    phone_lookup: int | None
    shares_with_patient: bool
    subscription: str | None
    starts: datetime | None
    ends: datetime | None


@dataclass(frozen=True, slots=True)
class Reachable:
    """A contact with the status of its managed Subscription, None when it has none."""

    contact: ContactRow
    status: str | None


_COLUMNS = (
    "c.patient, c.care_team, c.member, c.tier, c.language, c.phone_lookup, c.shares_with_patient,"
    " c.subscription, c.starts, c.ends"
)


async def replace_team(
    tx: Transaction, patient: str, care_team: str, contacts: Sequence[ContactRow]
) -> None:
    """Make `contacts` the whole of what `care_team` says about `patient`."""
    bucket = tx.bucket(patient, "", "")
    await tx.execute(
        "DELETE FROM contact WHERE bucket = %s AND tenant = %s AND patient = %s AND care_team = %s",
        (bucket, tx.tenant, patient, care_team),
    )
    for contact in contacts:
        await tx.execute(
            "INSERT INTO contact (bucket, tenant, patient, care_team, member, tier, language,"
            " phone_lookup, shares_with_patient, subscription, starts, ends)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                bucket,
                tx.tenant,
                patient,
                care_team,
                contact.member,
                contact.tier,
                contact.language,
                contact.phone_lookup,
                contact.shares_with_patient,
                contact.subscription,
                contact.starts,
                contact.ends,
            ),
        )


async def of_patient(tx: Transaction, patient: str) -> list[Reachable]:
    """Return the contacts whose time covers now, lowest tier first, one row per member and team."""
    rows = await tx.execute(
        f"SELECT {_COLUMNS}, s.status FROM contact c LEFT JOIN subscription_cursor s"
        " ON s.tenant = c.tenant AND s.subscription = c.subscription"
        " WHERE c.bucket = %s AND c.tenant = %s AND c.patient = %s"
        " AND (c.starts IS NULL OR c.starts <= %s) AND (c.ends IS NULL OR c.ends > %s)"
        " ORDER BY c.tier, c.member",
        (tx.bucket(patient, "", ""), tx.tenant, patient, tx.now, tx.now),
    )
    return [Reachable(ContactRow(*row[:-1]), row[-1]) for row in rows]


async def teams_of(tx: Transaction, members: Sequence[str], patients: Sequence[str]) -> list[str]:
    """Return the ids of the CareTeams in which one of `members` is told of alerts, or alerts of one of `patients`."""
    rows = await tx.execute(
        "SELECT care_team FROM contact WHERE tenant = %s AND member = ANY (%s::text[])"
        " UNION SELECT c.care_team FROM contact c JOIN unnest(%s::smallint[], %s::text[])"
        " AS wanted(b, p) ON c.bucket = b AND c.patient = p WHERE c.tenant = %s ORDER BY 1",
        (
            tx.tenant,
            list(members),
            [tx.bucket(patient, "", "") for patient in patients],
            list(patients),
            tx.tenant,
        ),
    )
    return [row[0] for row in rows]


async def patients_of_subscription(tx: Transaction, subscription: str) -> list[str]:
    """Return the patients for whom the owner of a managed Subscription is told of alerts."""
    rows = await tx.execute(
        "SELECT DISTINCT patient FROM contact WHERE tenant = %s AND subscription = %s"
        " ORDER BY patient",
        (tx.tenant, subscription),
    )
    return [row[0] for row in rows]


async def language_of(tx: Transaction, subscription: str) -> Language:
    """Return the language of whoever a managed Subscription belongs to."""
    rows = await tx.execute(
        "SELECT language FROM contact WHERE tenant = %s AND subscription = %s"
        " ORDER BY patient, care_team LIMIT 1",
        (tx.tenant, subscription),
    )
    return rows[0][0] if rows else "en"
