"""What relations callers have with patients, asked the same way for a request and inside a write transaction.

The facts alone: whether they hold now and what follows is decided in `fhirserver.auth`. One statement
brings them all; who is on call is worked out from the rosters it names, because shifts have no rows.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Final, Literal, LiteralString, NamedTuple

from fhirserver.kernel import keys
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Basis, Membership, Principal, Provision, Relations
from fhirserver.kernel.resource import Json
from fhirserver.relations.constants import DEEPEST_TEAM
from fhirserver.relations.fhir_period import earliest
from fhirserver.relations.on_call import Unreadable, next_change, on_call_at
from fhirserver.relations.provision_rows import provisions
from fhirserver.store.caller import entering
from fhirserver.store.connection import Query
from fhirserver.store.database import Pool
from fhirserver.store.relationships.on_call import bucket_of

_NAMES: Final[LiteralString] = """
WITH RECURSIVE known (who, member) AS (
  SELECT m, m FROM unnest(%(members)s::text[]) AS m
  UNION
  SELECT 'Practitioner/' || s.practitioner, 'PractitionerRole/' || s.role FROM staff_role s
  WHERE s.tenant = %(tenant)s AND s.practitioner = ANY (%(practitioners)s::text[])
  AND (s.starts IS NULL OR s.starts <= %(now)s) AND (s.ends IS NULL OR s.ends >= %(now)s)
), duty (who, team, role, path) AS (
  SELECT k.who, 'CareTeam/' || o.team, o.role, ARRAY[k.member, 'CareTeam/' || o.team]
  FROM known k JOIN on_call_member o ON o.tenant = %(tenant)s AND o.member = k.member
  UNION ALL
  SELECT d.who, 'CareTeam/' || o.team, coalesce(d.role, o.role), d.path || ('CareTeam/' || o.team)
  FROM duty d JOIN on_call_member o ON o.tenant = %(tenant)s AND o.member = d.team
  WHERE cardinality(d.path) <= %(deepest)s
), bond (bucket, patient, who, role, starts, ends, basis, source, path) AS (
"""
# A branch for each kind of relationship; the last two are none. One says when roles that were looked at begin or end; the
# other by which other names a Consent may mean the caller: whether the role is over makes nobody somebody else.
_BONDS: Final[LiteralString] = """
  SELECT m.bucket, m.patient, k.who, m.role, m.starts, m.ends, 'care-team', 'CareTeam/' || m.team, NULL::text[]
  FROM known k JOIN care_membership m ON m.tenant = %(tenant)s AND m.member = k.member
  UNION ALL
  SELECT m.bucket, m.patient, d.who, coalesce(d.role, m.role), m.starts, m.ends, 'care-team', 'CareTeam/' || m.team, d.path
  FROM duty d JOIN care_membership m ON m.tenant = %(tenant)s AND m.member = d.team
  UNION ALL
  SELECT bucket, patient, practitioner, NULL, started, expires, 'break-glass', 'Task/' || task, NULL
  FROM emergency_access WHERE tenant = %(tenant)s AND practitioner = ANY (%(members)s::text[])
  AND ended IS NULL AND expires > %(now)s
  UNION ALL
  SELECT bucket, patient, 'Patient/' || peer, NULL, agreed, ended, 'peer', '', NULL
  FROM peer_link WHERE tenant = %(tenant)s AND peer = ANY (%(patients)s::text[]) AND ended IS NULL
  UNION ALL
  SELECT bucket, patient, member, NULL, since, CASE WHEN kept IS NULL THEN majority END, 'guardian', member, NULL
  FROM guardian WHERE tenant = %(tenant)s AND member = ANY (%(members)s::text[]) AND ended IS NULL
  UNION ALL
  SELECT t.bucket, t.patient, s.who, NULL, t.starts, t.ends, 'roster', 'Organization/' || t.organization, NULL
  FROM (
    SELECT 'PractitionerRole/' || s.role, s.organization, s.starts, s.ends FROM staff_role s
    WHERE s.tenant = %(tenant)s AND s.bucket = ANY (%(clerk_buckets)s::smallint[]) AND s.role = ANY (%(clerk_roles)s::text[])
    UNION ALL
    SELECT 'Practitioner/' || s.practitioner, s.organization, s.starts, s.ends FROM staff_role s
    WHERE s.tenant = %(tenant)s AND s.practitioner = ANY (%(clerks)s::text[])
  ) s (who, organization, starts, ends)
  JOIN team_organization t ON t.tenant = %(tenant)s AND t.organization = s.organization
  WHERE (s.starts IS NULL OR s.starts <= %(now)s) AND (s.ends IS NULL OR s.ends >= %(now)s)
  UNION ALL
  SELECT NULL, NULL, s.who, NULL, min(s.starts) FILTER (WHERE s.starts > %(now)s),
    min(s.ends) FILTER (WHERE s.ends > %(now)s), 'turn', '', NULL
  FROM (
    SELECT 'Practitioner/' || s.practitioner, s.starts, s.ends FROM staff_role s
    WHERE s.tenant = %(tenant)s AND s.practitioner = ANY (%(practitioners)s::text[])
    UNION ALL
    SELECT 'PractitionerRole/' || s.role, s.starts, s.ends FROM staff_role s
    WHERE s.tenant = %(tenant)s AND s.bucket = ANY (%(clerk_buckets)s::smallint[]) AND s.role = ANY (%(clerk_roles)s::text[])
  ) s (who, starts, ends)
  WHERE s.starts > %(now)s OR s.ends > %(now)s GROUP BY s.who
  UNION ALL
  SELECT NULL, NULL, s.who, NULL, NULL, NULL, 'name', n.name, NULL
  FROM (
    SELECT 'Practitioner/' || s.practitioner, 'PractitionerRole/' || s.role, s.organization FROM staff_role s
    WHERE s.tenant = %(tenant)s AND s.practitioner = ANY (%(practitioners)s::text[])
    UNION ALL
    SELECT 'PractitionerRole/' || s.role, 'Practitioner/' || s.practitioner, s.organization FROM staff_role s
    WHERE s.tenant = %(tenant)s AND s.bucket = ANY (%(role_buckets)s::smallint[]) AND s.role = ANY (%(roles)s::text[])
  ) s (who, other, organization), unnest(ARRAY[s.other, 'Organization/' || s.organization]) AS n (name)
  WHERE n.name IS NOT NULL
)
"""
_ASK: Final[LiteralString] = (
    _NAMES
    + _BONDS
    + """
SELECT b.patient, b.who, b.role, b.starts, b.ends, b.basis, b.source, b.path,
  (SELECT jsonb_object_agg(c.consent, c.provisions) FROM consent_provision c
   WHERE c.bucket = b.bucket AND c.tenant = %(tenant)s AND c.patient = b.patient)
FROM bond b
"""
)
# The statement has many branches: planning it anew for each caller would cost several times what running it does.
_PLANS: Final[LiteralString] = "SELECT set_config('plan_cache_mode', %s, true)"
_ROSTERS: Final[LiteralString] = (
    "SELECT team, roster FROM on_call_roster WHERE tenant = %s AND bucket = ANY (%s::smallint[]) "
    "AND team = ANY (%s::text[])"
)


class _Bond(NamedTuple):
    patient: str
    who: str
    role: str | None
    starts: datetime | None
    ends: datetime | None
    basis: Basis | Literal["turn", "name"]
    source: str
    # From who is on duty to the team that is listed in the patient's; None for everybody else.
    path: Sequence[str] | None
    provisions: Mapping[str, Sequence[Any]] | None


async def relations(pool: Pool, principal: Principal, now: datetime) -> Relations:
    """Return the relations of `principal`, also those whose time is over, but only the shifts of now."""
    if not principal.reference:
        return Relations()
    tenant = principal.tenant
    asked = Query(_ASK, _arguments(tenant, (principal,), now))
    async with pool.connection() as connection:
        *_, rows = await connection.round(
            (entering(tenant), Query(_PLANS, ("force_generic_plan",)), asked)
        )
        bonds = [_Bond(*row) for row in rows]
        teams = _teams(bonds)
        rosters: Sequence[Sequence[Any]] = ()
        if teams:
            _, rosters = await connection.round(
                (entering(tenant), Query(_ROSTERS, _places(tenant, teams)))
            )
    return _of(bonds, principal, _rosters(rosters), now)


async def relations_within(
    tx: Transaction, principals: Collection[Principal]
) -> Mapping[Principal, Relations]:
    """Return the relations of each of `principals` as they stand in `tx`."""
    asking = [one for one in principals if one.reference]
    if not asking:
        return {one: Relations() for one in principals}
    tx.execute_later(_PLANS, ("force_generic_plan",))
    bonds = [_Bond(*row) for row in await tx.execute(_ASK, _arguments(tx.tenant, asking, tx.now))]
    tx.execute_later(_PLANS, ("auto",))
    teams = _teams(bonds)
    found = await tx.execute(_ROSTERS, _places(tx.tenant, teams)) if teams else ()
    rosters = _rosters(found)
    return {one: _of(bonds, one, rosters, tx.now) for one in principals}


def _arguments(tenant: int, asking: Collection[Principal], now: datetime) -> Mapping[str, Any]:
    members = sorted({one.reference for one in asking})
    clerks = sorted({one.reference for one in asking if one.kind == "clinic-admin"})
    roles, of_clerks = (_ids(some, "PractitionerRole/") for some in (members, clerks))
    return {
        "tenant": tenant,
        "members": members,
        "practitioners": _ids(members, "Practitioner/"),
        "patients": _ids(members, "Patient/"),
        "clerks": _ids(clerks, "Practitioner/"),
        "clerk_roles": of_clerks,
        "clerk_buckets": _buckets(tenant, of_clerks),
        "roles": roles,
        "role_buckets": _buckets(tenant, roles),
        "deepest": DEEPEST_TEAM,
        "now": now,
    }


def _buckets(tenant: int, roles: Iterable[str]) -> list[int]:
    return [keys.bucket_of(tenant, "PractitionerRole", one) for one in roles]


def _ids(members: Iterable[str], prefix: str) -> list[str]:
    return [one.removeprefix(prefix) for one in members if one.startswith(prefix)]


def _teams(bonds: Iterable[_Bond]) -> list[str]:
    return sorted(
        {team for one in bonds if one.path is not None for team in _ids(one.path[1:], "CareTeam/")}
    )


def _rosters(rows: Iterable[Sequence[Any]]) -> Mapping[str, Json]:
    return {row[0]: row[1] for row in rows}


def _places(tenant: int, teams: Sequence[str]) -> tuple[int, list[int], Sequence[str]]:
    return tenant, [bucket_of(tenant, team) for team in teams], list(teams)


def _of(
    bonds: Iterable[_Bond], principal: Principal, rosters: Mapping[str, Json], now: datetime
) -> Relations:
    found: list[Membership] = []
    turn: datetime | None = None
    names: set[str] = set()
    denied: dict[tuple[str, str], tuple[Provision, ...]] = {}
    for one in bonds:
        if one.who != principal.reference or not principal.reference:
            continue
        if one.basis == "turn":
            turn = earliest(turn, one.starts, one.ends)
            continue
        if one.basis == "name":
            names.add(one.source)
            continue
        # Who administers an organization is nobody's clinician by that, and the other way round.
        if one.basis == "roster" and principal.kind != "clinic-admin":
            continue
        ends = one.ends
        if one.path is not None:
            on_duty, until = _shift(one.path, rosters, now)
            turn = earliest(turn, until)
            if not on_duty:
                continue
            ends = earliest(ends, until)
        found.append(
            Membership(one.patient, one.who, one.role, one.starts, ends, one.basis, one.source)
        )
        for consent, rows in (one.provisions or {}).items():
            if (one.patient, consent) not in denied:
                denied[one.patient, consent] = provisions(one.patient, consent, rows)
    rules = tuple(one for several in denied.values() for one in several)
    return Relations(tuple(found), rules, turn, frozenset(names))


def _shift(
    path: Sequence[str], rosters: Mapping[str, Json], now: datetime
) -> tuple[bool, datetime | None]:
    """Return whether the first of `path` is on duty in every team along it now, and until when that is sure."""
    on_duty, until = True, None
    for member, team in pairwise(path):
        roster = rosters.get(team.removeprefix("CareTeam/"))
        try:
            if roster is None:
                return False, None
            on_duty = on_duty and member in on_call_at(roster, now)
            until = earliest(until, next_change(roster, now))
        except Unreadable:
            return False, None
    return on_duty, until
