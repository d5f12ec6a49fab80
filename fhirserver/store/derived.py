"""Rows kept beside resources because access and binding must be answered without decrypting anything.

A CareTeam becomes its memberships (who may see whom), a DeviceUseStatement becomes a device's binding to a patient
over a time, and a canonical resource raises the epoch of the tenant's definitions. All of it follows the resource in the
same transaction.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fhirserver.definitions.canonicals import KINDS
from fhirserver.kernel import keys
from fhirserver.kernel.changes import Change
from fhirserver.kernel.principal import Membership
from fhirserver.kernel.resource import Json
from fhirserver.search.period import as_datetime, parse_span
from fhirserver.store import catalogue

if TYPE_CHECKING:
    from fhirserver.kernel.ports import Transaction

# A device that is in use for a patient: https://hl7.org/fhir/R4/valueset-device-statement-status.html
_IN_USE = frozenset({"active", "completed"})


# Resources that change what a tenant's definitions say.
CANONICALS = frozenset(KINDS)


async def follow(tx: "Transaction", change: Change) -> None:
    """Bring the derived rows in step with `change`."""
    if change.type == "CareTeam":
        await _follow_care_team(tx, change)
    elif change.type == "DeviceUseStatement":
        await _follow_device_use(tx, change)
    elif change.type in CANONICALS:
        await catalogue.follow_change(tx, deleted=change.resource is None)


async def _follow_care_team(tx: "Transaction", change: Change) -> None:
    await tx.execute(
        "DELETE FROM care_membership WHERE tenant = %s AND team = %s", (tx.tenant, change.id)
    )
    for position, membership in enumerate(memberships(change.resource) if change.resource else ()):
        await tx.execute(
            "INSERT INTO care_membership (bucket, tenant, patient, team, position, member, role, starts, ends) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (change.bucket, tx.tenant, membership.patient, change.id, position, membership.member, membership.role,
             membership.starts, membership.ends),
        )  # fmt: skip
    await tx.execute("UPDATE access_epoch SET epoch = epoch + 1")


async def _follow_device_use(tx: "Transaction", change: Change) -> None:
    await tx.execute(
        "DELETE FROM device_binding WHERE tenant = %s AND statement = %s", (tx.tenant, change.id)
    )
    statement = change.resource
    if statement is None or change.patient is None or statement.get("status") not in _IN_USE:
        return
    device = local_id(statement.get("device"), "Device")
    if device is None:
        return
    starts, ends = _period(statement.get("timingPeriod"))
    await tx.execute(
        "INSERT INTO device_binding (bucket, tenant, device, statement, patient, starts, ends) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (
            keys.bucket_of(tx.tenant, "Device", device),
            tx.tenant,
            device,
            change.id,
            change.patient,
            starts,
            ends,
        ),
    )


def memberships(care_team: Json) -> Sequence[Membership]:
    """Return who a CareTeam makes a member of its patient's team; none unless it is active.

    https://hl7.org/fhir/R4/careteam.html: an absent status counts as not active, an absent period as open.
    """
    patient = local_id(care_team.get("subject"), "Patient")
    if patient is None or care_team.get("status") != "active":
        return ()
    team_starts, team_ends = _period(care_team.get("period"))
    found = []
    for participant in care_team.get("participant", ()):
        member = (participant.get("member") or {}).get("reference")
        if not member:
            continue
        starts, ends = _period(participant.get("period"))
        found.append(
            Membership(
                patient,
                member,
                _role(participant),
                _later(team_starts, starts),
                _earlier(team_ends, ends),
            )
        )
    return found


def local_id(reference: Any, type_: str) -> str | None:
    """Return the id in a relative reference to `type_`, None for anything else."""
    text = reference.get("reference") if isinstance(reference, dict) else None
    if not isinstance(text, str) or not text.startswith(type_ + "/"):
        return None
    return text.removeprefix(type_ + "/").split("/")[0]


def _role(participant: Json) -> str | None:
    for concept in participant.get("role", ()):
        for coding in concept.get("coding", ()):
            if "code" in coding:
                return str(coding["code"])
    return None


def _period(period: Any) -> tuple[datetime | None, datetime | None]:
    """Return [start, end) of a Period; an end of a day lasts to that day's end."""
    if not isinstance(period, dict):
        return None, None
    starts = as_datetime(parse_span(period["start"])[0]) if "start" in period else None
    ends = as_datetime(parse_span(period["end"])[1]) if "end" in period else None
    return starts, ends


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((moment for moment in (one, other) if moment is not None), default=None)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((moment for moment in (one, other) if moment is not None), default=None)
