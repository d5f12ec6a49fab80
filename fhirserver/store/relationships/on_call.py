"""Rows of ``on_call_member`` and ``on_call_roster``: who may come on duty in a team, and what says when.

A team on call is nobody's own: patients' teams list it, and whoever is on duty in it belongs to them
for the shift. Shifts follow the wall clock without end, so that no row can hold them: the roster is
kept as the parts of the CareTeam that say who is on duty, and read with `fhirserver.relations.on_call`.
"""

from typing import Any, Final

import orjson

from fhirserver.kernel import keys
from fhirserver.kernel.changes import Change
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from fhirserver.relations.on_call import Unreadable, everybody, is_on_call, reference_of
from fhirserver.store.relationships.roles import role_of

_PARTS: Final = ("status", "period", "category", "participant", "extension")
_READ: Final = frozenset(
    {
        *_PARTS,
        "code",
        "coding",
        "end",
        "member",
        "reference",
        "start",
        "system",
        "url",
        "value",
        "valueCode",
        "valueDate",
        "valueDuration",
        "valuePeriod",
        "valueReference",
        "valueTime",
    }
)


async def follow(tx: Transaction, change: Change) -> None:
    """Bring the rows of a CareTeam in step with what it says now."""
    bucket = bucket_of(tx.tenant, change.id)
    if _is_roster(change.previous):
        place = (bucket, tx.tenant, change.id)
        await tx.execute(
            "DELETE FROM on_call_member WHERE bucket = %s AND tenant = %s AND team = %s", place
        )
        await tx.execute(
            "DELETE FROM on_call_roster WHERE bucket = %s AND tenant = %s AND team = %s", place
        )
    team = change.resource
    if team is None or not _is_roster(team):
        return
    try:
        members = everybody(team)
    except Unreadable:
        return
    roles = {
        reference_of(one.get("member")): role
        for one in team.get("participant", ())
        if (role := role_of(one)) is not None
    }
    roster = _plain({name: team[name] for name in _PARTS if name in team})
    await tx.execute(
        "INSERT INTO on_call_roster (bucket, tenant, team, roster) VALUES (%s, %s, %s, %s::jsonb)",
        (bucket, tx.tenant, change.id, orjson.dumps(roster, default=float).decode()),
    )
    await tx.execute(
        "INSERT INTO on_call_member (bucket, tenant, team, position, member, role) "
        "SELECT %s, %s, %s, * FROM unnest(%s::int[], %s::text[], %s::text[])",
        (
            bucket,
            tx.tenant,
            change.id,
            list(range(len(members))),
            list(members),
            [roles.get(one) for one in members],
        ),
    )


def _plain(value: Any) -> Any:
    """Return what rosters are read from, without names of people and other text."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items() if name in _READ}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def bucket_of(tenant: int, team: str) -> int:
    """Return the bucket of the rows of a team on call."""
    return keys.bucket_of(tenant, "CareTeam", team)


def _is_roster(team: Json | None) -> bool:
    return team is not None and team.get("status") == "active" and is_on_call(team)
