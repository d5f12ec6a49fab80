"""The log of AuditEvents: what was written and is not sealed yet, and the sealed batches with their signed heads.

AuditEvents are only added: the roles of the running server may neither change nor delete one. Keys are rotated, indexes
rebuilt and old events expired by the worker's role, which has to say in its transaction that it does that.
"""

from alembic import op

from fhirserver import definitions

revision = "c0012"
down_revision = "c0011"
branch_labels = None
depends_on = None

_TENANT = "tenant = (SELECT current_setting('app.tenant')::int)"

_TABLES = """
-- What happened, sealed, until it is written out as AuditEvents. One line for many happenings.
CREATE TABLE audit_spool (
  id uuid PRIMARY KEY,
  tenant int NOT NULL,
  sealed bytea NOT NULL,
  events int NOT NULL,
  written timestamptz NOT NULL
);
ALTER TABLE audit_spool ALTER COLUMN sealed SET STORAGE EXTERNAL;

-- Written with the AuditEvents it lists, taken by the sealer. One line for many events.
CREATE TABLE audit_pending (
  id uuid PRIMARY KEY,
  tenant int NOT NULL,
  events uuid[] NOT NULL,
  leaves bytea NOT NULL,
  written timestamptz NOT NULL,
  CHECK (octet_length(leaves) = 32 * cardinality(events))
);

-- Batch `number` adds the leaves `first` .. `size` - 1 to the tree. `frontier` is what the next one goes on from.
CREATE TABLE audit_batch (
  number bigint PRIMARY KEY,
  first bigint NOT NULL UNIQUE,
  size bigint NOT NULL UNIQUE,
  tenants int[] NOT NULL,
  events uuid[] NOT NULL,
  leaves bytea NOT NULL,
  frontier bytea NOT NULL,
  statement bytea NOT NULL,
  signature text NOT NULL,
  sealed timestamptz NOT NULL,
  CHECK (first < size AND cardinality(events) = size - first AND cardinality(tenants) = size - first
         AND octet_length(leaves) = 32 * (size - first))
);

CREATE TABLE audit_lease (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  holder text NOT NULL,
  epoch bigint NOT NULL,
  until timestamptz NOT NULL
);
"""


def _run(script: str) -> None:
    """Run a script of several statements, which only the driver's own connection takes."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(script)


def upgrade() -> None:
    """Create the log, and let nobody change an AuditEvent."""
    number = definitions.load().type_number("AuditEvent")
    upkeep = "(SELECT current_user = 'fhir_worker' AND coalesce(current_setting('app.upkeep', true), '') = 'on')"
    _run("SET ROLE fhir_owner")
    _run(_TABLES)
    _run(
        f"""
        ALTER TABLE audit_pending ENABLE ROW LEVEL SECURITY;
        ALTER TABLE audit_pending FORCE ROW LEVEL SECURITY;
        CREATE POLICY tenant_write ON audit_pending FOR INSERT TO fhir_write WITH CHECK ({_TENANT});
        CREATE POLICY due_read ON audit_pending FOR SELECT TO fhir_worker USING (true);
        CREATE POLICY due_taken ON audit_pending FOR DELETE TO fhir_worker USING (true);
        ALTER TABLE audit_spool ENABLE ROW LEVEL SECURITY;
        ALTER TABLE audit_spool FORCE ROW LEVEL SECURITY;
        CREATE POLICY tenant_write ON audit_spool FOR INSERT TO fhir_write WITH CHECK ({_TENANT});
        CREATE POLICY due_read ON audit_spool FOR SELECT TO fhir_worker USING (true);
        CREATE POLICY due_claimed ON audit_spool FOR UPDATE TO fhir_worker USING (true);
        CREATE POLICY due_taken ON audit_spool FOR DELETE TO fhir_worker USING (true);
        GRANT INSERT ON audit_spool TO fhir_write;
        -- Locking a line needs the right to change it; a new key seals it anew.
        GRANT SELECT, DELETE, UPDATE ON audit_spool TO fhir_worker;
        GRANT INSERT ON audit_pending TO fhir_write;
        GRANT SELECT, DELETE ON audit_pending TO fhir_worker;
        GRANT SELECT, INSERT ON audit_batch TO fhir_worker;
        GRANT SELECT, INSERT, UPDATE ON audit_lease TO fhir_worker;
        CREATE POLICY audit_unchanged ON resource AS RESTRICTIVE FOR UPDATE TO fhir_write
          USING (true) WITH CHECK (type <> {number} OR {upkeep});
        CREATE POLICY audit_kept ON resource AS RESTRICTIVE FOR DELETE TO fhir_write
          USING (type <> {number} OR {upkeep});
        -- Encrypted content cannot be made smaller, and an event is read whole or not at all: it stays in its row.
        ALTER TABLE current_auditevent_rest ALTER COLUMN content SET STORAGE EXTERNAL;
        ALTER TABLE current_auditevent_rest SET (toast_tuple_target = 8160);
        """
    )
    _run("RESET ROLE")
