"""The watch over devices' faults and over ourselves.

Rows that speak of a device are the tenant's; those about the server itself belong to nobody and hold
no word about a person.
"""

from alembic import op

revision = "s0011"
down_revision = "s0010"
branch_labels = None
depends_on = None

_TENANT = "tenant = current_setting('app.tenant')::int"

_TABLES = """
-- What is wrong with what a device sends, see subscriptions.core.device_trouble. device is the address
-- of a device nobody knows, then without patient.
CREATE TABLE device_trouble (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  device text NOT NULL,
  kind text NOT NULL,
  patient text,
  amount bigint NOT NULL,
  since timestamptz NOT NULL,
  last timestamptz NOT NULL,
  told text,
  simulated boolean NOT NULL,
  look_at timestamptz,
  PRIMARY KEY (bucket, tenant, device, kind)
) WITH (fillfactor = 80);
CREATE INDEX device_trouble_due ON device_trouble (look_at) WHERE look_at IS NOT NULL;

-- Which process of which role lives, and how it finds itself.
CREATE TABLE role_beat (
  role text NOT NULL,
  process text NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (role, process)
) WITH (fillfactor = 50);

-- One row: what the watchdog found last. late_since: since when evaluation is late, null while it is not.
CREATE TABLE server_health (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  at timestamptz NOT NULL,
  is_well boolean NOT NULL,
  lag_ms bigint,
  late_since timestamptz,
  troubles text NOT NULL
) WITH (fillfactor = 50);

-- Seconds a device means to send apart, null where it does not say.
ALTER TABLE device_watch ADD COLUMN every real;

-- Whose people were told that evaluation is late.
CREATE INDEX alert_late ON alert (tenant)
  WHERE key = 'evaluation-late' AND closed IS NULL AND condition = 'present';

-- Runs of the synthetic patient; arrived: when its page reached the sink, null while it has not.
CREATE TABLE synthetic_run (
  slot bigint PRIMARY KEY,
  started timestamptz NOT NULL,
  alerted timestamptz,
  arrived timestamptz
);
"""


def _run(script: str) -> None:
    """Run a script of several statements, which only the driver's own connection takes."""
    connection = op.get_bind().connection.driver_connection
    if connection is None:
        raise RuntimeError("migrations need a live connection")
    connection.execute(script)


def upgrade() -> None:
    """Create the tables as fhir_owner."""
    _run("SET ROLE fhir_owner")
    _run(_TABLES)
    _run(
        f"""
        ALTER TABLE device_trouble ENABLE ROW LEVEL SECURITY;
        ALTER TABLE device_trouble FORCE ROW LEVEL SECURITY;
        CREATE POLICY tenant_write ON device_trouble FOR ALL TO fhir_write
          USING ({_TENANT}) WITH CHECK ({_TENANT});
        CREATE POLICY due ON device_trouble FOR SELECT TO fhir_worker USING (true);
        GRANT SELECT, INSERT, UPDATE, DELETE ON device_trouble TO fhir_write;
        GRANT SELECT, INSERT, UPDATE, DELETE ON role_beat, server_health, synthetic_run TO fhir_worker;
        -- Alerts and their story are never deleted, but for those of the patient who is not there.
        CREATE POLICY synthetic_only ON alert AS RESTRICTIVE FOR DELETE
          USING (tenant = (SELECT t.tenant FROM tenant t WHERE t.name = 'synthetic-patient'));
        CREATE POLICY synthetic_only ON alert_event AS RESTRICTIVE FOR DELETE
          USING (tenant = (SELECT t.tenant FROM tenant t WHERE t.name = 'synthetic-patient'));
        GRANT DELETE ON alert, alert_event TO fhir_worker;
        """
    )
    _run("RESET ROLE")
