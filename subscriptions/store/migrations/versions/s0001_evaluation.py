"""Evaluation: windows and rules of patients, alerts and their events, the watch over devices.

Windows, rules and everything a person could be recognised by are envelopes under the patient's key.
What stays readable is what the engine must find: whose row, when due, which code and state.
"""

from alembic import op

revision = "s0001"
down_revision = None
branch_labels = ("subscriptions",)
depends_on = ("c0001",)

_TENANT = "tenant = current_setting('app.tenant')::int"

_TABLES = """
-- One row per patient; locking it serializes the patient's evaluation. version and rules change
-- with every write of the window or of the rules, so a process can tell whether what it
-- remembers is still true.
CREATE TABLE evaluation (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  patient text NOT NULL,
  version bigint NOT NULL DEFAULT 0,
  rules bigint NOT NULL DEFAULT 0,
  state bytea,
  due timestamptz,
  updated timestamptz NOT NULL,
  PRIMARY KEY (bucket, tenant, patient)
) WITH (fillfactor = 80);
CREATE INDEX evaluation_due ON evaluation (due) WHERE due IS NOT NULL;

-- The orders of one patient as read from ServiceRequests; the empty patient is the tenant's
-- default set.
CREATE TABLE rule_set (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  patient text NOT NULL,
  version bigint NOT NULL,
  orders bytea NOT NULL,
  updated timestamptz NOT NULL,
  PRIMARY KEY (bucket, tenant, patient)
);

CREATE TABLE alert (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  id uuid NOT NULL,
  patient text,
  device text,
  system text NOT NULL,
  code text NOT NULL,
  display text NOT NULL,
  kind text NOT NULL,
  family text NOT NULL,
  priority text NOT NULL,
  condition text NOT NULL,
  response text NOT NULL,
  signal text NOT NULL,
  incident uuid NOT NULL,
  onset timestamptz NOT NULL,
  raised timestamptz NOT NULL,
  updated timestamptz NOT NULL,
  ended timestamptz,
  closed timestamptz,
  delayed boolean NOT NULL,
  pages boolean NOT NULL,
  generation int NOT NULL,
  rule text,
  rule_version text,
  flag text,
  simulated boolean NOT NULL,
  key text NOT NULL,
  rang timestamptz,
  kept_alive timestamptz,
  detail bytea NOT NULL,
  PRIMARY KEY (bucket, tenant, id)
);
CREATE INDEX alert_patient ON alert (patient, closed);
CREATE INDEX alert_device ON alert (device, closed) WHERE patient IS NULL;
CREATE INDEX alert_incident ON alert (incident);
CREATE INDEX alert_kept_alive ON alert (kept_alive)
  WHERE kept_alive IS NOT NULL AND closed IS NULL AND condition = 'present';

-- Append-only: nobody may update or delete.
CREATE TABLE alert_event (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  id uuid NOT NULL,
  alert uuid NOT NULL,
  at timestamptz NOT NULL,
  kind text NOT NULL,
  detail bytea NOT NULL,
  PRIMARY KEY (bucket, tenant, id)
);
CREATE INDEX alert_event_alert ON alert_event (alert, at);

-- Devices in use by somebody. mode_at NULL: never told a mode, so it is not expected to speak
-- all the time.
CREATE TABLE device_watch (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  device text NOT NULL,
  patient text,
  mode text,
  mode_at timestamptz,
  last_contact timestamptz NOT NULL,
  online boolean NOT NULL,
  stage smallint NOT NULL DEFAULT 0,
  simulated boolean NOT NULL,
  PRIMARY KEY (bucket, tenant, device)
) WITH (fillfactor = 70);
CREATE INDEX device_watch_silent ON device_watch (last_contact)
  WHERE patient IS NOT NULL AND mode_at IS NOT NULL AND stage < 2;
"""

_DUE = ("evaluation", "alert", "device_watch")


def _run(script: str) -> None:
    """Run a script of several statements, which only the driver's own connection takes."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(script)


def upgrade() -> None:
    """Create the tables as fhir_owner, each behind its tenant's wall."""
    _run("SET ROLE fhir_owner")
    _run(_TABLES)
    for table in ("evaluation", "rule_set", "alert", "alert_event", "device_watch"):
        _run(
            f"""
            ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
            ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
            CREATE POLICY tenant_write ON {table} FOR ALL TO fhir_write
              USING ({_TENANT}) WITH CHECK ({_TENANT});
            """
        )
    for table in _DUE:
        _run(f"CREATE POLICY due ON {table} FOR SELECT TO fhir_worker USING (true)")
    _run(
        """
        GRANT SELECT, INSERT, UPDATE, DELETE ON evaluation, rule_set, device_watch TO fhir_write;
        GRANT SELECT, INSERT, UPDATE ON alert TO fhir_write;
        GRANT SELECT, INSERT ON alert_event TO fhir_write;
        """
    )
    _run("RESET ROLE")
