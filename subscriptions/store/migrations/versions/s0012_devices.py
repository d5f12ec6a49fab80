"""What machines announce of their own limits, and devices whose gateway is lost."""

from alembic import op

revision = "s0012"
down_revision = "s0011"
branch_labels = None
depends_on = None

_TENANT = "tenant = current_setting('app.tenant')::int"

_TABLES = """
-- The alarm limits a machine has now, see subscriptions.core.device_limits. No patient is in it.
CREATE TABLE device_limit (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  device text NOT NULL,
  limits jsonb NOT NULL,
  PRIMARY KEY (bucket, tenant, device)
) WITH (fillfactor = 70);

-- Since when nobody can hear a device because its gateway is lost, null while that is not so.
ALTER TABLE device_watch ADD COLUMN unseen timestamptz;
CREATE INDEX device_watch_unseen ON device_watch (tenant, unseen) WHERE unseen IS NOT NULL;
"""


def _run(script: str) -> None:
    """Run a script of several statements, which only the driver's own connection takes."""
    connection = op.get_bind().connection.driver_connection
    if connection is None:
        raise RuntimeError("migrations need a live connection")
    connection.execute(script)


def upgrade() -> None:
    """Create them as fhir_owner."""
    _run("SET ROLE fhir_owner")
    _run(_TABLES)
    _run(
        f"""
        ALTER TABLE device_limit ENABLE ROW LEVEL SECURITY;
        ALTER TABLE device_limit FORCE ROW LEVEL SECURITY;
        CREATE POLICY tenant_write ON device_limit FOR ALL TO fhir_write
          USING ({_TENANT}) WITH CHECK ({_TENANT});
        GRANT SELECT, INSERT, UPDATE, DELETE ON device_limit TO fhir_write;
        """
    )
    _run("RESET ROLE")
