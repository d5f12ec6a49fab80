"""Who has which chart open, for half a minute at a time."""

from alembic import op

revision = "s0015"
down_revision = "s0014"
branch_labels = None
depends_on = None

_TENANT = "tenant = current_setting('app.tenant')::int"

_SCRIPT = f"""
SET ROLE fhir_owner;

-- Lost with a crash, as it may be: whoever still looks says so again. socket is drawn by the process
-- that holds it; viewer is a reference (Practitioner/nina).
CREATE UNLOGGED TABLE presence (
  tenant int NOT NULL,
  socket uuid NOT NULL,
  viewer text NOT NULL,
  patient text NOT NULL,
  until timestamptz NOT NULL,
  PRIMARY KEY (tenant, socket)
) WITH (fillfactor = 50);
CREATE INDEX presence_chart ON presence (tenant, patient);
ALTER TABLE presence ENABLE ROW LEVEL SECURITY;
ALTER TABLE presence FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_write ON presence FOR ALL TO fhir_write
  USING ({_TENANT}) WITH CHECK ({_TENANT});
CREATE POLICY looking ON presence FOR SELECT TO fhir_worker USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON presence TO fhir_write;

RESET ROLE;
"""


def upgrade() -> None:
    """Create the table as fhir_owner, closed to other tenants."""
    connection = op.get_bind().connection.driver_connection
    if connection is None:
        raise RuntimeError("migrations need a live connection")
    connection.execute(_SCRIPT)
