"""How events are delivered: what a cursor remembers of its failures, and what was set aside."""

from alembic import op

revision = "s0004"
down_revision = "s0003"
branch_labels = None
depends_on = None

_TENANT = "tenant = current_setting('app.tenant')::int"

_CHANGES = """
-- revision: how often the Subscription was written. batch: at most so many events next time.
-- replays: an administrator wants events that were set aside sent again. handed and missed count
-- notifications.
ALTER TABLE subscription_cursor
  ADD COLUMN ends timestamptz,
  ADD COLUMN revision bigint NOT NULL DEFAULT 0,
  ADD COLUMN batch int,
  ADD COLUMN replays boolean NOT NULL DEFAULT false,
  ADD COLUMN failure text,
  ADD COLUMN handed bigint NOT NULL DEFAULT 0,
  ADD COLUMN missed bigint NOT NULL DEFAULT 0;
CREATE INDEX subscription_cursor_subscription ON subscription_cursor (tenant, subscription);
-- What is due, apart: those that fail must not stand in front of the others, nor those in front of
-- telephones.
CREATE INDEX subscription_cursor_person ON subscription_cursor (due_at)
  WHERE due_at IS NOT NULL AND channel = 'sms';
CREATE INDEX subscription_cursor_well ON subscription_cursor (due_at)
  WHERE due_at IS NOT NULL AND channel <> 'sms' AND failing_since IS NULL;
CREATE INDEX subscription_cursor_failing ON subscription_cursor (due_at)
  WHERE due_at IS NOT NULL AND channel <> 'sms' AND failing_since IS NOT NULL;
DROP INDEX subscription_cursor_due;
-- Few rows, changed several times a second: room for the next version beside the last, and no wait
-- for a fifth of the table to be dead.
ALTER TABLE subscription_cursor SET (fillfactor = 60, autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0,
  autovacuum_analyze_threshold = 500);
-- Whose sockets somebody holds.
CREATE INDEX subscription_cursor_socket ON subscription_cursor (lease_until)
  WHERE channel = 'websocket' AND lease_until IS NOT NULL;

ALTER TABLE attempt ADD COLUMN first_number bigint, ADD COLUMN failure text;
CREATE INDEX attempt_started ON attempt (started);
-- What a worker that died has left behind.
CREATE INDEX attempt_unfinished ON attempt (tenant, subscription) WHERE outcome IS NULL;

-- Events of a Subscription that could not be delivered and were passed over; bucket of its cursor.
CREATE TABLE delivery_dead_letter (
  bucket int NOT NULL,
  tenant int NOT NULL,
  id uuid NOT NULL,
  subscription text NOT NULL,
  first_number bigint NOT NULL,
  last_number bigint NOT NULL,
  reason text NOT NULL,
  at timestamptz NOT NULL,
  wanted timestamptz,
  sent timestamptz,
  PRIMARY KEY (bucket, tenant, id)
);
CREATE INDEX delivery_dead_letter_subscription
  ON delivery_dead_letter (tenant, subscription, first_number);
CREATE INDEX delivery_dead_letter_at ON delivery_dead_letter (at);
ALTER TABLE delivery_dead_letter ENABLE ROW LEVEL SECURITY;
ALTER TABLE delivery_dead_letter FORCE ROW LEVEL SECURITY;
"""


def _run(script: str) -> None:
    """Run a script of several statements, which only the driver's own connection takes."""
    connection = op.get_bind().connection.driver_connection
    if connection is None:
        raise RuntimeError("migrations need a live connection")
    connection.execute(script)


def upgrade() -> None:
    """Change the tables as fhir_owner; the new one is closed to other tenants."""
    _run("SET ROLE fhir_owner")
    _run(_CHANGES)
    _run(
        f"""
        CREATE POLICY tenant_write ON delivery_dead_letter FOR ALL TO fhir_write
          USING ({_TENANT}) WITH CHECK ({_TENANT});
        GRANT SELECT, INSERT, UPDATE, DELETE ON delivery_dead_letter TO fhir_write;
        CREATE POLICY due ON delivery_dead_letter FOR SELECT TO fhir_worker USING (true);
        CREATE POLICY due ON attempt FOR SELECT TO fhir_worker USING (true);
        """
    )
    _run("RESET ROLE")
