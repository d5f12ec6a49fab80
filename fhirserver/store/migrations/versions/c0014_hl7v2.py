"""Messages of interfaces as they came in with what became of them, and dead letters that can be processed again."""

from alembic import op

revision = "c0014"
down_revision = "c0013"
branch_labels = None
depends_on = None

_TENANT = "tenant = current_setting('app.tenant')::int"

_TABLES = f"""
-- One row for each control id of a sender. `raw` and `report` are sealed; `report` is null where nothing is to be said.
CREATE TABLE hl7_message (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  id uuid NOT NULL,
  sender text NOT NULL,
  control_id text NOT NULL,
  kind text NOT NULL,
  received timestamptz NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('accepted', 'partly', 'refused')),
  reason text NOT NULL DEFAULT '',
  attempts int NOT NULL DEFAULT 1,
  raw bytea NOT NULL,
  report bytea,
  PRIMARY KEY (bucket, tenant, id),
  UNIQUE (bucket, tenant, sender, control_id)
);
CREATE INDEX hl7_message_received ON hl7_message (tenant, received);
ALTER TABLE hl7_message ENABLE ROW LEVEL SECURITY;
ALTER TABLE hl7_message FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_write ON hl7_message TO fhir_write USING ({_TENANT}) WITH CHECK ({_TENANT});
GRANT SELECT, INSERT, UPDATE, DELETE ON hl7_message TO fhir_write;

-- `kind`: what the message was, as its door says it. `parts`: the measures of it that were refused, where others of it
-- were taken.
ALTER TABLE dead_letter ADD COLUMN kind text NOT NULL DEFAULT '', ADD COLUMN parts text[] NOT NULL DEFAULT '{{}}',
  ADD COLUMN replayed timestamptz;
"""


def upgrade() -> None:
    """Create the table and add the columns."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute("SET ROLE fhir_owner")
    connection.execute(_TABLES)
    connection.execute("RESET ROLE")
