"""Ladders: how a member is called, teams on call, incidents of nobody, fridge cards."""

from alembic import op

revision = "s0008"
down_revision = "s0007"
branch_labels = None
depends_on = None

_TENANT = "tenant = current_setting('app.tenant')::int"

_CHANGES = """
-- How the care team wants a member to be called: order, channels, quiet hours, times.
ALTER TABLE contact ADD COLUMN plan jsonb NOT NULL DEFAULT '{}';
-- The Practitioner behind a PractitionerRole, where the number is theirs.
ALTER TABLE contact ADD COLUMN behind text;
CREATE INDEX contact_behind ON contact (tenant, behind) WHERE behind IS NOT NULL;
CREATE INDEX contact_subscription ON contact (tenant, subscription) WHERE subscription IS NOT NULL;

-- A device nobody is bound to has an incident all the same; `bucket` is that of the incident's id.
ALTER TABLE ladder ALTER COLUMN patient DROP NOT NULL;
ALTER TABLE timer ALTER COLUMN patient DROP NOT NULL;

-- Everyone was told and nobody is with the patient: whoever runs the server is told by the
-- watchdog's own ways. Never for test data.
ALTER TABLE ladder ADD COLUMN unanswered boolean NOT NULL DEFAULT false;
CREATE INDEX ladder_unanswered ON ladder (bucket) WHERE unanswered;
CREATE POLICY due ON ladder FOR SELECT TO fhir_worker USING (true);

-- For which organization a team is on call; bucket of the team. Its people are rows of `contact`
-- whose patient is ''.
CREATE TABLE on_call_team (
  bucket int NOT NULL,
  tenant int NOT NULL,
  care_team text NOT NULL,
  organization text NOT NULL,
  PRIMARY KEY (bucket, tenant, care_team, organization)
);
CREATE INDEX on_call_team_organization ON on_call_team (tenant, organization);

-- Which DocumentReference is a patient's fridge card; bucket of the patient.
CREATE TABLE fridge_card (
  bucket int NOT NULL,
  tenant int NOT NULL,
  patient text NOT NULL,
  document text NOT NULL,
  written timestamptz NOT NULL,
  PRIMARY KEY (bucket, tenant, patient, document)
);
"""


def upgrade() -> None:
    """Change and create the tables as fhir_owner, each closed to other tenants."""
    connection = op.get_bind().connection.driver_connection
    if connection is None:
        raise RuntimeError("migrations need a live connection")
    connection.execute("SET ROLE fhir_owner")
    connection.execute(_CHANGES)
    for table in ("on_call_team", "fridge_card"):
        connection.execute(
            f"""
            ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
            ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
            CREATE POLICY tenant_write ON {table} FOR ALL TO fhir_write
              USING ({_TENANT}) WITH CHECK ({_TENANT});
            GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO fhir_write;
            """
        )
    connection.execute("RESET ROLE")
