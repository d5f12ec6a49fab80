"""Rows of `contact`: who is told of alerts and how they are reached.

A row says what one CareTeam says about one member: for its patient, or, where `patient` is "",
for a team on call. A member that is a CareTeam stands for whoever is on duty in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

import msgspec

from fhirserver.kernel.ports import Transaction
from subscriptions.core.contact_plan import Plan
from subscriptions.core.message import Language

# The `patient` of those who are told as people on call.
ON_CALL = ""


@dataclass(frozen=True, slots=True)
class ContactRow:
    """One member of one CareTeam. `phone_lookup` and `subscription` are None without a number.

    `behind` is the Practitioner whose number a PractitionerRole is reached at.
    """

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
    behind: str | None
    plan: Plan


@dataclass(frozen=True, slots=True)
class Reachable:
    """A contact with the status of its managed Subscription, None when it has none."""

    contact: ContactRow
    status: str | None


_COLUMNS = (
    "c.patient, c.care_team, c.member, c.tier, c.language, c.phone_lookup, c.shares_with_patient,"
    " c.subscription, c.starts, c.ends, c.behind, c.plan::text, s.status"
)
_plans = msgspec.json.Decoder(Plan)


def _bucket(tx: Transaction, patient: str, care_team: str) -> int:
    if patient == ON_CALL:
        return tx.bucket(None, "CareTeam", care_team)
    return tx.bucket(patient, "", "")


async def replace_team(
    tx: Transaction, patient: str, care_team: str, contacts: Sequence[ContactRow]
) -> None:
    """Make `contacts` the whole of what `care_team` says about `patient`."""
    bucket = _bucket(tx, patient, care_team)
    await tx.execute(
        "DELETE FROM contact WHERE bucket = %s AND tenant = %s AND patient = %s AND care_team = %s",
        (bucket, tx.tenant, patient, care_team),
    )
    for contact in contacts:
        await tx.execute(
            "INSERT INTO contact (bucket, tenant, patient, care_team, member, tier, language,"
            " phone_lookup, shares_with_patient, subscription, starts, ends, behind, plan)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb)",
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
                contact.behind,
                msgspec.json.encode(contact.plan).decode(),
            ),
        )


async def answers_for(tx: Transaction, care_team: str, organizations: Sequence[str]) -> None:
    """Make `organizations` (ids) the whole of whom a team is on call for."""
    bucket = tx.bucket(None, "CareTeam", care_team)
    await tx.execute(
        "DELETE FROM on_call_team WHERE bucket = %s AND tenant = %s AND care_team = %s",
        (bucket, tx.tenant, care_team),
    )
    await tx.execute(
        "INSERT INTO on_call_team (bucket, tenant, care_team, organization)"
        " SELECT %s, %s, %s, unnest(%s::text[]) ON CONFLICT DO NOTHING",
        (bucket, tx.tenant, care_team, list(organizations)),
    )


async def on_call_for(tx: Transaction, organization: str) -> list[str]:
    """Return the ids of the teams that are on call for an organization."""
    rows = await tx.execute(
        "SELECT care_team FROM on_call_team WHERE tenant = %s AND organization = %s"
        " ORDER BY care_team",
        (tx.tenant, organization),
    )
    return [row[0] for row in rows]


async def of_patient(tx: Transaction, patient: str) -> list[Reachable]:
    """Return the contacts whose time is not over, lowest tier first, one row per member and team."""
    rows = await tx.execute(
        f"SELECT {_COLUMNS} FROM contact c LEFT JOIN subscription_cursor s"
        " ON s.tenant = c.tenant AND s.subscription = c.subscription"
        " WHERE c.bucket = %s AND c.tenant = %s AND c.patient = %s"
        " AND (c.ends IS NULL OR c.ends > %s) ORDER BY c.tier, c.member",
        (tx.bucket(patient, "", ""), tx.tenant, patient, tx.now),
    )
    return [_reachable(row) for row in rows]


async def of_team_on_call(tx: Transaction, care_team: str) -> list[Reachable]:
    """Return everybody who may come on duty in a team on call."""
    rows = await tx.execute(
        f"SELECT {_COLUMNS} FROM contact c LEFT JOIN subscription_cursor s"
        " ON s.tenant = c.tenant AND s.subscription = c.subscription"
        " WHERE c.bucket = %s AND c.tenant = %s AND c.patient = %s AND c.care_team = %s"
        " ORDER BY c.tier, c.member",
        (_bucket(tx, ON_CALL, care_team), tx.tenant, ON_CALL, care_team),
    )
    return [_reachable(row) for row in rows]


def _reachable(row: tuple[Any, ...]) -> Reachable:
    *contact, plan, status = row
    return Reachable(ContactRow(*(*contact, _plans.decode(plan))), status)


async def teams_of(tx: Transaction, members: Sequence[str], patients: Sequence[str]) -> list[str]:
    """Return the ids of the CareTeams in which one of `members` is told of alerts, or alerts of one of `patients`."""
    rows = await tx.execute(
        "SELECT care_team FROM contact WHERE tenant = %s AND member = ANY (%s::text[])"
        " UNION SELECT care_team FROM contact WHERE tenant = %s AND behind = ANY (%s::text[])"
        " UNION SELECT c.care_team FROM contact c JOIN unnest(%s::smallint[], %s::text[])"
        " AS wanted(b, p) ON c.bucket = b AND c.patient = p WHERE c.tenant = %s ORDER BY 1",
        (
            tx.tenant,
            list(members),
            tx.tenant,
            list(members),
            [tx.bucket(patient, "", "") for patient in patients],
            list(patients),
            tx.tenant,
        ),
    )
    return [row[0] for row in rows]


# Whose teams list a team on call, themselves or by way of another.
_LISTED_BY: Final[LiteralString] = (
    " SELECT c.patient, c.care_team FROM contact c JOIN told ON told.patient = ''"
    " AND c.tenant = %(tenant)s AND c.member = 'CareTeam/' || told.care_team)"
    " SELECT DISTINCT patient FROM told WHERE patient <> '' ORDER BY patient"
)


async def patients_of_team_on_call(tx: Transaction, care_team: str) -> list[str]:
    """Return the patients whose teams list a team on call, themselves or by way of another."""
    rows = await tx.execute(
        "WITH RECURSIVE told(patient, care_team) AS (SELECT ''::text, %(care_team)s::text UNION"
        + _LISTED_BY,
        {"tenant": tx.tenant, "care_team": care_team},
    )
    return [row[0] for row in rows]


async def patients_of_subscription(tx: Transaction, subscription: str) -> list[str]:
    """Return the patients for whom the owner of a managed Subscription is told of alerts."""
    rows = await tx.execute(
        "WITH RECURSIVE told(patient, care_team) AS (SELECT patient, care_team FROM contact"
        " WHERE tenant = %(tenant)s AND subscription = %(subscription)s UNION" + _LISTED_BY,
        {"tenant": tx.tenant, "subscription": subscription},
    )
    return [row[0] for row in rows]


async def is_needed(tx: Transaction, subscription: str) -> bool:
    """Return whether the owner of a managed Subscription is still to be told of alerts."""
    return bool(
        await tx.execute(
            "SELECT 1 FROM contact WHERE tenant = %s AND subscription = %s LIMIT 1",
            (tx.tenant, subscription),
        )
    )


async def language_of(tx: Transaction, subscription: str) -> Language:
    """Return the language of whoever a managed Subscription belongs to."""
    rows = await tx.execute(
        "SELECT language FROM contact WHERE tenant = %s AND subscription = %s"
        " ORDER BY patient, care_team LIMIT 1",
        (tx.tenant, subscription),
    )
    return rows[0][0] if rows else "en"
