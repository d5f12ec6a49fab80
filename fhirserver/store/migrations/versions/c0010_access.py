"""Relationships beside CareTeams: people on call, staff roles, one human in several roles, guardians, emergencies, peers,
invitations; and what Consents deny.
"""

from alembic import op

revision = "c0010"
down_revision = "c0009"
branch_labels = None
depends_on = None

_TENANT = "tenant = current_setting('app.tenant')::int"

_TABLES = """
-- Who may come on duty in a CareTeam of category on-call, and what says when: the parts of the team that do.
CREATE TABLE on_call_member (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  team text NOT NULL,
  position int NOT NULL,
  member text NOT NULL,
  role text,
  PRIMARY KEY (bucket, tenant, team, position)
);
CREATE INDEX on_call_member_member ON on_call_member (member);

CREATE TABLE on_call_roster (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  team text NOT NULL,
  roster jsonb NOT NULL,
  PRIMARY KEY (bucket, tenant, team)
);

-- The organizations that manage a patient's CareTeam; the bucket is the patient's.
CREATE TABLE team_organization (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  team text NOT NULL,
  patient text NOT NULL,
  organization text NOT NULL,
  starts timestamptz,
  ends timestamptz,
  PRIMARY KEY (bucket, tenant, team, organization)
);
CREATE INDEX team_organization_organization ON team_organization (organization);

-- An active PractitionerRole: who, where, when.
CREATE TABLE staff_role (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  role text NOT NULL,
  practitioner text,
  organization text,
  starts timestamptz,
  ends timestamptz,
  PRIMARY KEY (bucket, tenant, role)
);
CREATE INDEX staff_role_practitioner ON staff_role (practitioner);

CREATE TABLE person_link (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  person text NOT NULL,
  target text NOT NULL,
  PRIMARY KEY (bucket, tenant, person, target)
);
CREATE INDEX person_link_target ON person_link (target);

CREATE TABLE guardian (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  patient text NOT NULL,
  member text NOT NULL,
  since timestamptz NOT NULL,
  majority timestamptz,
  kept timestamptz,
  ended timestamptz,
  PRIMARY KEY (bucket, tenant, patient, member)
);
CREATE INDEX guardian_member ON guardian (member);

-- Two rows for each pair of patients who have both agreed, one in the bucket of each.
CREATE TABLE peer_link (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  patient text NOT NULL,
  peer text NOT NULL,
  link uuid NOT NULL,
  agreed timestamptz NOT NULL,
  ended timestamptz,
  ended_by text,
  PRIMARY KEY (bucket, tenant, patient, peer)
);
CREATE INDEX peer_link_peer ON peer_link (peer);

-- The token itself is never stored. Global: an invitation of a tenant is found by the token alone.
CREATE TABLE invitation (
  tenant int NOT NULL,
  digest bytea NOT NULL,
  id uuid NOT NULL,
  offered text NOT NULL,
  patient text,
  team text,
  organization text,
  inviter_kind text NOT NULL,
  inviter text NOT NULL,
  created timestamptz NOT NULL,
  expires timestamptz NOT NULL,
  withdrawn timestamptz,
  accepted timestamptz,
  accepted_by text,
  became text,
  PRIMARY KEY (tenant, digest),
  UNIQUE (tenant, id)
);

CREATE TABLE emergency_access (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  patient text NOT NULL,
  id uuid NOT NULL,
  practitioner text NOT NULL,
  reason bytea NOT NULL,
  started timestamptz NOT NULL,
  expires timestamptz NOT NULL,
  ended timestamptz,
  task text NOT NULL,
  reviewed timestamptz,
  reviewer text,
  verdict text CHECK (verdict IN ('justified', 'unjustified')),
  note bytea,
  PRIMARY KEY (bucket, tenant, id)
);
CREATE INDEX emergency_access_practitioner ON emergency_access (practitioner);

-- Tenants whose resources have their rows: those that were there before these tables get them once.
CREATE TABLE relations_filed (
  tenant int PRIMARY KEY,
  at timestamptz NOT NULL
);

-- What the Consents of a patient deny, read: see fhirserver.auth.consent.
CREATE TABLE consent_provision (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  patient text NOT NULL,
  consent text NOT NULL,
  provisions jsonb NOT NULL,
  PRIMARY KEY (bucket, tenant, patient, consent)
);
"""

_WRITTEN = (
    "on_call_member", "on_call_roster", "team_organization", "staff_role", "person_link", "guardian", "peer_link",
    "invitation", "emergency_access", "consent_provision", "relations_filed",
)  # fmt: skip
# What a read asks about its caller.
_READ_TOO = (
    "on_call_member", "on_call_roster", "team_organization", "staff_role", "guardian", "peer_link", "emergency_access",
    "consent_provision",
)  # fmt: skip


def _run(script: str) -> None:
    """Run a script of several statements, which only the driver's own connection takes."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(script)


def upgrade() -> None:
    """Create the tables, each with a wall between tenants."""
    _run("SET ROLE fhir_owner")
    _run(_TABLES)
    for table in _WRITTEN:
        _run(
            f"""
            ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
            ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
            CREATE POLICY tenant_write ON {table} TO fhir_write USING ({_TENANT}) WITH CHECK ({_TENANT});
            GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO fhir_write;
            """
        )
    for table in _READ_TOO:
        _run(f"CREATE POLICY tenant_read ON {table} FOR SELECT TO fhir_read USING ({_TENANT})")
        _run(f"GRANT SELECT ON {table} TO fhir_read")
    _run("RESET ROLE")
