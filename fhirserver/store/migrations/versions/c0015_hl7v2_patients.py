"""Whose raw messages of interfaces are, so that they go with the patient; who told of which alarm; what metrics count."""

from alembic import op

revision = "c0015"
down_revision = "c0014"
branch_labels = None
depends_on = None

_TENANT = "tenant = current_setting('app.tenant')::int"

_TABLES = f"""
-- `patient`: whose key `raw` and `report` are sealed with, null: the tenant's. `others`: further patients it is about.
ALTER TABLE hl7_message ADD COLUMN patient text, ADD COLUMN others text[] NOT NULL DEFAULT '{{}}';
CREATE POLICY due ON hl7_message FOR SELECT TO fhir_worker USING (true);
CREATE POLICY due ON dead_letter FOR SELECT TO fhir_worker USING (true);

-- The newest message about each alarm of a machine: whoever answers the alarm later, answers that.
CREATE TABLE hl7_alarm (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  device text NOT NULL,
  alarm text NOT NULL,
  sender text NOT NULL,
  control_id text NOT NULL,
  filler text NOT NULL,
  received timestamptz NOT NULL,
  PRIMARY KEY (bucket, tenant, device, alarm)
) WITH (fillfactor = 70);
ALTER TABLE hl7_alarm ENABLE ROW LEVEL SECURITY;
ALTER TABLE hl7_alarm FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_write ON hl7_alarm TO fhir_write USING ({_TENANT}) WITH CHECK ({_TENANT});
GRANT SELECT, INSERT, UPDATE, DELETE ON hl7_alarm TO fhir_write;
"""


def upgrade() -> None:
    """Add the columns and the table."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute("SET ROLE fhir_owner")
    connection.execute(_TABLES)
    connection.execute("RESET ROLE")
